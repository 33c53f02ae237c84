//! Round trips, hostile input, and vectors of another implementation.

mod vectors;

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::ids::{LeaderEpoch, Offset, TopicName, TopicPartition};

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,12}".prop_map(Arc::from)
}

fn blob() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..24).prop_map(Bytes::from)
}

fn topic() -> impl Strategy<Value = TopicName> {
    "[a-z][a-z0-9_-]{0,8}".prop_map(|name| TopicName::new(name).unwrap())
}

fn topic_partitions() -> impl Strategy<Value = Vec<TopicPartitions>> {
    vec((topic(), vec(any::<i32>(), 0..5)), 0..4)
        .prop_map(|list| list.into_iter().map(|(topic, partitions)| TopicPartitions { topic, partitions }).collect())
}

fn subscription() -> impl Strategy<Value = Subscription> {
    (vec(topic(), 0..5), of(blob()), topic_partitions(), any::<i32>(), of(text())).prop_map(
        |(topics, user_data, owned, generation, rack)| Subscription {
            topics,
            user_data,
            owned,
            generation: Generation(generation),
            rack,
        },
    )
}

fn offset_value() -> impl Strategy<Value = OffsetValue> {
    (any::<i64>(), of(0..i32::MAX), text(), any::<i64>()).prop_map(|(offset, epoch, metadata, commit_time_ms)| {
        let leader_epoch = epoch.map(LeaderEpoch);
        let committed = CommittedOffset { offset: Offset(offset), leader_epoch, metadata };
        OffsetValue { committed, commit_time_ms, expire_time_ms: None }
    })
}

fn member_value() -> impl Strategy<Value = GroupMemberValue> {
    ((text(), of(text()), text(), text()), any::<i32>(), any::<i32>(), blob(), blob()).prop_map(
        |((member, instance, client_id, client_host), rebalance, session, subscription, assignment)| GroupMemberValue {
            member: MemberId::from(&*member),
            instance: instance.map(|name| InstanceId::from(&*name)),
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance,
            session_timeout_ms: session,
            subscription,
            assignment,
        },
    )
}

fn group_value() -> impl Strategy<Value = GroupValue> {
    (text(), any::<i32>(), of(text()), of(text()), of(0..i64::MAX), vec(member_value(), 0..4)).prop_map(
        |(protocol_type, generation, protocol, leader, state_since_ms, members)| GroupValue {
            protocol_type,
            generation: Generation(generation),
            protocol,
            leader: leader.map(|name| MemberId::from(&*name)),
            state_since_ms,
            members,
        },
    )
}

fn key() -> impl Strategy<Value = OffsetsKey> {
    prop_oneof![
        (text(), topic(), any::<i32>())
            .prop_map(|(group, topic, p)| OffsetsKey::Offset((&*group).into(), TopicPartition::new(topic, p))),
        text().prop_map(|group| OffsetsKey::Group((&*group).into())),
        Just(OffsetsKey::Snapshot(SnapshotMark::Begin)),
        Just(OffsetsKey::Snapshot(SnapshotMark::End)),
    ]
}

/// Whatever the bytes, a decoder answers; and no prefix of a message passes for a whole one.
fn hostile(bytes: &Bytes) {
    let _ = Subscription::decode(bytes);
    let _ = Assignment::decode(bytes);
    let _ = OffsetsKey::decode(bytes);
    let _ = OffsetValue::decode(bytes);
    let _ = GroupValue::decode(bytes);
    let _ = SnapshotMark::decode_id(bytes);
}

