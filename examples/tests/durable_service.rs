//! `durable_service` as a user runs it: with its processes.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the verdict")]
#![allow(clippy::disallowed_methods, reason = "a user writes the configuration")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durable_service"));
    let output = command.args(["--rounds", "3", "--orders", "200"]).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, text)
}

#[test]
fn the_url_alone_decides_what_outlives_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("service.toml");
    for durability in ["fsync", "os"] {
        let url = format!("file://{}/{durability}", home.path().display());
        let table = "journal_bytes = 8388608";
        std::fs::write(&config, format!("url = '{url}'\n[disk]\ndurability = '{durability}'\n{table}\n")).unwrap();
        let (output, text) = run(&["--config", config.to_str().unwrap()]);
        assert!(output.status.success() && text.contains(" 0 lost, 0 doubled"), "{text}");
        assert!(text.contains("round 2: found ") && !text.contains("round 2: found 0 "), "{text}");
    }
    // The same configuration, at another URL.
    let (output, text) = run(&["--config", config.to_str().unwrap(), "memory://"]);
    assert!(output.status.success() && text.contains("NOTHING OUTLIVES A PROCESS HERE"), "{text}");
    assert!(text.contains("round 2: found 0 orders") && !text.contains(" 0 lost"), "{text}");
}

#[test]
fn a_directory_of_another_run_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("file://{}", home.path().display());
    assert!(run(&[&url]).0.status.success());
    let (output, text) = run(&[&url]);
    assert!(!output.status.success() && text.contains("orders of another run"), "{text}");
}
