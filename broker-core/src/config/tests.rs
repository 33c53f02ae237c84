use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn entries(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn topic(pairs: &[(&str, &str)]) -> Result<TopicConfig, Error> {
    TopicConfig::from_entries(&entries(pairs), &BrokerConfig::default())
}

#[test]
fn every_default_of_the_table_is_what_the_structs_default_to() {
    let all = |scope| {
        definitions(scope)
            .iter()
            .filter(|definition| !definition.default.is_empty())
            .map(|definition| (definition.name.to_owned(), definition.default.to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let mut broker = BrokerConfig::from_entries(&all(Scope::Broker)).unwrap();
    assert_eq!(TopicConfig::from_entries(&all(Scope::Topic), &broker).unwrap(), TopicConfig::default());
    let by_broker_names: BTreeMap<_, _> = definitions(Scope::Topic)
        .iter()
        .map(|definition| (definition.broker_name.unwrap().to_owned(), definition.default.to_owned()))
        .collect();
    for (name, value) in by_broker_names {
        broker = broker.with(&name, value).unwrap();
    }
    assert_eq!(broker.topic_defaults(), &TopicConfig::default());
    let default = BrokerConfig::default();
    assert_eq!(
        (broker.id(), broker.num_partitions(), broker.default_replication_factor(), broker.auto_create_topics()),
        (default.id(), default.num_partitions(), default.default_replication_factor(), default.auto_create_topics())
    );
    assert_eq!(broker.retention_check_interval(), default.retention_check_interval());
    assert_eq!(broker.producer_id_expiration(), default.producer_id_expiration());
    assert_eq!(broker.producer_id_limit(), default.producer_id_limit());
}

#[test]
fn the_table_is_sorted_and_documented() {
    for scope in [Scope::Topic, Scope::Broker] {
        assert!(definitions(scope).is_sorted_by_key(|definition| definition.name));
        assert!(definitions(scope).iter().all(|definition| definition.documentation.ends_with('.')));
    }
}

#[test]
fn values_take_effect() {
    let config = topic(&[
        ("retention.ms", "5"),
        ("retention.bytes", "7"),
        ("max.message.bytes", "100"),
        ("message.timestamp.type", "LogAppendTime"),
        ("message.timestamp.before.max.ms", "10"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
        ("min.insync.replicas", "2"),
        ("cleanup.policy", "delete"),
        ("compression.type", "producer"),
    ]);
    assert_eq!(
        config.unwrap(),
        TopicConfig {
            retention: Some(Duration::from_millis(5)),
            retention_bytes: Some(7),
            max_message_bytes: 100,
            timestamp_type: TimestampType::LogAppendTime,
            timestamp_before_max: Some(Duration::from_millis(10)),
            timestamp_after_max: None,
            min_insync_replicas: 2,
        }
    );
    assert_eq!(topic(&[("retention.ms", "-1")]).unwrap().retention, None);
    let broker = BrokerConfig::default().with("log.retention.bytes", 9).unwrap();
    assert_eq!(TopicConfig::from_entries(&entries(&[]), &broker).unwrap().retention_bytes, Some(9));
    let own = TopicConfig::from_entries(&entries(&[("retention.bytes", "-1")]), &broker).unwrap();
    assert_eq!(own.retention_bytes, None);
}

#[test]
fn refusals_name_the_config_and_the_remedy() {
    let says = |pairs: &[(&str, &str)]| topic(pairs).unwrap_err().to_string();
    assert_eq!(says(&[("retention.sm", "1")]), "`retention.sm` is not a topic config: did you mean `retention.ms`?");
    assert_eq!(says(&[("retention_ms", "1")]), "`retention_ms` is not a topic config: did you mean `retention.ms`?");
    assert_eq!(says(&[("frobnicate", "1")]), "`frobnicate` is not a topic config");
    assert_eq!(
        says(&[("retention.ms", "-2")]),
        "`-2` is not a value of `retention.ms`: it is a whole number of at least -1"
    );
    assert_eq!(
        says(&[("max.message.bytes", "1 MB")]),
        "`1 MB` is not a value of `max.message.bytes`: it is a whole number from 0 to 2147483647"
    );
    assert_eq!(
        says(&[("cleanup.policy", "compact")]),
        "`cleanup.policy=compact` is not supported: compaction is not built yet; use `delete`"
    );
    assert!(says(&[("compression.type", "zstd")]).contains("set the producer's compression"));
    assert!(says(&[("segment.bytes", "1024")]).contains("the storage decides"));
    assert!(says(&[(&"x".repeat(100_000), "1")]).len() < 200);
    assert!(says(&[("retention.ms", &"9".repeat(100_000))]).len() < 200);
    let broker = BrokerConfig::default().with("auto.create.topics.enable", "yes").unwrap_err();
    assert_eq!(broker.to_string(), "`yes` is not a value of `auto.create.topics.enable`: it is `true` or `false`");
}