proptest! {
    #[test]
    fn subscriptions_survive(value in subscription(), version in 0_i16..4) {
        prop_assert_eq!(&Subscription::decode(&value.encode().unwrap()).unwrap(), &value);
        let old = Subscription::decode(&value.encode_version(version).unwrap()).unwrap();
        prop_assert_eq!(&old.topics, &value.topics);
        prop_assert_eq!(&old.user_data, &value.user_data);
        prop_assert_eq!(old.owned, if version >= 1 { value.owned } else { vec![] });
        prop_assert_eq!(old.generation, if version >= 2 { value.generation } else { Generation::NONE });
        prop_assert_eq!(old.rack, if version >= 3 { value.rack } else { None });
    }

    #[test]
    fn assignments_survive(partitions in topic_partitions(), user_data in of(blob()), version in 0_i16..4) {
        let value = Assignment { partitions, user_data };
        prop_assert_eq!(Assignment::decode(&value.encode_version(version).unwrap()).unwrap(), value);
    }

    #[test]
    fn records_survive(key in key(), offset in offset_value(), group in group_value()) {
        prop_assert_eq!(OffsetsKey::decode(&key.encode().unwrap()).unwrap(), key);
        prop_assert_eq!(OffsetValue::decode(&offset.encode().unwrap()).unwrap(), offset.clone());
        prop_assert_eq!(GroupValue::decode(&group.encode().unwrap()).unwrap(), group);
        let expires = OffsetValue { expire_time_ms: Some(7), ..offset };
        let read = OffsetValue::decode(&expires.encode().unwrap()).unwrap();
        prop_assert_eq!(read.expire_time_ms, Some(7));
        prop_assert_eq!(read.committed.offset, expires.committed.offset);
    }

    #[test]
    fn a_prefix_is_not_taken_for_the_whole(group in group_value(), subscription in subscription(), cut in 0_usize..400) {
        let bytes = group.encode().unwrap();
        if cut < bytes.len() {
            prop_assert!(GroupValue::decode(&Bytes::copy_from_slice(&bytes[..cut])).is_err());
        }
        let bytes = subscription.encode().unwrap();
        if cut < bytes.len() {
            prop_assert!(Subscription::decode(&Bytes::copy_from_slice(&bytes[..cut])).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_get_an_answer(bytes in blob(), version in -1_i16..6) {
        hostile(&bytes);
        let versioned: Vec<u8> = version.to_be_bytes().iter().chain(bytes.iter()).copied().collect();
        hostile(&Bytes::from(versioned));
    }

    #[test]
    fn flipped_bytes_get_an_answer(
        messages in (group_value(), subscription()),
        at in any::<usize>(),
        to in any::<u8>(),
    ) {
        for bytes in [messages.0.encode().unwrap(), messages.1.encode().unwrap()] {
            let mut bytes = bytes.to_vec();
            let at = at % bytes.len();
            bytes[at] = to;
            hostile(&Bytes::from(bytes));
        }
    }
}

#[test]
fn a_count_that_cannot_be_is_refused_before_anything_is_set_aside() {
    // Each says 2³¹ − 1 entries and brings none.
    let count = i32::MAX.to_be_bytes();
    let list = |head: &[u8]| Bytes::from([head, &count].concat());
    assert!(matches!(Subscription::decode(&list(&[0, 0])), Err(DecodeError::Truncated(_))));
    assert!(matches!(Assignment::decode(&list(&[0, 0])), Err(DecodeError::Truncated(_))));
    // Version 3, no type, generation 1, null, null, time.
    let head = [&[0, 3, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255][..], &[0; 8]].concat();
    assert!(matches!(GroupValue::decode(&list(&head)), Err(DecodeError::Truncated(_))));
    // Version 4: tags without end.
    let tags = [&[0, 4][..], &[0; 8], &[0; 4], &[1], &[0; 8], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert!(OffsetValue::decode(&Bytes::from(tags)).is_err());
}

#[test]
fn what_does_not_fit_its_length_field_is_not_written() {
    let long: Arc<str> = "x".repeat(40_000).into();
    let value = OffsetValue {
        committed: CommittedOffset { offset: Offset(1), leader_epoch: None, metadata: Arc::clone(&long) },
        commit_time_ms: 0,
        expire_time_ms: None,
    };
    assert_eq!(value.encode(), Err(FieldTooLong { len: 40_000, max: 32_767 }));
    assert!(OffsetsKey::Group((&*long).into()).encode().is_err());
}

#[test]
fn newer_versions_are_read_as_far_as_they_are_known() {
    let mut bytes = Subscription::to(vec![TopicName::new("emails").unwrap()]).encode().unwrap().to_vec();
    bytes[1] = 9;
    bytes.extend([1, 2, 3]);
    assert_eq!(Subscription::decode(&Bytes::from(bytes)).unwrap().topics.len(), 1);
    assert_eq!(OffsetsKey::decode(&Bytes::from_static(&[0, 17, 1, 2])), Ok(OffsetsKey::Unknown(17)));
    assert_eq!(Assignment::decode(&Bytes::new()), Ok(Assignment::default()));
}
