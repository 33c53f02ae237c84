use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::api::ScramMechanism;
use crate::ids::{BrokerId, LeaderEpoch, TopicId, TopicName};

fn registration(id: i32) -> Registration {
    Registration {
        id: BrokerId(id),
        incarnation: Uuid::from_u128(7),
        host: "example".to_owned(),
        port: 9092,
        rack: Some("a".to_owned()),
    }
}

fn topic_id(id: u8) -> TopicId {
    TopicId(Uuid::from_u128(u128::from(id)))
}

fn create(id: u8, partitions: usize) -> Command {
    Command::CreateTopic {
        name: TopicName::new(format!("topic-{id}")).unwrap(),
        id: topic_id(id),
        replication_factor: 1,
        configs: BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]),
        replicas: vec![vec![BrokerId(0)]; partitions],
    }
}

fn elect(id: u8, partition: i32, epoch: i32) -> Command {
    let election = Election { partition, leader: Some(BrokerId(0)), epoch: LeaderEpoch(epoch), isr: vec![BrokerId(0)] };
    Command::ElectLeaders { topics: vec![TopicElections { topic: topic_id(id), elections: vec![election] }] }
}

fn image(commands: &[Command]) -> Image {
    let first = [Command::CreateCluster { id: "cluster".to_owned() }, Command::RegisterBroker(registration(0))];
    Image::default().apply(&first).unwrap().apply(commands).unwrap()
}

/// Commands that are often valid, and often not.
fn any_command() -> impl Strategy<Value = Command> {
    let config = prop_oneof![Just(None), "[0-9]{1,3}".prop_map(Some)];
    prop_oneof![
        (0..4_u8, 1..4_usize).prop_map(|(id, partitions)| create(id, partitions)),
        (0..4_u8).prop_map(|id| Command::DeleteTopic { id: topic_id(id) }),
        (0..4_u8, 0..5_i32).prop_map(|(id, from)| Command::AddPartitions {
            topic: topic_id(id),
            from,
            replicas: vec![vec![BrokerId(0)], vec![BrokerId(0)]],
        }),
        (0..4_u8, 0..5_i32, 0..5_i32).prop_map(|(id, partition, epoch)| elect(id, partition, epoch)),
        (0..4_u8, config.clone()).prop_map(|(id, value)| Command::AlterTopicConfigs {
            topic: topic_id(id),
            changes: BTreeMap::from([("retention.ms".to_owned(), value)]),
        }),
        ("[ab]", any::<bool>(), 0..3_u8).prop_map(|(user, short, secret)| {
            let mechanism = if short { ScramMechanism::Sha256 } else { ScramMechanism::Sha512 };
            let key = vec![secret; 3];
            let keys = ScramKeys { iterations: 4_096, salt: key.clone(), stored_key: key.clone(), server_key: key };
            Command::AlterScram { user, mechanism, keys: (secret > 0).then_some(keys) }
        }),
        (0..2_i32, config).prop_map(|(id, value)| Command::AlterBrokerConfigs {
            broker: BrokerId(id),
            changes: BTreeMap::from([("log.retention.ms".to_owned(), value)]),
        }),
        (0..3_i64).prop_map(|block| Command::AllocateProducerIds {
            broker: BrokerId(0),
            first: block * 1_000,
            len: 1_000
        }),
        (0..3_i32).prop_map(|id| Command::RegisterBroker(registration(id))),
        any::<u128>().prop_map(|id| Command::Entry { id: Uuid::from_u128(id), writer: BrokerId(0) }),
    ]
}

proptest! {
    #[test]
    fn same_commands_same_image_and_a_snapshot_stands_for_its_prefix(
        entries in prop::collection::vec(prop::collection::vec(any_command(), 1..4), 0..40),
        cut in 0..40_usize,
    ) {
        // What a writer would let into the log, as the log keeps it.
        let mut full = image(&[]);
        let mut log = Vec::new();
        for commands in entries {
            if let Ok(next) = full.apply(&commands) {
                full = next;
                log.push(commands.iter().map(|command| command.encode().unwrap()).collect::<Vec<_>>());
            }
        }
        let replay = |mut image: Image, log: &[Vec<bytes::Bytes>]| {
            for entry in log {
                let commands: Vec<_> = entry.iter().map(|bytes| Command::decode(bytes).unwrap()).collect();
                image = image.apply(&commands).unwrap();
            }
            image
        };
        prop_assert_eq!(&replay(image(&[]), &log), &full);

        let cut = cut.min(log.len());
        let prefix = replay(image(&[]), &log[..cut]);
        let restored = Image::decode(prefix.position(), &prefix.encode().unwrap()).unwrap();
        prop_assert_eq!(&restored, &prefix);
        let resumed = replay(restored, &log[cut..]);
        prop_assert_eq!(&resumed, &full);
        prop_assert_eq!(resumed.encode().unwrap(), full.encode().unwrap());
    }
}

