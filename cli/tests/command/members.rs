//! Reading as a member of a group.

use std::io::Read;

use rustix::process::Signal;
use serde_json::Value;

use super::support::{Running, Served, consume, create, ottla, produce};

/// The group's committed offset of the only partition, and how many members it has.
fn group(url: &str) -> (Value, usize) {
    let group = ottla(&["-u", url, "group", "describe", "g", "--json"]).json();
    let group = if group.is_array() { group[0].clone() } else { group };
    let (partitions, members) = (group["partitions"].as_array().unwrap(), group["members"].as_array().unwrap());
    assert!(partitions.len() <= 1, "{group}");
    let committed = partitions.first().map_or(Value::Null, |partition| partition["committed"].clone());
    (committed, members.len())
}

#[test]
fn a_group_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let server = Served::start("memory://", &[]);
    for url in [format!("file://{}", home.path().join("log").display()), server.url()] {
        create(&url, "t", &["--partitions", "1"]);
        produce(&url, "t", &[], "a\nb\nc\nd\ne\n");
        assert_eq!(consume(&url, "t", &["-g", "g", "-n", "2"]), "a\nb\n");
        assert_eq!(group(&url), (Value::from(2), 0));
        assert_eq!(consume(&url, "t", &["-g", "g", "-n", "1", "--print", "offset,value"]), "2\tc\n");
        // By itself it does not end, but when nothing comes.
        assert_eq!(consume(&url, "t", &["-g", "g", "--idle", "500ms", "-f"]), "d\ne\n");
        assert_eq!(group(&url), (Value::from(5), 0));
        produce(&url, "t", &[], "f\n");
        assert_eq!(consume(&url, "t", &["-g", "other", "-n", "1", "--from", "5"]), "f\n");
    }
    server.end();
}

/// What is printed is committed, and the group is left.
#[test]
fn ctrl_c_leaves_the_group() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "t", &["--partitions", "1"]);
    produce(&url, "t", &[], "a\nb\n");
    for signal in [Signal::INT, Signal::TERM] {
        let mut running = Running::start(&["-u", &url, "consume", "t", "-g", "g"]);
        for expected in ["a", "b"] {
            assert_eq!(running.line(), expected);
        }
        assert_eq!(group(&url).1, 1);
        running.signal(signal);
        assert_eq!(running.end(), (0, String::new()));
        assert_eq!(group(&url), (Value::from(2), 0));
        let reset = ottla(&["-u", &url, "group", "reset", "g", "--topic", "t", "--to-earliest"]);
        assert_eq!(reset.code, 0, "{reset:?}");
    }
    server.end();
}

/// What nobody took off the pipe comes again.
#[test]
fn what_was_not_printed_is_not_committed() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "t", &["--partitions", "1"]);
    // Each is more than a pipe holds.
    produce(&url, "t", &[], format!("{}\n", "x".repeat(500_000)).repeat(3));
    let mut running = Running::start(&["-u", &url, "consume", "t", "-g", "g"]);
    running.out.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    assert_eq!(running.end(), (0, String::new()));
    assert_eq!(consume(&url, "t", &["-g", "g", "-n", "1", "--print", "offset"]), "0\n");
    server.end();
}
