//! Messages that kafka-python wrote: `tests/vectors/group/generate.py` says how.

use bytes::Bytes;

use crate::api::group::*;
use crate::ids::{LeaderEpoch, Offset, TopicName, TopicPartition};

fn vector(name: &str) -> Bytes {
    let lines = include_str!("../../../../tests/vectors/group/vectors.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == name).unwrap().1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn owned() -> Vec<TopicPartitions> {
    vec![
        TopicPartitions { topic: topic("emails"), partitions: vec![0, 2] },
        TopicPartitions { topic: topic("orders"), partitions: vec![7] },
    ]
}

#[test]
fn the_consumer_protocol_is_kafkas() {
    for version in 0..4 {
        let value = Subscription {
            topics: vec![topic("emails"), topic("orders")],
            user_data: Some(Bytes::from_static(b"\x00\xff")),
            owned: if version >= 1 { owned() } else { vec![] },
            generation: Generation(if version >= 2 { 42 } else { -1 }),
            rack: (version >= 3).then(|| "rack-1".into()),
        };
        let bytes = vector(&format!("subscription-{version}"));
        assert_eq!(value.encode_version(version).unwrap(), bytes);
        assert_eq!(Subscription::decode(&bytes).unwrap(), value);

        let value = Assignment { partitions: owned(), user_data: None };
        let bytes = vector(&format!("assignment-{version}"));
        assert_eq!(value.encode_version(version).unwrap(), bytes);
        assert_eq!(Assignment::decode(&bytes).unwrap(), value);
    }
    let bare = Subscription::to(vec![]);
    assert_eq!(bare.encode().unwrap(), vector("subscription-bare"));
    assert_eq!(Subscription::decode(&vector("subscription-bare")).unwrap(), bare);
}

#[test]
fn the_keys_of_consumer_offsets_are_kafkas() {
    let keys = [
        ("offset-key", OffsetsKey::Offset("grüppe".into(), TopicPartition::new(topic("emails"), 3))),
        ("group-key", OffsetsKey::Group("grüppe".into())),
    ];
    for (name, key) in keys {
        assert_eq!(key.encode().unwrap(), vector(name));
        assert_eq!(OffsetsKey::decode(&vector(name)).unwrap(), key);
    }
}

#[test]
fn the_values_of_consumer_offsets_are_kafkas() {
    for version in 0..5 {
        let value = OffsetValue {
            committed: CommittedOffset {
                offset: Offset(1_234_567_890_123),
                leader_epoch: (version >= 3).then_some(LeaderEpoch(9)),
                metadata: "so weit".into(),
            },
            commit_time_ms: 1_700_000_000_000,
            expire_time_ms: (version == 1).then_some(1_700_000_060_000),
        };
        let bytes = vector(&format!("offset-{version}"));
        assert_eq!(OffsetValue::decode(&bytes).unwrap(), value);
        let member = |n: u8, instance: Option<&str>, rebalance, session, sub: &'static str, share: &'static str| {
            GroupMemberValue {
                member: format!("app-{n}").into(),
                instance: instance.filter(|_| version >= 3).map(InstanceId::from),
                client_id: "app".into(),
                client_host: format!("/10.0.0.{n}").into(),
                rebalance_timeout_ms: if version >= 1 { rebalance } else { session },
                session_timeout_ms: session,
                subscription: Bytes::from_static(sub.as_bytes()),
                assignment: Bytes::from_static(share.as_bytes()),
            }
        };
        let group = GroupValue {
            protocol_type: "consumer".into(),
            generation: Generation(5),
            protocol: Some("range".into()),
            leader: Some("app-1".into()),
            state_since_ms: (version >= 2).then_some(1_700_000_000_001),
            members: vec![
                member(1, Some("node-a"), 60_000, 45_000, "sub-1", "share-1"),
                member(2, None, 30_000, 10_000, "", ""),
            ],
        };
        let group_bytes = vector(&format!("group-{version}"));
        assert_eq!(GroupValue::decode(&group_bytes).unwrap(), group);
        if version <= 3 {
            assert_eq!(value.encode_version(version).unwrap(), bytes);
            assert_eq!(group.encode_version(version).unwrap(), group_bytes);
        }
    }
    let empty = GroupValue {
        protocol_type: "consumer".into(),
        generation: Generation(6),
        protocol: None,
        leader: None,
        state_since_ms: Some(1_700_000_000_002),
        members: vec![],
    };
    assert_eq!(empty.encode().unwrap(), vector("group-empty"));
    assert_eq!(GroupValue::decode(&vector("group-empty")).unwrap(), empty);
}
