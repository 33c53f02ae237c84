//! Committed offsets: who may commit, what is fetched, what expires.

use std::time::Duration;

use super::support::*;
use crate::api::ErrorCode;
use crate::api::group::*;
use crate::config::GroupConfig;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};

fn offsets(world: &World, group: &str) -> Vec<(i32, i64)> {
    let fetched = world.shard.fetch(&fetch_all(group));
    fetched.iter().map(|one| (one.partition.partition, one.committed.clone().unwrap().unwrap().offset.0)).collect()
}

#[test]
fn only_the_present_generation_commits() {
    let mut world = World::new(GroupConfig::default());
    assert_eq!(
        code(world.commit(&OffsetCommit { generation: Generation(1), ..commit("g", None, 0, 1) })),
        ErrorCode::IllegalGeneration
    );
    let (one, two) = world.stable_pair("g");
    world.commit(&commit("g", Some(&one), 0, 10)).unwrap();
    let old = JoinedGroup { generation: Generation(one.generation.0 - 1), ..one.clone() };
    assert_eq!(code(world.commit(&commit("g", Some(&old), 0, 99))), ErrorCode::IllegalGeneration);
    let stranger = JoinedGroup { member: "who".into(), ..one.clone() };
    assert_eq!(code(world.commit(&commit("g", Some(&stranger), 0, 99))), ErrorCode::UnknownMemberId);
    assert_eq!(code(world.commit(&commit("g", None, 0, 99))), ErrorCode::UnknownMemberId);
    let nameless = OffsetCommit { generation: one.generation, ..commit("g", None, 0, 99) };
    assert_eq!(code(world.commit(&nameless)), ErrorCode::UnknownMemberId);
    assert_eq!(offsets(&world, "g"), [(0, 10)]);

    // While the others come back, what was handled in this generation may still be committed.
    let waits = world.ask_join(&join("g", None));
    world.commit(&commit("g", Some(&two), 1, 20)).unwrap();
    let also = world.ask_join(&join("g", Some(&one.member)));
    world.ask_join(&join("g", Some(&two.member)));
    // Then nothing can have been handled in the new one.
    let new = world.joined(waits).unwrap().unwrap();
    assert!(world.joined(also).unwrap().is_ok());
    assert_eq!(code(world.commit(&commit("g", Some(&new), 0, 99))), ErrorCode::RebalanceInProgress);
    assert_eq!(code(world.commit(&commit("g", Some(&two), 0, 99))), ErrorCode::IllegalGeneration);
    assert_eq!(offsets(&world, "g"), [(0, 10), (1, 20)]);
}

#[test]
fn a_commit_keeps_the_member_alive() {
    let mut world = World::new(GroupConfig::default());
    let joined = world.stable("g");
    for offset in 0..8 {
        world.pass(SESSION / 2);
        assert_eq!(world.commit(&commit("g", Some(&joined), 0, offset)), Ok(vec![Ok(())]));
    }
}

#[test]
fn what_is_fetched_is_what_was_committed() {
    let mut world = World::new(GroupConfig::default());
    let mut request = commit("g", None, 3, 42);
    request.partitions[0].leader_epoch = Some(LeaderEpoch(7));
    request.partitions[0].metadata = "note".into();
    world.commit(&request).unwrap();
    let wanted = OffsetsWanted::Partitions(vec![partition(9), partition(3)]);
    for world in [&world, &world.replayed(&world.log)] {
        let fetched =
            world.shard.fetch(&OffsetFetch { wanted: wanted.clone(), require_stable: true, ..fetch_all("g") });
        let expected =
            CommittedOffset { offset: Offset(42), leader_epoch: Some(LeaderEpoch(7)), metadata: "note".into() };
        assert_eq!(fetched[0], FetchedOffset { partition: partition(9), committed: Ok(None) });
        assert_eq!(fetched[1], FetchedOffset { partition: partition(3), committed: Ok(Some(expected)) });
        let none = world.shard.fetch(&OffsetFetch { wanted: wanted.clone(), ..fetch_all("none") });
        assert_eq!(none.len(), 2);
        assert!(none.iter().all(|one| one.committed == Ok(None)));
        assert!(world.shard.fetch(&fetch_all("none")).is_empty());
    }
}

