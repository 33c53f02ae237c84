//! What goes wrong outside: the code, and what is said.

use std::net::TcpListener;
use std::process::Stdio;

use super::places::Place;
use super::support::{Served, create, fed, ottla, produce, program};

#[test]
fn a_url_that_cannot_be_is_wrong_usage() {
    for (url, word) in [
        ("memori://x", "did you mean `memory://`?"),
        ("orders", "has no `://`"),
        ("file://data/log", "begins with a third `/`"),
        ("kafka://h?x=1", "unknown parameter `x`"),
    ] {
        ottla(&["-u", url, "topic", "list"]).failed(2, &["ottla: ", word]);
    }
    ottla(&["topic", "list"]).failed(2, &["there is no URL", "-u kafka://", "OTTLA_URL", "--config"]);
}

#[test]
fn no_broker_is_told_and_not_waited_for() {
    // Nobody listens on a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("kafka://{free}");
    ottla(&["-u", &url, "topic", "list"]).failed(4, &["cannot connect to", &free.to_string(), "no broker answers"]);
    let told = ottla(&["-u", &url, "topic", "list", "--json"]);
    told.failed(4, &[]);
    let told: serde_json::Value = serde_json::from_str(&told.err).unwrap();
    assert_eq!((told["error"]["exit_code"].as_i64(), told["error"]["retriable"].as_bool()), (Some(4), Some(true)));
}

#[test]
fn who_takes_connections_and_never_answers_is_not_waited_for() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("kafka://{}?connect_timeout_ms=300&request_timeout_ms=300", mute.local_addr().unwrap());
    ottla(&["-u", &url, "topic", "list"]).failed(4, &["cannot connect to"]);
}

#[test]
fn a_directory_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let server = Served::start(&url, &[]);
    ottla(&["-u", &url, "topic", "list"]).failed(4, &[&url, "close the other process"]);
    ottla(&["serve", &url, "--listen", "127.0.0.1:0"]).failed(4, &[&url, "close the other process"]);
    server.end();
    assert_eq!(ottla(&["-u", &url, "topic", "list"]).code, 0);
}

#[test]
fn a_port_has_one_server() {
    let server = Served::start("memory://", &[]);
    let address = server.address().to_string();
    ottla(&["serve", "memory://", "--listen", &address]).failed(4, &["cannot listen on", &address]);
    #[cfg(feature = "telemetry")]
    {
        let taken = ["serve", "memory://", "--listen", "127.0.0.1:0", "--metrics", &address];
        ottla(&taken).failed(4, &["cannot listen on", &address]);
    }
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "not a log").unwrap();
    let url = format!("file://{}", file.display());
    ottla(&["-u", &url, "topic", "list"]).failed(1, &[&url]);
}

#[test]
fn what_is_not_there_has_a_code_of_its_own() {
    for place in Place::all() {
        let url = place.url();
        let told = ottla(&["-u", &url, "--json", "topic", "describe", "nope"]);
        told.failed(3, &[]);
        let told: serde_json::Value = serde_json::from_str(&told.err).unwrap();
        assert_eq!(told["error"]["kafka_code"], "UNKNOWN_TOPIC_OR_PARTITION");
        for args in [["group", "describe", "nope"], ["group", "delete", "nope"]] {
            ottla(&[&["-u", url.as_str()], &args[..]].concat()).failed(3, &["group `nope`"]);
        }
    }
}

#[test]
fn whoever_has_read_enough_is_no_error() {
    let place = Place::server();
    let url = place.url();
    let mut child = program(&["-u", &url, "topic", "list"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
}

#[test]
fn a_value_that_cannot_be_is_wrong_usage() {
    let place = Place::directory();
    let url = place.url();
    create(&url, "t", &[]);
    ottla(&["-u", &url, "produce", "t", "--batch-bytes", "5"]).failed(2, &["batch_bytes"]);
    for url in [url, Place::server().url()] {
        ottla(&["-u", &url, "consume", "t", "-g", ""]).failed(2, &["group"]);
    }
}

#[test]
fn a_partition_that_is_not_there_has_the_same_code_for_all() {
    for place in Place::all() {
        let url = place.url();
        create(&url, "t", &[]);
        for json in [&[][..], &["--json"]] {
            let args = [&["-u", &url, "produce", "t", "-p", "99"], json].concat();
            let (told, _) = fed(&args, b"a\n");
            told.failed(3, &["no partition 99", "nothing was acknowledged"]);
            if !json.is_empty() {
                let told: serde_json::Value = serde_json::from_str(&told.err).unwrap();
                assert_eq!(told["error"]["kafka_code"], "UNKNOWN_TOPIC_OR_PARTITION");
            }
        }
    }
}

#[test]
fn a_wrong_command_line_is_told_in_json_too() {
    for (args, words) in [
        (&["--json", "topic", "nope"][..], "unrecognized subcommand 'nope'"),
        (&["produce", "t", "--linger", "x", "--json"], "it is no time"),
        (&["produce", "--json"], "<TOPIC>"),
    ] {
        let told = ottla(args);
        told.failed(2, &[]);
        let told: serde_json::Value = serde_json::from_str(&told.err).unwrap();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains(words) && !message.starts_with("error"), "{message}");
        assert_eq!(told["error"]["exit_code"], 2);
    }
    ottla(&["topic", "nope"]).failed(2, &["error: unrecognized subcommand 'nope'", "Usage:"]);
    // There is no option after `--`.
    ottla(&["topic", "create", "--nope", "--", "--json"]).failed(2, &["error: ", "Usage:"]);
}

#[test]
fn a_closed_stderr_ends_nothing() {
    let place = Place::server();
    let url = place.url();
    create(&url, "t", &[]);
    produce(&url, "t", &[], "a\n");
    for (args, code) in [
        (&["--log", "trace", "produce", "t"][..], 0),
        (&["produce", "t", "--json"], 0),
        (&["topic", "describe", "nope"], 3),
        (&["topic", "describe", "nope", "--json"], 3),
    ] {
        let mut child = program(&[&["-u", &url][..], args].concat());
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        // It reads to the end before it says anything.
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn nothing_is_copied_into_memory() {
    let place = Place::directory();
    for to in ["memory://x", "MEMORY://x"] {
        ottla(&["copy", &place.url(), to]).failed(2, &["a copy in memory would be gone"]);
    }
}