#[test]
fn one_change_shares_every_other_topic() {
    let before = image(&[create(1, 10_000), create(2, 1)]);
    let after = before.apply(&[elect(2, 0, 1)]).unwrap();
    let partitions = |image: &Image, id| Arc::clone(&image.topic_by_id(topic_id(id)).unwrap().metadata.partitions);
    assert!(Arc::ptr_eq(&partitions(&before, 1), &partitions(&after, 1)));
    assert_eq!(partitions(&before, 2)[0].leader_epoch, LeaderEpoch(0));
    assert_eq!(partitions(&after, 2)[0].leader_epoch, LeaderEpoch(1));
}

#[test]
fn contradictions_are_refused_and_change_nothing() {
    let before = image(&[create(1, 2)]);
    let absent = TopicName::new("absent").unwrap();
    let refused = [
        (create(1, 1), "the topic topic-1 exists"),
        (create(2, 0), "has no partition"),
        (Command::DeleteTopic { id: topic_id(9) }, "there is no topic of id"),
        (elect(1, 0, 0), "is at leader epoch 0 and cannot go to 0"),
        (elect(1, 2, 1), "there is no partition topic-1-2"),
        (Command::AddPartitions { topic: topic_id(1), from: 1, replicas: vec![] }, "has 2 partitions, not 1"),
        (Command::CreateCluster { id: "other".to_owned() }, "the cluster is cluster already"),
        (Command::AllocateProducerIds { broker: BrokerId(0), first: 5, len: 10 }, "the next producer id is 0, not 5"),
        (Command::AllocateProducerIds { broker: BrokerId(0), first: 0, len: 0 }, "a block of 0"),
        (Command::AlterBrokerConfigs { broker: BrokerId(8), changes: BTreeMap::new() }, "broker 8 is not registered"),
        (
            Command::CreateTopic {
                name: absent.clone(),
                id: topic_id(8),
                replication_factor: 2,
                configs: BTreeMap::new(),
                replicas: vec![vec![BrokerId(0), BrokerId(0)]],
            },
            "broker 0 is a replica twice",
        ),
    ];
    for (command, reason) in refused {
        // The first command of the entry is valid, and must not take effect either.
        let error = before.apply(&[elect(1, 1, 5), command]).unwrap_err();
        assert!(error.reason.contains(reason), "{error} does not say: {reason}");
        assert_eq!(error.position, 2);
    }
    assert_eq!(before, image(&[create(1, 2)]));
    assert!(before.topic(&absent).is_none());
}

#[test]
fn what_is_not_understood_is_refused() {
    let newer = Command::decode(br#"{"v":2,"c":{"teleport":{}}}"#).unwrap_err();
    assert_eq!(
        newer.to_string(),
        "the metadata was written in version 2, and this software reads up to 1: use a newer one"
    );
    for bytes in [
        &br#"{"v":1,"c":{"teleport":{}}}"#[..],
        br#"{"v":1,"c":{"delete_topic":{"id":"00000000-0000-0000-0000-000000000001","force":true}}}"#,
        br#"{"c":{}}"#,
        b"",
        b"\xff",
    ] {
        assert!(matches!(Command::decode(bytes), Err(DecodeError::Malformed(_))), "{bytes:?}");
    }
    assert!(matches!(Image::decode(3, br#"{"v":9,"c":{}}"#), Err(DecodeError::Newer { found: 9, .. })));
    assert!(matches!(Image::decode(3, br#"{"v":1,"c":{}}"#), Err(DecodeError::Malformed(_))));
}

#[test]
fn the_log_keeps_its_form() {
    // Brokers of other versions read these bytes: a change of them is a change of the version.
    let command = elect(1, 0, 3);
    assert_eq!(
        command.encode().unwrap(),
        r#"{"v":1,"c":{"elect_leaders":{"topics":[{"topic":"00000000-0000-0000-0000-000000000001","elections":[[0,0,3,[0]]]}]}}}"#
    );
    assert_eq!(Command::decode(&command.encode().unwrap()).unwrap(), command);
}