#[test]
fn each_partition_is_refused_on_its_own() {
    let mut world = World::new(GroupConfig { max_offsets: 2, ..GroupConfig::default() });
    let of = |number, offset, metadata: String| OffsetCommitPartition {
        partition: partition(number),
        offset: Offset(offset),
        leader_epoch: None,
        metadata: metadata.into(),
    };
    let partitions = vec![
        of(0, 1, "x".repeat(4097)),
        of(1, 1, "x".repeat(4096)),
        of(-2, 1, String::new()),
        of(3, 1, String::new()),
        of(4, 1, String::new()),
        of(1, 2, String::new()),
    ];
    let answers = world.commit(&OffsetCommit { partitions, ..commit("g", None, 0, 0) }).unwrap();
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.err().map(|error| error.code)).collect();
    let (large, invalid, many) =
        (ErrorCode::OffsetMetadataTooLarge, ErrorCode::InvalidRequest, ErrorCode::PolicyViolation);
    assert_eq!(codes, [Some(large), None, Some(invalid), None, Some(many), None]);
    assert_eq!(offsets(&world, "g"), [(1, 2), (3, 1)]);
    assert_eq!(code(world.commit(&commit("", None, 0, 0))), ErrorCode::InvalidGroupId);
}

#[test]
fn an_offset_below_0_is_kept() {
    let mut world = World::new(GroupConfig::default());
    world.commit(&commit("g", None, 0, 7)).unwrap();
    assert_eq!(world.commit(&commit("g", None, 0, -2)), Ok(vec![Ok(())]));
    assert_eq!(offsets(&world, "g"), [(0, -2)]);
    assert_eq!(offsets(&world.replayed(&world.log), "g"), [(0, -2)]);
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    let mut world = World::new(GroupConfig::default());
    let joined = world.stable("g");
    let mut request = commit("g", Some(&joined), 0, 1);
    let orders = TopicPartition::new(topic("orders"), 0);
    request.partitions.push(OffsetCommitPartition { partition: orders.clone(), ..request.partitions[0].clone() });
    world.commit(&request).unwrap();
    let delete = OffsetDelete { group: "g".into(), partitions: vec![partition(0), orders] };
    let answers = world.act(|shard, _, effects| shard.delete_offsets(&delete, effects)).unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().code, ErrorCode::GroupSubscribedToTopic);
    assert_eq!(answers[1], Ok(()));
    assert_eq!(offsets(&world, "g"), [(0, 1)]);
    assert_eq!(offsets(&world.replayed(&world.log), "g"), [(0, 1)]);
    world.leave(&leaving("g", Some(&joined.member), None)).unwrap();
    assert_eq!(world.delete_offsets("g", 0), Ok(vec![Ok(())]));
    assert_eq!(code(world.delete_offsets("none", 0)), ErrorCode::GroupIdNotFound);
    let other = JoinGroup { protocol_type: "connect".into(), ..join("c", None) };
    world.join_now(&other).unwrap();
    assert_eq!(code(world.delete_offsets("c", 0)), ErrorCode::NonEmptyGroup);
}

#[test]
fn offsets_outlive_their_group_for_the_retention_and_no_longer() {
    let day = Duration::from_hours(24);
    let mut world = World::new(GroupConfig { offsets_retention: 2 * day, ..GroupConfig::default() });
    let joined = world.stable("members");
    world.commit(&commit("members", Some(&joined), 0, 1)).unwrap();
    world.commit(&commit("alone", None, 0, 1)).unwrap();
    // A living group keeps what it has, however old.
    for _ in 0..(3 * 24 * 3600 / 8) {
        world.pass(Duration::from_secs(8));
        world.heartbeat(&heartbeat("members", &joined)).unwrap();
    }
    assert_eq!(offsets(&world, "members"), [(0, 1)]);
    assert_eq!(world.state("alone"), GroupState::Dead, "without members the commit is what counts");
    world.leave(&leaving("members", Some(&joined.member), None)).unwrap();
    world.pass(day);
    assert_eq!(offsets(&world, "members"), [(0, 1)]);
    world.pass(day + Duration::from_mins(11));
    assert_eq!(world.shard.len(), 0);
    let replayed = world.replayed(&world.log);
    assert_eq!(replayed.shard.len(), 0, "tombstones say so to the next coordinator");
    assert_eq!(replayed.shard.deadline().is_some(), world.shard.deadline().is_some());
}
