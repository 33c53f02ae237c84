//! Static members (KIP-345, KIP-814).

use super::support::*;
use crate::api::ErrorCode;
use crate::api::group::*;
use crate::config::GroupConfig;

fn as_static(instance: &str, heartbeat: Heartbeat) -> Heartbeat {
    Heartbeat { instance: Some(instance.into()), ..heartbeat }
}

/// A static leader `node-a` with share `one`, and a static `node-b` with share `two`.
fn pair(world: &mut World) -> (JoinedGroup, JoinedGroup) {
    let a = world.join_now(&static_join("g", "node-a")).unwrap();
    let b = world.ask_join(&static_join("g", "node-b"));
    let a = world.join_now(&JoinGroup { member: Some(a.member), ..static_join("g", "node-a") }).unwrap();
    let b = world.joined(b).unwrap().unwrap();
    assert_eq!(a.members.iter().filter(|member| member.instance.is_some()).count(), 2);
    world.sync_now(&sync("g", &a, &[(&a.member, "one"), (&b.member, "two")])).unwrap();
    (a, b)
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_its_past() {
    let mut world = World::new(GroupConfig::default());
    let (a, b) = pair(&mut world);
    let b2 = world.join_now(&static_join("g", "node-b")).unwrap();
    assert_ne!(b2.member, b.member);
    assert_eq!(b2.generation, b.generation, "no rebalance");
    assert_eq!(world.state("g"), GroupState::Stable);
    let shares = SyncGroup { instance: Some("node-b".into()), ..sync("g", &b2, &[]) };
    assert_eq!(world.sync_now(&shares).unwrap().assignment, "two");
    // Whoever still runs under the old name learns that it is not alone.
    let fenced = ErrorCode::FencedInstanceId;
    assert_eq!(code(world.heartbeat(&as_static("node-b", heartbeat("g", &b)))), fenced);
    let old = SyncGroup { instance: Some("node-b".into()), ..sync("g", &b, &[]) };
    assert_eq!(code(world.sync_now(&old)), fenced);
    let old = OffsetCommit { instance: Some("node-b".into()), ..commit("g", Some(&b), 0, 1) };
    assert_eq!(code(world.commit(&old)), fenced);
    let old = JoinGroup { member: Some(b.member.clone()), ..static_join("g", "node-b") };
    assert_eq!(world.join_now(&old).unwrap_err().error.code, fenced);
    assert_eq!(code(world.leave(&leaving("g", Some(&b.member), Some("node-b")))), fenced);
    assert_eq!(code(world.heartbeat(&heartbeat("g", &b))), ErrorCode::UnknownMemberId);
    world.heartbeat(&as_static("node-b", heartbeat("g", &b2))).unwrap();
    world.heartbeat(&as_static("node-a", heartbeat("g", &a))).unwrap();
    // So does the next coordinator.
    let mut next = world.replayed(&world.log);
    assert_eq!(code(next.heartbeat(&as_static("node-b", heartbeat("g", &b)))), fenced);
    next.heartbeat(&as_static("node-b", heartbeat("g", &b2))).unwrap();
}

#[test]
fn a_static_leader_that_comes_back_does_not_divide_again() {
    let mut world = World::new(GroupConfig::default());
    let (a, _) = pair(&mut world);
    // A client of before KIP-814 is told its own old name, so that it takes itself for a follower.
    let old = world.join_now(&static_join("g", "node-a")).unwrap();
    assert_eq!((&old.leader, old.members.len()), (&a.member, 0));
    let new = world.join_now(&JoinGroup { can_skip_assignment: true, ..static_join("g", "node-a") }).unwrap();
    assert_eq!((&new.leader, new.members.len(), new.skip_assignment), (&new.member, 2, true));
    assert_eq!(world.state("g"), GroupState::Stable);
}

#[test]
fn other_topics_or_an_unfinished_rebalance_start_a_rebalance() {
    let mut world = World::new(GroupConfig::default());
    pair(&mut world);
    // Other owned partitions are no other wish.
    let mut back = static_join("g", "node-b");
    let owned = vec![TopicPartitions { topic: topic("emails"), partitions: vec![1] }];
    let wish = Subscription { owned, ..Subscription::to(vec![topic("emails")]) };
    back.protocols[0].metadata = wish.encode().unwrap();
    world.join_now(&back).unwrap();
    back.protocols[0].metadata = Subscription::to(vec![topic("orders")]).encode().unwrap();
    let waits = world.ask_join(&back);
    assert_eq!(world.state("g"), GroupState::PreparingRebalance);
    let a = world.statics_name("node-a");
    let a = world.join_now(&JoinGroup { member: Some(a), ..static_join("g", "node-a") }).unwrap();
    let b = world.joined(waits).unwrap().unwrap();
    assert_eq!(world.state("g"), GroupState::CompletingRebalance);
    // The leader was told a name that is gone by now.
    let synced = world.ask_sync(&SyncGroup { instance: Some("node-b".into()), ..sync("g", &b, &[]) });
    let waits = world.ask_join(&static_join("g", "node-b"));
    assert_eq!(code(world.synced(synced).unwrap()), ErrorCode::FencedInstanceId);
    assert_eq!(world.state("g"), GroupState::PreparingRebalance);
    assert_eq!(code(world.sync_now(&sync("g", &a, &[(&b.member, "two")]))), ErrorCode::RebalanceInProgress);
    assert_eq!(world.joined(waits), None);
}

#[test]
fn an_absent_static_member_keeps_its_place_until_its_session_ends() {
    let mut world = World::new(GroupConfig::default());
    let (a, _) = pair(&mut world);
    let mut session = join("g", None);
    session.session_timeout = SESSION;
    let waits = world.ask_join(&session);
    world.pass(SESSION / 2);
    let waits_too = world.ask_join(&JoinGroup { member: Some(a.member), ..static_join("g", "node-a") });
    world.pass(SESSION / 4);
    assert_eq!(world.joined(waits), None, "node-b has time yet");
    world.pass(SESSION / 2);
    assert_eq!(world.joined(waits_too).unwrap().unwrap().members.len(), 2);
    assert!(world.joined(waits).unwrap().is_ok());
}

#[test]
fn an_administrator_takes_a_static_member_out_by_its_instance() {
    let mut world = World::new(GroupConfig::default());
    pair(&mut world);
    assert_eq!(code(world.leave(&leaving("g", None, Some("node-x")))), ErrorCode::UnknownMemberId);
    assert_eq!(code(world.leave(&leaving("g", None, None))), ErrorCode::UnknownMemberId);
    world.leave(&leaving("g", None, Some("node-b"))).unwrap();
    assert_eq!(world.state("g"), GroupState::PreparingRebalance);
    assert_eq!(world.shard.describe(&"g".into()).members.len(), 1);
}

impl World {
    fn statics_name(&self, instance: &str) -> MemberId {
        let described = self.shard.describe(&"g".into());
        let found =
            described.members.iter().find(|m| m.instance.as_ref().is_some_and(|name| name.as_str() == instance));
        found.unwrap().member.clone()
    }
}
