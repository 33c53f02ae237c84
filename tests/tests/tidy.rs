//! House rules that a program can hold: import arrows, names, sizes, and what the documents claim.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ottla_tests::Catalogue;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of the tree below `dir` that ends in `ending`, by its path from the root.
fn files(dir: &str, ending: &str) -> BTreeMap<String, String> {
    fn walk(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && (!name.starts_with('.') || name == ".ci") {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(dir), ending, &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            Some((path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text))
        })
        .collect()
}

fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn crates_import_only_along_the_arrows() {
    // What each package may name among ours; examples, tests and cli may name all.
    let arrows: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("broker-core", &[][..]),
        ("backends", &["ottla-broker-core"]),
        ("wire", &["ottla-broker-core"]),
        ("server", &["ottla-broker-core", "ottla-wire"]),
        ("sdk", &["ottla-broker-core", "ottla-backends", "ottla-wire", "ottla-server"]),
    ]);
    let mut broken = Vec::new();
    for (dir, allowed) in arrows {
        let Ok(manifest) = fs::read_to_string(root().join(dir).join("Cargo.toml")) else { continue };
        let manifest: toml::Table = manifest.parse().unwrap();
        let dependencies = manifest.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
        for name in dependencies.keys().filter(|name| name.starts_with("ottla")) {
            if !allowed.contains(&name.as_str()) {
                broken.push(format!("{dir} depends on {name}"));
            }
            if dir == "sdk" && name != "ottla-broker-core" && dependencies[name].get("optional").is_none() {
                broken.push(format!("sdk depends on {name} without a feature"));
            }
        }
    }
    assert_none("a crate imports against ARCHITECTURE's arrows", &broken);
}

#[test]
fn only_some_rooms_may_name_some_crates() {
    let rules: [(&str, &[&str]); 5] = [
        (
            "ottla_backends",
            &[
                "sdk/src/connect",
                "backends/",
                "server/src/connection/tests",
                "server/tests/",
                "examples/",
                "tests/",
                "cli/",
            ],
        ),
        ("object_store", &["backends/", "sdk/src/connect/bucket", "tests/"]),
        ("ottla_wire", &["sdk/src/connect", "wire/", "server/", "examples/", "tests/", "cli/"]),
        ("kafka_protocol", &["wire/", "tests/"]),
        ("kafka_wire", &["wire/"]),
    ];
    let mut broken = Vec::new();
    for (path, text) in files("", ".rs") {
        for (name, rooms) in rules {
            let named = code_lines(&text).any(|(_, line)| line.contains(&format!("{name}::")));
            if named && path != "tests/tests/tidy.rs" && !rooms.iter().any(|room| path.starts_with(room)) {
                broken.push(format!("{path} names {name}"));
            }
        }
    }
    assert_none("a crate is named outside its rooms", &broken);
}

#[test]
fn modules_of_the_core_import_only_downwards() {
    // From low to high; a module may name those before it.
    let order = [
        "planted",
        "ids",
        "env",
        "error",
        "record",
        "config",
        "log",
        "api",
        "producer",
        "replica",
        "partition",
        "coordinator",
        "metadata",
        "copy",
        "broker",
        "conformance",
    ];
    let level = |module: &str| order.iter().position(|name| *name == module);
    let mut broken = Vec::new();
    for (path, text) in files("broker-core/src", ".rs") {
        let module = path.trim_start_matches("broker-core/src/").split(['/', '.']).next().unwrap().to_owned();
        if module == "lib" {
            continue;
        }
        let own = level(&module).unwrap_or_else(|| panic!("{path}: give `{module}` its place in the order"));
        for (number, line) in code_lines(&text) {
            for part in line.split("crate::").skip(1) {
                let named: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // `api` and `log` share a level: an answer names a durability.
                if level(&named).is_some_and(|other| other > own) {
                    broken.push(format!("{path}:{number} names crate::{named}"));
                }
            }
        }
    }
    assert_none("a module of broker-core imports upwards", &broken);
}

