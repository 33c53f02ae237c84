//! Options come before the environment, and that before the file.

use std::path::PathBuf;

use tempfile::TempDir;

use super::support::{Served, ottla, program, run};

struct File {
    directory: TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ottla.toml");
    std::fs::write(&path, text).unwrap();
    File { directory, path }
}

/// The id of the broker that leads.
fn leader(server: &Served) -> i64 {
    let url = server.url();
    assert_eq!(ottla(&["-u", &url, "topic", "create", "t"]).code, 0);
    ottla(&["-u", &url, "topic", "describe", "t", "--json"]).json()[0]["partitions"][0]["leader"].as_i64().unwrap()
}

#[test]
fn the_file_comes_last() {
    let file = file("url = 'memory://'\n[server]\nlisten = '127.0.0.1:0'\nnode_id = 7\n");
    let serve = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = program(&["serve", "--json"]);
        command.args(args).arg("--config").arg(&file.path);
        command.envs(env.iter().copied());
        Served::of(command)
    };
    assert_eq!(leader(&serve(&[], &[])), 7);
    assert_eq!(leader(&serve(&[], &[("OTTLA_NODE_ID", "8")])), 8);
    assert_eq!(leader(&serve(&["--node-id", "9"], &[("OTTLA_NODE_ID", "8")])), 9);
    assert_eq!(leader(&serve(&["-X", "server.node_id=10"], &[])), 10);
}

#[test]
fn a_url_comes_from_anywhere() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    let file = file("url = 'orders'\n[broker]\n'num.partitions' = 3\n[server]\nnode_id = 7");
    let config = file.path.to_str().unwrap();
    ottla(&["--config", config, "topic", "list"]).failed(2, &["`orders`", "has no `://`"]);
    let with = |args: &[&str], url: &str| {
        let mut command = program(args);
        command.env("OTTLA_URL", url).env("OTTLA_CONFIG", config);
        run(command)
    };
    // What the file says of a broker is for one that is started.
    assert_eq!(with(&["topic", "list"], &url).code, 0);
    assert_eq!(with(&["topic", "list", "-u", &url], "nowhere").code, 0);
    with(&["topic", "list"], "nowhere").failed(2, &["`nowhere`"]);
}

#[test]
fn settings_reach_the_broker_and_the_storage() {
    let file = file("[broker]\n'num.partitions' = 3\n[disk]\ndurability = 'os'\n");
    let place = format!("file://{}/log", file.directory.path().display());
    let config = file.path.to_str().unwrap();
    let server =
        Served::start(&place, &["--config", config, "--auto-create-topics", "-X", "broker.log.retention.ms=5000"]);
    assert_eq!(server.ready["durability"], "os-buffer");
    let url = server.url();
    assert_eq!(ottla(&["-u", &url, "topic", "create", "t"]).code, 0);
    let topic = ottla(&["-u", &url, "topic", "describe", "t", "--all-configs", "--json"]).json();
    assert_eq!(topic[0]["partitions"].as_array().unwrap().len(), 3);
    let retention = topic[0]["configs"].as_array().unwrap().iter().find(|config| config["name"] == "retention.ms");
    assert_eq!(retention.unwrap()["value"], "5000");
    server.end();
    let server = Served::start(&place, &["--config", config, "--durability", "fsync"]);
    assert_eq!(server.ready["durability"], "fsync");
}

#[test]
fn a_setting_that_nobody_knows_is_named_with_its_file() {
    for (text, command, words) in [
        (
            "[disk]\ndurabilty = 'os'",
            "topic",
            &["unknown setting `disk.durabilty`", "did you mean `disk.durability`?", "ottla.toml"][..],
        ),
        ("[broker]\n'num.partition' = 3", "topic", &["did you mean `num.partitions`?", "ottla.toml"]),
        ("[server]\nlisen = '127.0.0.1:0'", "serve", &["`[server]`", "`lisen`", "`listen`"]),
        ("[server.limits]\nconnection = 3", "serve", &["`connection`", "`connections`"]),
        ("[server]\nlisten = 'here'", "serve", &["`[server]`", "listen"]),
        ("[producer]\nlinger_ms = 'x'", "topic", &["[producer]"]),
        ("url = 3", "topic", &["`url` is a text"]),
        ("url = ", "topic", &["is not TOML: line 1, column ", "ottla.toml"]),
    ] {
        let file = file(text);
        let mut args = vec!["-u", "memory://", "--config", file.path.to_str().unwrap(), command];
        args.extend((command == "topic").then_some("list"));
        if text.starts_with("url") {
            args.drain(..2);
        }
        ottla(&args).failed(2, words);
    }
    ottla(&["--config", "/nowhere/ottla.toml", "topic", "list"]).failed(2, &["/nowhere/ottla.toml cannot be read"]);
    ottla(&["-u", "memory://", "-X", "disk.durabilty=os", "topic", "list"]).failed(2, &["`disk.durability`"]);
    ottla(&["-u", "memory://", "-X", "disk", "topic", "list"]).failed(2, &["disk.durability=os"]);
    ottla(&["-u", "memory://", "--log", "ottla=loud", "topic", "list"]).failed(2, &["`ottla=loud`", "--log"]);
}

#[test]
fn passwords_are_not_shown() {
    let file = file("url = 'memory://'\n[kafka]\nuser = 'me'\npassword = 'hidden\n");
    let told = ottla(&["--config", file.path.to_str().unwrap(), "topic", "list"]);
    told.failed(2, &["is not TOML", "line 4, column ", "ottla.toml"]);
    assert!(!told.err.contains("hidden"), "{told:?}");
    for url in ["kafka://me:hid/den@127.0.0.1:1", "kafka://me:hid?den@h", "me:hid/den@h"] {
        for json in [&[][..], &["--json"]] {
            let told = ottla(&[&["-u", url, "topic", "list"], json].concat());
            assert!(told.code != 0 && !told.err.contains("hid") && !told.err.contains("den"), "{told:?}");
        }
    }
}
