//! Each refusal, as Kafka gives it.

use std::time::Duration;

use super::support::*;
use crate::api::ErrorCode;
use crate::api::group::*;
use crate::config::GroupConfig;

fn refused(result: Result<JoinedGroup, JoinRefused>) -> ErrorCode {
    result.unwrap_err().error.code
}

#[test]
fn joins_that_cannot_be() {
    let mut world = World::new(GroupConfig::default());
    assert_eq!(refused(world.join_now(&join("", None))), ErrorCode::InvalidGroupId);
    let hasty = JoinGroup { session_timeout: Duration::from_secs(5), ..join("g", None) };
    assert_eq!(refused(world.join_now(&hasty)), ErrorCode::InvalidSessionTimeout);
    let patient = JoinGroup { session_timeout: Duration::from_hours(1), ..join("g", None) };
    assert_eq!(refused(world.join_now(&patient)), ErrorCode::InvalidSessionTimeout);
    let mute = JoinGroup { protocols: vec![], ..join("g", None) };
    assert_eq!(refused(world.join_now(&mute)), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(refused(world.join_now(&join("g", Some(&"who".into())))), ErrorCode::UnknownMemberId);
    let vast = JoinGroup { client_host: "h".repeat(40_000).into(), ..join("g", None) };
    assert_eq!(refused(world.join_now(&vast)), ErrorCode::InvalidRequest);
    assert_eq!(world.shard.len(), 0, "none of them leaves a group behind");

    world.stable("g");
    assert_eq!(refused(world.join_now(&join("g", Some(&"who".into())))), ErrorCode::UnknownMemberId);
    let mut other = join("g", None);
    other.protocol_type = "connect".into();
    assert_eq!(refused(world.join_now(&other)), ErrorCode::InconsistentGroupProtocol);
    let mut other = join("g", None);
    other.protocols[0].name = "sticky".into();
    assert_eq!(refused(world.join_now(&other)), ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_full_group_takes_nobody() {
    let mut world = World::new(GroupConfig { max_size: 1, ..GroupConfig::default() });
    let joined = world.stable("g");
    assert_eq!(refused(world.join_now(&join("g", None))), ErrorCode::GroupMaxSizeReached);
    world.heartbeat(&heartbeat("g", &joined)).unwrap();
}

#[test]
fn a_first_join_is_sent_back_for_its_name() {
    let mut world = World::new(GroupConfig::default());
    let request = JoinGroup { requires_known_member: true, ..join("g", None) };
    let refused = world.join_now(&request).unwrap_err();
    assert_eq!(refused.error.code, ErrorCode::MemberIdRequired);
    let name = refused.member.unwrap();
    assert_eq!(world.join_now(&join("g", Some(&name))).unwrap().member, name);
    // A static member has a name already.
    let request = JoinGroup { requires_known_member: true, ..static_join("h", "node") };
    world.join_now(&request).unwrap();
    // A name that nobody uses lapses, and nothing is left of the group that was made for it.
    let name = world.join_now(&JoinGroup { requires_known_member: true, ..join("i", None) }).unwrap_err().member;
    world.pass(SESSION);
    assert_eq!(world.shard.len(), 2);
    assert_eq!(world.join_now(&join("i", name.as_ref())).unwrap_err().error.code, ErrorCode::UnknownMemberId);
    // One that leaves before it has joined may do so.
    let name = world.join_now(&JoinGroup { requires_known_member: true, ..join("i", None) }).unwrap_err().member;
    world.leave(&leaving("i", name.as_ref(), None)).unwrap();
    assert_eq!(world.shard.len(), 2);
}

#[test]
fn heartbeats_and_syncs_of_strangers_and_of_the_past() {
    let mut world = World::new(GroupConfig::default());
    let stranger = JoinedGroup {
        generation: Generation(1),
        protocol_type: CONSUMER.into(),
        protocol: "range".into(),
        leader: "who".into(),
        member: "who".into(),
        skip_assignment: false,
        members: vec![],
    };
    assert_eq!(code(world.heartbeat(&heartbeat("g", &stranger))), ErrorCode::UnknownMemberId);
    assert_eq!(code(world.sync_now(&sync("g", &stranger, &[]))), ErrorCode::UnknownMemberId);
    assert_eq!(code(world.leave(&leaving("g", Some(&stranger.member), None))), ErrorCode::UnknownMemberId);

    let (one, two) = world.stable_pair("g");
    assert_eq!(code(world.heartbeat(&heartbeat("g", &stranger))), ErrorCode::UnknownMemberId);
    let old = JoinedGroup { generation: Generation(one.generation.0 - 1), ..one.clone() };
    assert_eq!(code(world.heartbeat(&heartbeat("g", &old))), ErrorCode::IllegalGeneration);
    assert_eq!(code(world.sync_now(&sync("g", &old, &[]))), ErrorCode::IllegalGeneration);
    let other = SyncGroup { protocol: Some("sticky".into()), ..sync("g", &one, &[]) };
    assert_eq!(code(world.sync_now(&other)), ErrorCode::InconsistentGroupProtocol);
    let other = SyncGroup { protocol_type: Some("connect".into()), ..sync("g", &one, &[]) };
    assert_eq!(code(world.sync_now(&other)), ErrorCode::InconsistentGroupProtocol);

    world.leave(&leaving("g", Some(&two.member), None)).unwrap();
    assert_eq!(world.state("g"), GroupState::PreparingRebalance);
    assert_eq!(code(world.heartbeat(&heartbeat("g", &one))), ErrorCode::RebalanceInProgress);
    assert_eq!(code(world.sync_now(&sync("g", &one, &[]))), ErrorCode::RebalanceInProgress);
    assert_eq!(code(world.leave(&leaving("g", Some(&two.member), None))), ErrorCode::UnknownMemberId);
}

#[test]
fn shares_too_large_to_store_are_refused_and_divided_again() {
    let mut world = World::new(GroupConfig::default());
    let joined = world.join_now(&join("g", None)).unwrap();
    let mut request = sync("g", &joined, &[]);
    request.assignments = vec![(joined.member.clone(), vec![0; 200_000].into())];
    assert_eq!(code(world.sync_now(&request)), ErrorCode::UnknownServerError);
    assert_eq!(world.state("g"), GroupState::PreparingRebalance);
    assert!(world.log.is_empty());
    let again = world.join_now(&join("g", Some(&joined.member))).unwrap();
    assert!(again.generation > joined.generation);
    world.sync_now(&sync("g", &again, &[(&again.member, "small")])).unwrap();
}

#[test]
fn groups_are_described_listed_and_deleted() {
    let mut world = World::new(GroupConfig::default());
    let (one, _) = world.stable_pair("b");
    world.commit(&commit("a", None, 0, 7)).unwrap();
    let described = world.shard.describe(&"b".into());
    assert_eq!(
        (described.state, &*described.protocol, &*described.protocol_type),
        (GroupState::Stable, "range", "consumer")
    );
    assert_eq!(described.members.len(), 2);
    let leader = described.members.iter().find(|member| member.member == one.member).unwrap();
    assert_eq!((&leader.assignment[..], &*leader.client_host), (&b"one"[..], "/127.0.0.1"));
    assert_eq!(Subscription::decode(&leader.metadata).unwrap().topics, [topic("emails")]);
    assert_eq!(world.state("none"), GroupState::Dead);

    let names = |states: &[GroupState]| {
        let listed = world.shard.list(&ListGroups { states: states.to_vec() });
        listed.iter().map(|group| group.group.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["a", "b"]);
    assert_eq!(names(&[GroupState::Empty]), ["a"]);
    assert_eq!(names(&["stable".parse().unwrap()]), ["b"]);
    assert_eq!(names(&[GroupState::Dead]), [""; 0]);

    let delete = |world: &mut World, group: &str| world.act(|shard, _, effects| shard.delete(&group.into(), effects));
    assert_eq!(code(delete(&mut world, "b")), ErrorCode::NonEmptyGroup);
    assert_eq!(code(delete(&mut world, "none")), ErrorCode::GroupIdNotFound);
    delete(&mut world, "a").unwrap();
    assert_eq!(world.state("a"), GroupState::Dead);
    assert_eq!(world.replayed(&world.log).state("a"), GroupState::Dead);
}
