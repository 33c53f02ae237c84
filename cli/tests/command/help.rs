//! Help, and completions.

use super::support::ottla;

#[test]
fn every_command_has_examples() {
    let commands: [&[&str]; 15] = [
        &[],
        &["serve"],
        &["completions"],
        &["topic", "create"],
        &["topic", "list"],
        &["topic", "describe"],
        &["topic", "alter"],
        &["topic", "delete"],
        &["group", "list"],
        &["group", "describe"],
        &["group", "reset"],
        &["group", "delete"],
        &["user", "set"],
        &["user", "list"],
        &["user", "delete"],
    ];
    for command in commands {
        let help = ottla(&[command, &["--help"]].concat());
        assert_eq!(help.code, 0, "{help:?}");
        assert!(help.out.contains("Examples:\n  ottla "), "{command:?}: {}", help.out);
    }
}

#[test]
fn exit_codes_are_told() {
    let help = ottla(&["--help"]).out;
    let codes = help.split("Exit codes:").nth(1).unwrap();
    for code in 0..=4 {
        assert!(codes.contains(&format!("\n  {code}  ")), "{code}: {codes}");
    }
    assert_eq!(ottla(&["--version"]).out, format!("ottla {}\n", env!("CARGO_PKG_VERSION")));
    ottla(&["topics"]).failed(2, &["unrecognized subcommand 'topics'", "topic"]);
    ottla(&[]).failed(2, &["Usage: ottla"]);
}

#[test]
fn every_shell_is_completed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ottla(&["completions", shell]);
        assert_eq!(script.code, 0, "{script:?}");
        for word in ["serve", "describe", "to-earliest", "auto-create-topics"] {
            assert!(script.out.contains(word), "{shell}: {word}");
        }
    }
    ottla(&["completions", "tcsh"]).failed(2, &["bash", "zsh", "fish"]);
}