#[test]
fn files_stay_short_enough_to_read() {
    let broken: Vec<_> = files("", ".rs")
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(path, lines)| *lines > if path.contains("/tests") { 800 } else { 500 })
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none("a file has grown past one idea", &broken);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let marks = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "simplified version"];
    let mut broken = Vec::new();
    for (path, text) in files("", ".rs").into_iter().chain(files("", ".toml")).chain(files("", ".md")) {
        if path == "tests/tests/tidy.rs" {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert_none("a mark of unfinished work", &broken);
}

#[test]
fn every_crate_follows_the_workspace() {
    let mut broken = Vec::new();
    for (path, text) in files("", "Cargo.toml") {
        let manifest: toml::Table = text.parse().unwrap();
        let Some(package) = manifest.get("package").and_then(|p| p.as_table()) else { continue };
        let inherits = |table: &toml::Table, key: &str| {
            table.get(key).and_then(|v| v.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        for key in ["version", "edition", "rust-version", "license"] {
            if !inherits(package, key) {
                broken.push(format!("{path}: package.{key} is not the workspace's"));
            }
        }
        let lints = manifest.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool);
        if lints != Some(true) {
            broken.push(format!("{path}: lints are not the workspace's"));
        }
        for table in ["dependencies", "dev-dependencies"] {
            for (name, spec) in manifest.get(table).and_then(|d| d.as_table()).into_iter().flatten() {
                // A crate may ask for its own features in its tests; with a version it could not be published.
                let is_itself = spec.get("path").and_then(toml::Value::as_str) == Some(".");
                if !is_itself && spec.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    broken.push(format!("{path}: the version of {name} is not the workspace's"));
                }
            }
        }
    }
    assert_none("a crate goes its own way", &broken);
}

#[test]
fn every_planted_bug_has_a_test_and_a_switch() {
    let catalogue = Catalogue::load().unwrap();
    let listed: BTreeSet<String> = catalogue.bug.iter().map(|bug| bug.name.clone()).collect();
    assert_eq!(listed.len(), catalogue.bug.len(), "a bug is listed twice");
    let mut switches = BTreeSet::new();
    for dir in ["broker-core/src", "backends/src", "wire/src", "server/src", "sdk/src", "cli/src"] {
        for text in files(dir, ".rs").values() {
            let switch = concat!("is_planted", "(\"");
            for (_, line) in code_lines(text) {
                for part in line.split(switch).skip(1) {
                    switches.insert(part.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    let broken: Vec<_> = listed
        .symmetric_difference(&switches)
        .map(|name| {
            let what = if listed.contains(name) { "has no switch in the code" } else { "is not in the catalogue" };
            format!("{name} {what}")
        })
        .collect();
    assert_none("catalogue and code disagree", &broken);
}

#[test]
fn the_read_me_says_what_exists() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut broken = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if word == "--bin" {
                let name = words.next().unwrap_or_default().trim_matches('`');
                let dirs = ["examples/src/bin", "tests/src/bin"];
                if !dirs.iter().any(|dir| root().join(dir).join(format!("{name}.rs")).exists()) {
                    broken.push(format!("the program {name} of `{line}`"));
                }
            }
        }
    }
    for path in ["LICENSE", "CHANGELOG.md", ".ci/run"] {
        if !root().join(path).exists() {
            broken.push(path.to_owned());
        }
    }
    assert_none("README.md names what is not there", &broken);
}

#[test]
fn unsafe_code_has_a_reason_and_one_file() {
    let allowed: [&str; 3] = ["tests/src/counting.rs", "broker-core/tests/", "wire/tests/"];
    let broken: Vec<_> = files("", ".rs")
        .into_iter()
        .filter(|(path, text)| {
            !allowed.iter().any(|room| path.starts_with(room))
                && code_lines(text).any(|(_, line)| {
                    line.contains(concat!("allow(", "unsafe_code")) || line.contains(concat!("expect(", "unsafe_code"))
                })
        })
        .map(|(path, _)| path)
        .collect();
    assert_none("unsafe code outside the counting allocators of tests", &broken);
}
