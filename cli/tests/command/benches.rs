//! Measuring: what is told, and that nothing is left. The figures themselves are the machine's.

use serde_json::Value;

use super::support::{Served, create, ottla, produce};

fn phases(report: &Value) -> Vec<&str> {
    report["phases"].as_array().unwrap().iter().map(|phase| phase["phase"].as_str().unwrap()).collect()
}

fn is_positive(figure: &Value) {
    assert!(figure.as_f64().unwrap() > 0.0, "{figure}");
}

#[test]
fn each_place_is_measured_beside_its_limit() {
    let home = tempfile::tempdir().unwrap();
    let server = Served::start("memory://", &[]);
    let file = format!("file://{}", home.path().join("log").display());
    for (url, limits) in [
        ("memory://", ["CRC-32C", "CRC-32C", "within this process"]),
        (&file, ["plain appends", "CRC-32C", "each with a sync"]),
        (&server.url(), ["TCP", "TCP", "TCP"]),
    ] {
        let options = [
            "-n",
            "500",
            "--size",
            "50",
            "--partitions",
            "3",
            "--keys",
            "7",
            "--rounds",
            "2",
            "--producers",
            "2",
            "--consumers",
            "2",
        ];
        let report = ottla(&[&["bench", url, "--json"][..], &options].concat()).json();
        assert_eq!(phases(&report), ["produce", "consume", "lone"]);
        for (phase, limit) in report["phases"].as_array().unwrap().iter().zip(limits) {
            is_positive(&phase["records_per_second"]["median"]);
            is_positive(&phase["bytes_per_second"]["least"]);
            if phase["phase"] != "consume" {
                let latency = &phase["latency_seconds"];
                is_positive(&latency["p50"]);
                assert!(latency["p50"].as_f64() <= latency["max"].as_f64(), "{phase}");
            }
            assert!(phase["limit"].to_string().contains(limit), "{phase}");
            if phase["limit"]["not_measured"].is_null() {
                is_positive(&phase["limit"]["ratio"]["median"]);
            }
        }
        if url != "memory://" {
            assert_eq!(
                ottla(&["-u", url, "topic", "list", "--json"]).json(),
                Value::Array(Vec::new()),
                "a topic was left"
            );
        }
    }
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 1, "the limit's file was left");
    server.end();
}

#[test]
fn somebodys_own_topic_is_used_and_left() {
    let server = Served::start("memory://", &[]);
    let url = server.url();
    create(&url, "mine", &["--partitions", "2"]);
    ottla(&["-u", &url, "bench", "--only", "consume", "--topic", "mine"])
        .failed(3, &["nothing to read in topic `mine`"]);
    produce(&url, "mine", &[], "abc\nd\n");
    let report =
        ottla(&["-u", &url, "bench", "--only", "consume", "--topic", "mine", "--rounds", "1", "--json"]).json();
    assert_eq!(phases(&report), ["consume"]);
    let report = ottla(&[
        "-u", &url, "bench", "--only", "produce", "--topic", "mine", "-n", "10", "--rate", "1000", "--rounds", "1",
        "--json",
    ])
    .json();
    assert_eq!(phases(&report), ["produce"]);
    assert!(report.to_string().contains("not to be faster than 1000/s"), "{report}");
    assert_eq!(super::support::consume(&url, "mine", &[]).lines().count(), 12);
    ottla(&["-u", &url, "bench", "--topic", "none", "-n", "1"]).failed(3, &["none"]);
    server.end();
}

#[test]
fn people_get_a_table() {
    let table = ottla(&["bench", "memory://", "-n", "1000", "--rounds", "1", "--acks", "1", "--compression", "lz4"]);
    assert_eq!(table.code, 0, "{table:?}");
    for words in
        ["PHASE", "CPU/RECORD", "P99.9", "OF THE LIMIT", "produce", "consume", "lone", "limit of lone: not measured: "]
    {
        assert!(table.out.contains(words), "{words}: {}", table.out);
    }
    ottla(&["bench", "memory://", "--only", "consume"]).failed(2, &["--topic"]);
    ottla(&["bench", "memory://", "--size", "0"]).failed(2, &["--size"]);
    ottla(&["bench", "memory://", "-n", "10", "-s", "2000000"]).failed(1, &["larger than the limit"]);
}
