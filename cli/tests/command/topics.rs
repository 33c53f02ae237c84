//! `ottla topic`, on every kind of place.

use serde_json::{Value, json};

use super::places::Place;
use super::support::{Outcome, ottla};

fn topic(url: &str, args: &[&str]) -> Outcome {
    ottla(&[&["-u", url, "topic"], args].concat())
}

fn names(url: &str) -> Vec<String> {
    let listed = topic(url, &["list", "--json"]).json();
    listed.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap().to_owned()).collect()
}

fn described(url: &str, name: &str) -> Value {
    topic(url, &["describe", name, "--json"]).json()[0].clone()
}

#[test]
fn topics_are_made_changed_and_deleted() {
    for place in Place::all() {
        let url = place.url();
        assert_eq!(topic(&url, &["list"]).out, "TOPIC  PARTITIONS  REPLICAS\n");
        let made = topic(&url, &["create", "orders", "audit", "-p", "3", "-c", "retention.ms=5000", "--json"]).json();
        assert_eq!((made[0]["name"].as_str(), made[1]["name"].as_str()), (Some("orders"), Some("audit")));
        assert_eq!(names(&url), ["audit", "orders"]);
        assert_eq!(
            topic(&url, &["ls"]).out,
            "TOPIC   PARTITIONS  REPLICAS\naudit            3         1\norders           3         1\n"
        );

        let orders = described(&url, "orders");
        assert_eq!(orders["id"], made[0]["id"]);
        assert_eq!(orders["configs"], json!([{"name": "retention.ms", "value": "5000", "source": "topic"}]));
        let partition = &orders["partitions"][2];
        for (field, expected) in
            [("partition", json!(2)), ("leader", json!(0)), ("isr", json!([0])), ("start", json!(0)), ("end", json!(0))]
        {
            assert_eq!(partition[field], expected, "{field}");
        }

        let altered =
            topic(&url, &["alter", "orders", "-p", "5", "-c", "max.message.bytes=2000", "--reset", "retention.ms"]);
        assert_eq!((altered.code, altered.out.as_str()), (0, "topic orders altered\n"), "{altered:?}");
        let orders = described(&url, "orders");
        assert_eq!(orders["configs"], json!([{"name": "max.message.bytes", "value": "2000", "source": "topic"}]));
        assert_eq!(orders["partitions"].as_array().unwrap().len(), 5);
        let shown = topic(&url, &["describe", "orders"]).out;
        assert!(shown.contains("configs max.message.bytes=2000\n") && shown.contains("PARTITION  LEADER"), "{shown}");
        let all = topic(&url, &["describe", "orders", "--all-configs"]).out;
        assert!(all.contains("retention.ms=604800000"), "{all}");

        assert_eq!(topic(&url, &["delete", "orders", "audit"]).out, "topic orders deleted\ntopic audit deleted\n");
        assert_eq!(names(&url), Vec::<String>::new());
    }
}

#[test]
fn what_is_there_or_not_is_an_error_unless_it_may_be() {
    for place in Place::all() {
        let url = place.url();
        assert_eq!(topic(&url, &["create", "orders", "--if-not-exists"]).out, "topic orders created\n");
        assert_eq!(topic(&url, &["create", "orders", "--if-not-exists"]).out, "topic orders exists\n");
        topic(&url, &["create", "orders"]).failed(1, &["cannot create topic `orders`"]);
        assert_eq!(
            topic(&url, &["rm", "nope", "orders", "--if-exists"]).out,
            "topic nope does not exist\ntopic orders deleted\n"
        );
        for args in [
            &["delete", "nope"][..],
            &["describe", "nope"],
            &["alter", "nope", "-p", "2"],
            &["alter", "nope", "-c", "retention.ms=1"],
        ] {
            topic(&url, args).failed(3, &["topic `nope`"]);
        }
    }
}

#[test]
fn what_cannot_be_says_why() {
    let place = Place::directory();
    let url = place.url();
    topic(&url, &["create", "a b"]).failed(2, &["`a b`"]);
    topic(&url, &["create", "orders", "-c", "retention.sm=1"]).failed(2, &["did you mean `retention.ms`?"]);
    topic(&url, &["create", "orders", "-c", "retention.ms"]).failed(2, &["retention.ms=86400000"]);
    topic(&url, &["create", "orders", "-p", "0"]).failed(2, &["--partitions"]);
    topic(&url, &["create"]).failed(2, &["<TOPIC>"]);
    topic(&url, &["alter", "orders"]).failed(2, &["--partitions", "--reset"]);
    let both = ["alter", "orders", "-c", "retention.ms=1", "--reset", "retention.ms"];
    topic(&url, &both).failed(2, &["`retention.ms` cannot be set and reset"]);
    assert_eq!(topic(&url, &["create", "orders", "-p", "2"]).code, 0);
    topic(&url, &["alter", "orders", "-p", "1"]).failed(2, &["raise topic `orders` to 1 partitions"]);
}
