//! What goes wrong outside: the code, and what is said.

use std::net::TcpListener;

use super::places::Place;
use super::support::{Served, ottla};

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
    use std::process::Stdio;

    let place = Place::server();
    let url = place.url();
    let mut child = super::support::program(&["-u", &url, "topic", "list"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
}
