//! Which records are printed, until when.

use rustix::process::Signal;
use std::io::Read;

use super::support::{Running, Served, consume, create, produce};

/// Ten records of one partition, a second from each other, and two of another.
fn filled(url: &str) {
    create(url, "t", &["--partitions", "2", "-c", "retention.ms=-1"]);
    let line =
        |n: u32| format!("{{\"partition\": 0, \"timestamp\": {}, \"key\": null, \"value\": \"{n}\"}}\n", n * 1_000);
    let mut lines: String = (0..10).map(line).collect();
    lines.push_str("{\"partition\": 1, \"timestamp\": 5000, \"value\": \"x\"}\n{\"partition\": 1, \"timestamp\": 6000, \"value\": \"y\"}\n");
    produce(url, "t", &["-f", "json"], lines);
}

#[test]
fn places_are_found() {
    let home = tempfile::tempdir().unwrap();
    let server = Served::start("memory://", &[]);
    for url in [format!("file://{}", home.path().join("log").display()), server.url()] {
        filled(&url);
        for (options, expected) in [
            (&["-p", "0"][..], "0 1 2 3 4 5 6 7 8 9"),
            (&["-p", "0", "--from", "7"], "7 8 9"),
            (&["-p", "0", "--from", "-2"], "8 9"),
            (&["-p", "0", "--from", "latest"], ""),
            (&["-p", "0", "--from", "2", "--to", "5"], "2 3 4"),
            (&["-p", "0", "--from", "1970-01-01T00:00:07.500Z"], "8 9"),
            (&["-p", "0", "--from", "@2000", "--to", "@4000"], "2 3"),
            (&["-p", "0", "-n", "3"], "0 1 2"),
            (&["-p", "0", "--from", "8", "--follow", "-n", "2"], "8 9"),
            (&["-p", "0", "--from", "9", "--follow", "--idle", "100ms"], "9"),
            (&["-p", "1"], "x y"),
            (&["-p", "1", "--from", "@5500"], "y"),
            (&["--from", "30d"], ""),
            (&["--from", "50000", "--out-of-range", "earliest", "-p", "1", "-f", "-n", "2"], "x y"),
            (&["--from", "50000", "-p", "1"], ""),
        ] {
            let found = consume(&url, "t", options);
            assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{options:?}");
        }
        assert_eq!(consume(&url, "t", &[]).lines().count(), 12);
        assert_eq!(
            consume(&url, "t", &["-p", "1", "--print", "time,timestamp,partition,topic", "-n", "1"]),
            "1970-01-01T00:00:05.000Z\t5000\t1\tt\n"
        );
        let gone = super::support::ottla(&["-u", &url, "consume", "t", "-p", "0", "--from", "50000", "-f"]);
        gone.failed(1, &["offset 50000 of t-0 is not in the log"]);
    }
    server.end();
}

#[test]
fn what_comes_is_printed_as_it_comes() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "t", &["--partitions", "1"]);
    let mut running = Running::start(&["-u", &url, "consume", "t", "-f"]);
    for n in 0..3 {
        produce(&url, "t", &[], format!("{n}\n"));
        assert_eq!(running.line(), n.to_string());
    }
    running.signal(Signal::INT);
    assert_eq!(running.end(), (0, String::new()));
    server.end();
}

/// As `head` does.
#[test]
fn who_has_read_enough_ends_it_quietly() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "t", &["--partitions", "1"]);
    produce(&url, "t", &[], format!("{}\n", "x".repeat(200_000)).repeat(20));
    for options in [&[][..], &["-g", "g"], &["--json"]] {
        let mut running = Running::start(&[&["-u", &url, "consume", "t"][..], options].concat());
        running.out.take().unwrap().read_exact(&mut [0; 10]).unwrap();
        assert_eq!(running.end(), (0, String::new()), "{options:?}");
    }
    server.end();
}

/// Nobody reads, and nobody has gone.
#[test]
fn who_does_not_read_does_not_keep_it_from_ending() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "t", &["--partitions", "1"]);
    // More than a pipe holds.
    produce(&url, "t", &[], format!("{}\n", "x".repeat(500_000)));
    let mut running = Running::start(&["-u", &url, "consume", "t", "-f"]);
    running.out.as_mut().unwrap().get_mut().read_exact(&mut [0; 10]).unwrap();
    // Two that come at once may count as one.
    while !running.has_ended() {
        running.signal(Signal::INT);
    }
    assert_eq!(running.end(), (130, String::new()));
    server.end();
}
