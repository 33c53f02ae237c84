//! Whole logs: copied, and checked.

use std::os::unix::fs::FileExt;
use std::path::Path;

use super::support::{Served, consume, create, ottla, produce};

fn url(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

/// A log that is closed.
fn log(directory: &Path) {
    let url = url(directory);
    create(&url, "t", &["--partitions", "2"]);
    let lines: String = (0..2_000).map(|n| format!("key-{n}:value {n}\n")).collect();
    produce(&url, "t", &["-k", ":"], lines);
    assert_eq!(consume(&url, "t", &["-g", "g", "-n", "5"]).lines().count(), 5);
}

#[test]
fn a_log_goes_to_another_place() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old log"), home.path().join("new"));
    let old_url = url(&old).replace(' ', "%20");
    std::fs::create_dir(&old).unwrap();
    create(&old_url, "t", &["--partitions", "1"]);
    produce(&old_url, "t", &["-k", ":"], "a:1\nb:2\n");
    assert_eq!(consume(&old_url, "t", &["-g", "g", "-n", "1"]), "1\n");
    let copied = ottla(&["copy", old.to_str().unwrap(), &url(&new), "--verify", "--json"]).json();
    assert!(
        copied["verified"] == true && copied["resumed"] == false && copied["records"].as_u64() >= Some(2),
        "{copied}"
    );
    assert_eq!(consume(&url(&new), "t", &["-g", "g", "-n", "1"]), "2\n");
    let again = ottla(&["copy", &old_url, &url(&new)]);
    again.failed(1, &["finished copy"]);
    ottla(&["copy", &old_url, "memory://x"]).failed(2, &["gone with this command"]);
    ottla(&["copy", &old_url, &old_url]).failed(2, &["to itself"]);
    ottla(&["copy", "kafka://localhost:1", &url(&home.path().join("x"))]).failed(2, &["names brokers"]);
    let server = Served::start(&old_url, &[]);
    ottla(&["copy", &old_url, &url(&home.path().join("other"))]).failed(4, &["open"]);
    server.end();
    let people = ottla(&["copy", &old_url, home.path().join("third").to_str().unwrap()]);
    assert!(people.out.contains(" copied"), "{people:?}");
}

/// Settings for clients and servers in the same file are no hindrance.
#[test]
fn a_file_of_settings_serves_copies_and_checks_too() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("ottla.toml");
    std::fs::write(
        &config,
        "client_id = 'c'\n[producer]\nlinger_ms = 1\n[disk]\ndurability = 'os'\n[server]\nlisten = '127.0.0.1:0'\n",
    )
    .unwrap();
    let config = config.to_str().unwrap();
    log(&home.path().join("a"));
    let (a, b) = (home.path().join("a"), home.path().join("b"));
    let copied = ottla(&["--config", config, "copy", a.to_str().unwrap(), b.to_str().unwrap(), "--json"]).json();
    assert_eq!(copied["topics"].as_u64().map(|topics| topics >= 1), Some(true));
    assert_eq!(ottla(&["--config", config, "check", b.to_str().unwrap(), "--json"]).json()["sound"], true);
    ottla(&["-X", "disk.durabilty=os", "check", b.to_str().unwrap()]).failed(2, &["durability"]);
    ottla(&["-X", "nonsense=1", "check", b.to_str().unwrap()]).failed(2, &["nonsense"]);
}

#[test]
fn a_sound_log_is_found_sound() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("log");
    log(&directory);
    for args in [&["check", directory.to_str().unwrap()][..], &["-u", &url(&directory), "check"]] {
        let checked = ottla(args);
        assert!(checked.code == 0 && checked.out.ends_with("\nsound\n"), "{checked:?}");
    }
    let report = ottla(&["check", &url(&directory), "--json"]).json();
    assert_eq!((&report["sound"], &report["closed"]), (&true.into(), &true.into()), "{report}");
    let ends: i64 = report["logs"].as_array().unwrap().iter().filter_map(|log| log["end"].as_i64()).sum();
    assert!(ends >= 2_000, "{report}");
}

#[test]
fn a_changed_byte_is_found() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("log");
    log(&directory);
    let report = ottla(&["check", &url(&directory), "--json"]).json();
    let files = report["files"].as_array().unwrap();
    let largest = files.iter().max_by_key(|file| file["live"].as_u64()).unwrap();
    let (name, middle) = (largest["name"].as_str().unwrap(), largest["used"].as_u64().unwrap() / 2);
    let file = std::fs::File::options().read(true).write(true).open(directory.join(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], middle).unwrap();

    let people = ottla(&["check", &url(&directory)]);
    assert_eq!(people.code, 1, "{people:?}");
    assert!(people.out.contains("DAMAGED") && people.err.contains("is damaged in"), "{people:?}");
    let program = ottla(&["check", &url(&directory), "--json"]);
    assert_eq!(program.code, 1, "{program:?}");
    let report: serde_json::Value = serde_json::from_str(&program.out).unwrap();
    assert_eq!(report["sound"], false);
    assert!(!report["damage"].as_array().unwrap().is_empty(), "{report}");
}

#[test]
fn what_cannot_be_checked_says_why() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("log");
    let missing = home.path().join("none");
    ottla(&["check", missing.to_str().unwrap()]).failed(3, &["none"]);
    assert!(!missing.exists());
    std::fs::create_dir(&missing).unwrap();
    ottla(&["check", missing.to_str().unwrap()]).failed(3, &["nothing was ever stored"]);
    log(&directory);
    let server = Served::start(&url(&directory), &[]);
    ottla(&["check", &url(&directory)]).failed(4, &["cannot open"]);
    ottla(&["check", &server.url()]).failed(2, &["names brokers"]);
    ottla(&["check", "memory://x"]).failed(2, &["in memory"]);
    ottla(&["check"]).failed(2, &["there is no URL"]);
    server.end();
}
