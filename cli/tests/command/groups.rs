//! `ottla group`, on every kind of place.

use std::time::Duration;

use ottla::{At, Client, NewTopic, Offset, Record, TopicName, TopicPartition};
use serde_json::{Value, json};

use super::places::Place;
use super::support::{Outcome, ottla};

const LIMIT: Duration = Duration::from_secs(10);

fn group(url: &str, args: &[&str]) -> Outcome {
    ottla(&[&["-u", url, "group"], args].concat())
}

fn of(partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new("orders").unwrap(), partition)
}

/// Two partitions with ten records each, at one second after the other from 1,000 s on, of which partition 0 has lost
/// the first two; the group `billing` has committed 5 in partition 0.
async fn fill(url: &str) {
    let client = Client::connect(url).await.unwrap();
    let admin = client.admin();
    admin.create_topic(NewTopic::new("orders").partitions(2)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for partition in 0..2 {
        for n in 0..10_i64 {
            let record =
                Record::to("orders").partition(partition).value(n.to_string()).timestamp_ms((1_000 + n) * 1_000);
            producer.send(record).await.unwrap();
        }
    }
    admin.delete_records("orders", 0, Offset(2)).await.unwrap();
    admin.alter_group_offsets("billing", [(of(0), Offset(5))]).await.unwrap();
    client.close(LIMIT).await.unwrap();
}

fn filled(place: &Place) -> String {
    let url = place.url();
    tokio::runtime::Runtime::new().unwrap().block_on(fill(&url));
    url
}

fn described(url: &str, name: &str) -> Value {
    group(url, &["describe", name, "--json"]).json()[0].clone()
}

/// What is committed, by partition.
fn committed(url: &str, name: &str) -> Vec<(i64, i64)> {
    let described = described(url, name);
    let partitions = described["partitions"].as_array().unwrap().iter();
    partitions.map(|p| (p["partition"].as_i64().unwrap(), p["committed"].as_i64().unwrap())).collect()
}

#[test]
fn groups_are_listed_described_and_deleted() {
    for place in Place::all() {
        let url = filled(&place);
        assert_eq!(group(&url, &["list"]).out, "GROUP    STATE  TYPE\nbilling  Empty\n");
        assert_eq!(group(&url, &["ls", "--state", "stable", "--json"]).json(), json!([]));
        group(&url, &["list", "--state", "asleep"]).failed(2, &["`asleep` is no group state"]);
        let billing = described(&url, "billing");
        assert_eq!((billing["state"].as_str(), billing["lag"].as_i64()), (Some("Empty"), Some(5)));
        let expected =
            json!([{"topic": "orders", "partition": 0, "committed": 5, "end": 10, "lag": 5, "member": null}]);
        assert_eq!(billing["partitions"], expected);
        let shown = group(&url, &["describe", "billing"]).out;
        assert!(
            shown.contains("state Empty") && shown.contains("orders          0          5   10    5  -"),
            "{shown}"
        );
        assert_eq!(group(&url, &["delete", "billing"]).out, "group billing deleted\n");
        assert_eq!(group(&url, &["list", "--json"]).json(), json!([]));
    }
}

#[test]
fn a_group_goes_on_where_it_is_told_to() {
    for place in Place::all() {
        let url = filled(&place);
        let reset = |options: &[&str]| group(&url, &[&["reset", "billing"], options].concat());
        let shown = reset(&["--to-earliest", "--dry-run"]).out;
        assert!(shown.contains("orders          0       5      2") && shown.contains("dry run"), "{shown}");
        assert_eq!(committed(&url, "billing"), [(0, 5)], "a dry run sets nothing");

        assert_eq!(reset(&["--to-earliest"]).code, 0);
        assert_eq!(committed(&url, "billing"), [(0, 2)]);
        assert_eq!(reset(&["--to-latest", "--topic", "orders"]).code, 0);
        assert_eq!(committed(&url, "billing"), [(0, 10), (1, 10)]);
        let told = reset(&["--to-offset", "7", "--topic", "orders:1", "--json"]).json();
        let expected = json!([{"topic": "orders", "partition": 1, "before": 10, "after": 7}]);
        assert_eq!((&told["partitions"], &told["applied"]), (&expected, &json!(true)));
        assert_eq!(committed(&url, "billing"), [(0, 10), (1, 7)]);
        assert_eq!(reset(&["--to-time", "1970-01-01T00:16:43.5Z"]).code, 0);
        assert_eq!(committed(&url, "billing"), [(0, 4), (1, 4)]);
        // Later than all of it is the end.
        assert_eq!(reset(&["--to-time", "1m", "-t", "orders:0-1"]).code, 0);
        assert_eq!(committed(&url, "billing"), [(0, 10), (1, 10)]);

        assert_eq!(group(&url, &["reset", "new", "--to-earliest", "--topic", "orders"]).code, 0);
        assert_eq!(committed(&url, "new"), [(0, 2), (1, 0)]);
    }
}

#[test]
fn where_a_group_cannot_go_on_is_told() {
    let place = Place::server();
    let url = filled(&place);
    let reset = |options: &[&str]| group(&url, &[&["reset", "billing"], options].concat());
    reset(&["--to-offset", "1"]).failed(2, &["offset 1 is not in orders-0, which begins at 2 and ends at 10"]);
    reset(&["--to-offset", "11"]).failed(2, &["offset 11"]);
    reset(&["--to-offset", "1", "--topic", "orders:2"]).failed(3, &["no partition 2 of topic `orders`"]);
    reset(&["--to-earliest", "--topic", "nope"]).failed(3, &["topic `nope`"]);
    reset(&[]).failed(2, &["--to-earliest", "--to-time"]);
    reset(&["--to-earliest", "--to-latest"]).failed(2, &["cannot be used with"]);
    reset(&["--to-time", "yesterday"]).failed(2, &["2026-11-23T06:00:00Z"]);
    reset(&["--to-earliest", "--topic", "orders:x"]).failed(2, &["orders:0,3-5"]);
    group(&url, &["reset", "nobody", "--to-earliest"]).failed(3, &["has committed nothing", "--topic"]);
    assert_eq!(committed(&url, "billing"), [(0, 5)]);
}

#[test]
fn members_are_shown_and_left_in_peace() {
    let place = Place::server();
    let url = filled(&place);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(async {
        let client =
            ottla::ClientBuilder::from_config("client_id = 'reader'").unwrap().url(&url).connect().await.unwrap();
        let consumer = client.consumer("billing").topics(["orders"]).if_no_offset(At::Earliest);
        let mut consumer = consumer.build().await.unwrap();
        assert!(consumer.next().await.unwrap().is_some());
        (client, consumer)
    });
    let billing = described(&url, "billing");
    assert_eq!(
        (billing["state"].as_str(), billing["members"][0]["client_id"].as_str()),
        (Some("Stable"), Some("reader"))
    );
    let member = &billing["members"][0];
    assert_eq!(member["topics"], json!(["orders"]));
    assert_eq!(member["partitions"], json!([{"topic": "orders", "partition": 0}, {"topic": "orders", "partition": 1}]));
    for partition in billing["partitions"].as_array().unwrap() {
        assert_eq!((&partition["member"], &partition["end"]), (&member["member"], &json!(10)));
    }
    let shown = group(&url, &["describe", "billing"]).out;
    assert!(shown.contains("MEMBER") && shown.contains("reader"), "{shown}");
    assert_eq!(group(&url, &["list", "--state", "Stable", "--json"]).json()[0]["group"], "billing");
    let refused = "is Stable and has 1 members: stop its consumers first";
    group(&url, &["reset", "billing", "--to-earliest", "--topic", "orders"]).failed(1, &[refused]);
    group(&url, &["delete", "billing"]).failed(1, &["group `billing`"]);
    runtime.block_on(client.0.close(LIMIT)).unwrap();
}
