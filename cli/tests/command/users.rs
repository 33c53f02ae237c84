//! The first user.

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
