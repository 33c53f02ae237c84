//! Records in, and out again.

use super::support::{Running, Served, consume, create, fed, ottla, produce};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A directory that nobody serves, and a server.
fn on_each_url(test: impl Fn(&str)) {
    let home = tempfile::tempdir().unwrap();
    test(&format!("file://{}", home.path().join("log").display()));
    let server = Served::start("memory://", &[]);
    test(&server.url());
    server.end();
}

fn records(url: &str, topic: &str) -> Vec<Value> {
    let lines = consume(url, topic, &["--json"]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_go_in_and_come_out() {
    on_each_url(|url| {
        create(url, "lines", &["--partitions", "1"]);
        let said = produce(url, "lines", &[], "a\n\n c \r\nlast").err;
        assert!(said.starts_with("4 records acknowledged, 9"), "{said}");
        assert_eq!(consume(url, "lines", &[]), "a\n\n c \r\nlast\n");
        assert_eq!(consume(url, "lines", &["-0"]), "a\0\0 c \r\0last\0");
        assert_eq!(produce(url, "lines", &["-q"], "").err, "");
    });
}

#[test]
fn keys_headers_and_nulls_come_from_a_line() {
    on_each_url(|url| {
        create(url, "users", &["--partitions", "1"]);
        let options = ["-k", ":", "--null-value", "NULL", "-H", "from=cli", "-H", "n=1=2", "-d", ";"];
        produce(url, "users", &options, "a:1;b:;:x;c:NULL;NULL:y:z");
        let print = ["--print", "offset,key,value,headers", "--separator", "|", "--null-value", "-"];
        let expected = "0|a|1|from=cli,n=1=2\n1|b||from=cli,n=1=2\n2||x|from=cli,n=1=2\n3|c|-|from=cli,n=1=2\n4|-|y:z|from=cli,n=1=2\n";
        assert_eq!(consume(url, "users", &print), expected);
        create(url, "fields", &["--partitions", "1"]);
        produce(url, "fields", &["--key-field", "2", "--compression", "zstd", "--acks", "1"], "a b c\nlonely\n");
        assert_eq!(consume(url, "fields", &["--template", "{key}={value};"]), "b=a b c;=lonely;");
    });
}

/// What is not UTF-8, what is empty, what is not there: all of it, there and back.
#[test]
fn json_copies_every_record() {
    let lines = [
        json!({"partition": 0, "timestamp": 1_700_000_000_123_i64, "key": "k", "value": "v", "headers": []}),
        json!({"partition": 0, "timestamp": 5, "key": {"base64": "/wD+"}, "value": {"base64": "gIE="}, "headers": []}),
        json!({"partition": 2, "timestamp": 6, "key": "", "value": "", "headers": []}),
        json!({"partition": 2, "timestamp": 7, "key": "gone", "value": null, "headers": [
            {"name": "a", "value": "1"}, {"name": "b", "value": null}, {"name": "a", "value": {"base64": "/w=="}}, {"name": "", "value": ""}
        ]}),
        json!({"partition": 1, "timestamp": 0, "key": null, "value": "two\nlines \u{1F600} \u{0}", "headers": []}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let home = tempfile::tempdir().unwrap();
    let (old, server) = (format!("file://{}", home.path().join("log").display()), Served::start("memory://", &[]));
    let new = server.url();
    for url in [&old, &new] {
        create(url, "t", &["--partitions", "3", "-c", "retention.ms=-1"]);
    }
    produce(&old, "t", &["-f", "json"], &input);
    let copied = consume(&old, "t", &["--json"]);
    produce(&new, "t", &["-f", "json", "--compression", "gzip"], &copied);
    let of_partition = |records: &[Value], partition: i64| -> Vec<Value> {
        records.iter().filter(|record| record["partition"] == partition).cloned().collect()
    };
    let (there, here) = (records(&new, "t"), records(&old, "t"));
    assert_eq!((there.len(), here.len()), (5, 5));
    for partition in 0..3 {
        assert_eq!(of_partition(&there, partition), of_partition(&here, partition));
        let mut stripped = of_partition(&here, partition);
        for (offset, record) in stripped.iter_mut().enumerate() {
            assert_eq!(record["offset"], offset);
            let record = record.as_object_mut().unwrap();
            record.remove("topic");
            record.remove("offset");
        }
        assert_eq!(stripped, of_partition(&lines, partition));
    }
    // Somebody else chooses the partitions.
    create(&new, "one", &["--partitions", "1", "-c", "retention.ms=-1"]);
    produce(&new, "one", &["-f", "json", "--partitioner", "round_robin"], &copied);
    assert_eq!(records(&new, "one").len(), 5);
    let (refused, _) = fed(&["-u", &new, "produce", "one", "-f", "json"], copied.as_bytes());
    refused.failed(3, &["of the standard input: topic `one` has no partition"]);
    server.end();
}

#[test]
fn any_bytes_go_through_as_they_are() {
    on_each_url(|url| {
        create(url, "blobs", &["--partitions", "1"]);
        let all: Vec<u8> = (0..=255).collect();
        produce(url, "blobs", &["-d", "\\xff\\x00"], [&all[..], b"\xff\x00", b"\xff"].concat());
        let (_, raw) = fed(&["-u", url, "consume", "blobs", "-d", "\\xff\\x00"], b"");
        assert_eq!(raw, [&all[..], b"\xff\x00", b"\xff", b"\xff\x00"].concat());
        let encoded = consume(url, "blobs", &["--format", "base64"]);
        create(url, "copies", &["--partitions", "1"]);
        produce(url, "copies", &["-f", "base64"], encoded);
        let (_, copied) = fed(&["-u", url, "consume", "copies", "-d", "\\xff\\x00"], b"");
        assert_eq!(copied, raw);
    });
}

#[test]
fn files_come_one_after_the_other() {
    on_each_url(|url| {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("a"), "1\n2").unwrap();
        std::fs::write(path("b"), "").unwrap();
        std::fs::write(path("c"), "bad\n").unwrap();
        create(url, "t", &["--partitions", "1"]);
        produce(url, "t", &[&path("a"), &path("b"), "-", &path("a")], "3\n");
        assert_eq!(consume(url, "t", &[]), "1\n2\n3\n1\n2\n");
        // Before anything is sent.
        ottla(&["-u", url, "produce", "t", &path("a"), &path("none")]).failed(2, &["none cannot be read"]);
        ottla(&["-u", url, "produce", "t", &path("a"), home.path().to_str().unwrap()]).failed(2, &["directory"]);
        assert_eq!(consume(url, "t", &["--print", "offset", "--from", "-1"]), "4\n");
        // A line is told with its file.
        ottla(&["-u", url, "produce", "t", "-k", ":", &path("c")]).failed(1, &["line 1 of ", "/c: it has no `:`"]);
    });
}

/// The lines before it are there, and those after it are not.
#[test]
fn a_record_that_fails_is_named_with_what_was_acknowledged() {
    on_each_url(|url| {
        create(url, "t", &["--partitions", "1", "-c", "max.message.bytes=2000"]);
        let (failed, _) = fed(
            &["-u", url, "produce", "t", "-f", "json"],
            b"{\"value\":\"a\"}\n{\"value\":\"b\"}\n{}\n{\"value\":\"c\"}",
        );
        let words = [
            "line 3 of the standard input: it is no record in JSON: missing field `value`",
            "; 2 records were acknowledged, the last of them line 2 of",
        ];
        failed.failed(1, &words);
        assert_eq!(consume(url, "t", &[]), "a\nb\n");
        // The broker refuses it.
        let (failed, _) = fed(&["-u", url, "produce", "t", "--json"], format!("{}\n", "x".repeat(3000)).as_bytes());
        failed.failed(1, &["line 1 of the standard input: ", "nothing was acknowledged; 1 that were sent were not"]);
        let error: Value = serde_json::from_str(failed.err.lines().last().unwrap()).unwrap();
        assert_eq!(error["error"]["exit_code"], 1);
        // It is never sent.
        let line = format!("fine\n{}\n", "x".repeat(1_000_000));
        let (failed, _) = fed(&["-u", url, "produce", "t"], line.as_bytes());
        failed.failed(
            1,
            &["line 2 of the standard input: a record of 10", "larger than the limit", "1 records were acknowledged"],
        );
        // It is not even read to its end.
        let (failed, _) = fed(&["-u", url, "produce", "t", "--batch-bytes", "5000"], &[b'x'; 20_000]);
        failed.failed(1, &["line 1 of the standard input is longer than 9096 bytes", "--batch-bytes"]);
        assert_eq!(consume(url, "t", &["-n", "9"]), "a\nb\nfine\n");
    });
}

#[test]
fn receipts_say_where_each_record_is() {
    on_each_url(|url| {
        create(url, "t", &["--partitions", "2"]);
        let said = produce(url, "t", &["-v", "-p", "1"], "a\nb\n").out;
        let level = if url.starts_with("file") { "fsync" } else { "memory" };
        let expected = format!(
            "line 1 of the standard input: offset 0 of t-1 ({level})\nline 2 of the standard input: offset 1 of t-1 ({level})\n"
        );
        assert!(said == expected || said == expected.replace(level, "unknown"), "{said}");
        let done = produce(url, "t", &["-v", "--json"], "a\n");
        let receipt: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!((&receipt["line"], &receipt["topic"]), (&json!(1), &json!("t")));
        assert!(receipt["offset"].is_i64() && receipt["timestamp"].is_i64(), "{receipt}");
        let report: Value = serde_json::from_str(&done.err).unwrap();
        assert_eq!((&report["records"], &report["bytes"]), (&json!(1), &json!(1)));
        let (_, out) = fed(&["-u", url, "produce", "t", "-v", "--acks", "0", "-p", "0"], b"a\n");
        assert!(String::from_utf8(out).unwrap().contains("offset ? of t-0"));
    });
}

/// What was sent by then is waited for.
#[test]
fn ctrl_c_ends_the_input() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "t", &["--partitions", "1"]);
    let mut running = Running::start(&["-u", &url, "produce", "t", "-v"]);
    std::io::Write::write_all(running.stdin.as_mut().unwrap(), b"a\nb\nunfinished").unwrap();
    assert!(running.line().contains("offset 0 of t-0"));
    assert!(running.line().contains("offset 1 of t-0"));
    running.signal(Signal::INT);
    let (code, said) = running.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 records acknowledged"), "{said}");
    assert_eq!(consume(&url, "t", &[]), "a\nb\n");
    server.end();
}

#[test]
fn what_is_not_there_is_said() {
    on_each_url(|url| {
        let (missing, _) = fed(&["-u", url, "produce", "none"], b"a\n");
        missing.failed(3, &["topic `none` does not exist"]);
        ottla(&["-u", url, "consume", "none"]).failed(3, &["topic `none` does not exist"]);
        ottla(&["-u", url, "consume", "none", "-g", "g"]).failed(3, &["topic `none`", "does not exist"]);
        create(url, "t", &["--partitions", "2"]);
        ottla(&["-u", url, "consume", "t", "-p", "7"]).failed(3, &["t-7"]);
        let (missing, _) = fed(&["-u", url, "produce", "t", "-p", "7"], b"a\n");
        missing.failed(3, &["line 1", "no partition 7"]);
    });
    for (args, word) in [
        (&["produce", "a b"][..], "a b"),
        (&["produce", "t", "-k", ":", "-f", "json"], "--key-separator"),
        (&["produce", "t", "--key-field", "1", "-f", "base64"], "--key-field"),
        (&["produce", "t", "-d", ""], "empty"),
        (&["produce", "t", "-H", "x"], "trace=4f1c"),
        (&["produce", "t", "--acks", "some"], "leader"),
        (&["produce", "t", "--linger", "5"], "5ms"),
        (&["consume", "t", "--from", "monday"], "earliest"),
        (&["consume", "t", "--print", "size"], "it has key, value"),
        (&["consume", "t", "--template", "{"], "not closed"),
        (&["consume", "t", "--json", "--print", "key"], "--print"),
        (&["consume", "t", "--to", "end", "--follow"], "--follow"),
        (&["consume", "t", "-g", "g", "-p", "0"], "--group"),
        (&["consume"], "TOPICS"),
    ] {
        ottla(&[&["-u", "memory://"][..], args].concat()).failed(2, &[word]);
    }
}
