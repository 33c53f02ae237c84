//! The first user, and others.

use super::support::{Served, ottla, program};

fn with_password(place: &str, options: &[&str]) -> std::process::Command {
    let mut command = program(&[&["serve", place, "--listen", "127.0.0.1:0", "--json"], options].concat());
    command.env("OTTLA_FIRST_PASSWORD", "hush-hush");
    command
}

fn listed(server: &Served, who: &str) -> super::support::Outcome {
    ottla(&["-u", &format!("kafka://{who}@{}", server.address()), "topic", "list"])
}

#[test]
fn the_first_user_lets_himself_in() {
    let directory = tempfile::tempdir().unwrap();
    let place = format!("file://{}", directory.path().display());
    let server = Served::of(with_password(&place, &["--sasl", "--first-user", "admin"]));
    assert_eq!(server.ready["sasl"], serde_json::json!(["SCRAM-SHA-256", "SCRAM-SHA-512"]));
    assert_eq!(listed(&server, "admin:hush-hush").code, 0);
    let refused = listed(&server, "admin:wrong");
    assert!(refused.code != 0 && !refused.err.contains("wrong@"), "{refused:?}");
    assert_ne!(ottla(&["-u", &server.url(), "topic", "list"]).code, 0, "nobody is let in without a log-in");
    server.end();

    // Who is there stays as he is: the option may be left in a script.
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "other\n").unwrap();
    let file = ["--sasl=PLAIN", "--first-user", "admin", "--first-password-file", secret.to_str().unwrap()];
    let server = Served::start(&place, &file);
    assert_eq!(server.ready["sasl"], serde_json::json!(["PLAIN"]));
    let plain = format!("kafka://admin:hush-hush@{}?sasl=PLAIN", server.address());
    assert_eq!(ottla(&["-u", &plain, "topic", "list"]).code, 0);
    server.end();
    let server = Served::start(&place, &["--sasl=SCRAM-SHA-512"]);
    let scram = format!("kafka://admin:hush-hush@{}?sasl=SCRAM-SHA-512", server.address());
    assert_eq!(ottla(&["-u", &scram, "topic", "list"]).code, 0);
}

#[test]
fn a_server_that_lets_nobody_in_is_not_started() {
    let serve = ["serve", "memory://", "--listen", "127.0.0.1:0"];
    let failed = |options: &[&str], words: &[&str]| ottla(&[&serve, options].concat()).failed(2, words);
    failed(&["--sasl"], &["nobody could log in", "--first-user"]);
    failed(&["--sasl", "--first-user", "me"], &["no password", "--first-password-file", "OTTLA_FIRST_PASSWORD"]);
    failed(&["--first-user", "me"], &["--sasl"]);
    failed(&["--sasl=SCRAM-SHA-1"], &["`SCRAM-SHA-1`", "SCRAM-SHA-256, SCRAM-SHA-512, PLAIN"]);
    failed(&["--sasl", "--first-password-file", "/nowhere"], &["--first-user"]);
}

/// Calls the program with something to read.
fn told(args: &[&str], input: &str) -> super::support::Outcome {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let mut command = program(args);
    command.stdin(std::fs::File::open(file.path()).unwrap());
    super::support::run(command)
}

#[test]
fn users_are_made_and_deleted_while_nobody_serves() {
    let directory = tempfile::tempdir().unwrap();
    let place = format!("file://{}", directory.path().display());
    let user = |args: &[&str], input: &str| told(&[&["-u", place.as_str(), "user"], args].concat(), input);
    assert_eq!(user(&["set", "admin"], "hush-hush\nmore").out, "user admin has a password\n");
    assert_eq!(user(&["set", "other"], "secret").code, 0);
    assert_eq!(
        user(&["ls"], "").out,
        "USER   MECHANISMS\nadmin  SCRAM-SHA-256,SCRAM-SHA-512\nother  SCRAM-SHA-256,SCRAM-SHA-512\n"
    );
    let server = Served::start(&place, &["--sasl"]);
    for who in ["admin:hush-hush", "other:secret"] {
        assert_eq!(listed(&server, who).code, 0, "{who}");
    }
    user(&["list"], "").failed(4, &["close the other process"]);
    server.end();
    assert_eq!(user(&["set", "admin"], "new").code, 0);
    assert_eq!(user(&["delete", "other"], "").out, "user other deleted\n");
    user(&["delete", "other"], "").failed(3, &["user `other` has no SCRAM credential"]);
    user(&["set", "admin"], "\n").failed(2, &["a password is not empty"]);
    let server = Served::start(&place, &["--sasl"]);
    assert_eq!(listed(&server, "admin:new").code, 0);
    for who in ["admin:hush-hush", "other:secret"] {
        assert_ne!(listed(&server, who).code, 0, "{who}");
    }
    ottla(&["-u", &server.url(), "user", "list"]).failed(2, &["-u file:///", "kafka-configs"]);
}
