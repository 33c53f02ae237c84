//! Who is in a group, and when it rebalances.

use std::time::Duration;

use super::support::*;
use crate::api::ErrorCode;
use crate::api::group::*;
use crate::config::GroupConfig;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_silent_member_is_gone_after_its_session_and_its_share_is_divided() {
    let mut world = World::new(GroupConfig::default());
    let (one, two) = world.stable_pair("g");
    for _ in 0..4 {
        world.pass(SESSION / 4);
        world.heartbeat(&heartbeat("g", &one)).ok();
    }
    assert_eq!(code(world.heartbeat(&heartbeat("g", &two))), ErrorCode::UnknownMemberId);
    assert_eq!(code(world.heartbeat(&heartbeat("g", &one))), ErrorCode::RebalanceInProgress);
    let alone = world.join_now(&join("g", Some(&one.member))).unwrap();
    assert_eq!(alone.members.len(), 1);
    assert_eq!(alone.generation, one.generation.next());
}

#[test]
fn who_waits_for_us_does_not_expire() {
    let mut world = World::new(GroupConfig::default());
    let first = world.stable("g");
    let waits = world.ask_join(&join("g", None));
    // The first keeps its session and does not rejoin until just before the rebalance's end.
    for _ in 0..29 {
        world.pass(SECOND);
        assert_eq!(code(world.heartbeat(&heartbeat("g", &first))), ErrorCode::RebalanceInProgress);
    }
    let first = world.join_now(&join("g", Some(&first.member))).unwrap();
    let second = world.joined(waits).unwrap().unwrap();
    assert_eq!(first.members.len(), 2);
    // The second waits for the leader's shares for longer than its session.
    let waits = world.ask_sync(&sync("g", &second, &[]));
    for _ in 0..25 {
        world.pass(SECOND);
        world.heartbeat(&heartbeat("g", &first)).unwrap();
    }
    world.sync_now(&sync("g", &first, &[(&second.member, "two")])).unwrap();
    assert_eq!(world.synced(waits).unwrap().unwrap().assignment, "two");
}

#[test]
fn a_rebalance_does_not_wait_for_ever() {
    let mut world = World::new(GroupConfig::default());
    let (one, two) = world.stable_pair("g");
    // The leader never comes back, but lives.
    let waits = world.ask_join(&JoinGroup { protocols: changed(), ..join("g", Some(&two.member)) });
    for _ in 0..30 {
        world.pass(SECOND);
        let _ = world.heartbeat(&heartbeat("g", &one));
    }
    let led = world.joined(waits).unwrap().unwrap();
    assert_eq!((led.leader.clone(), led.members.len()), (two.member, 1));
    assert_eq!(code(world.heartbeat(&heartbeat("g", &one))), ErrorCode::UnknownMemberId);
    // The new leader never brings shares, but lives: it goes when the time for that is over.
    for _ in 0..30 {
        assert_eq!(world.heartbeat(&heartbeat("g", &led)), Ok(()));
        world.pass(SECOND);
    }
    assert_eq!(code(world.heartbeat(&heartbeat("g", &led))), ErrorCode::UnknownMemberId);
    assert_eq!(world.state("g"), GroupState::Empty);
}

fn changed() -> Vec<GroupProtocol> {
    let metadata = Subscription::to(vec![topic("orders")]).encode().unwrap();
    vec![GroupProtocol { name: "range".into(), metadata }]
}

#[test]
fn a_first_join_that_waits_is_given_up_after_five_minutes() {
    let mut world = World::new(GroupConfig::default());
    let forever = JoinGroup { rebalance_timeout: Duration::from_hours(1), ..join("g", None) };
    let first = world.join_now(&forever).unwrap();
    world.sync_now(&sync("g", &first, &[])).unwrap();
    let waits = world.ask_join(&join("g", None));
    for _ in 0..300 {
        assert_eq!(world.joined(waits), None);
        world.pass(SECOND);
        let _ = world.heartbeat(&heartbeat("g", &first));
    }
    assert_eq!(world.joined(waits).unwrap().unwrap_err().error.code, ErrorCode::UnknownMemberId);
}

#[test]
fn an_empty_group_waits_for_more_members_before_its_first_generation() {
    let config = GroupConfig { initial_rebalance_delay: 3 * SECOND, ..GroupConfig::default() };
    let mut world = World::new(config);
    let one = world.ask_join(&join("g", None));
    world.pass(2 * SECOND);
    let two = world.ask_join(&join("g", None));
    world.pass(3 * SECOND);
    assert_eq!(world.joined(one), None, "the second has prolonged the wait");
    world.pass(SECOND);
    let (one, two) = (world.joined(one).unwrap().unwrap(), world.joined(two).unwrap().unwrap());
    assert_eq!((one.generation, two.generation), (Generation(1), Generation(1)));
    // It is never longer than the rebalance time-out.
    let mut last = world.ask_join(&join("h", None));
    let first = last;
    for _ in 0..14 {
        world.pass(2 * SECOND);
        last = world.ask_join(&join("h", None));
    }
    assert_eq!(world.joined(first), None);
    world.pass(2 * SECOND);
    assert!(world.joined(first).is_some() && world.joined(last).is_some());
}

#[test]
fn a_member_that_asks_again_gets_the_same_answer() {
    let mut world = World::new(GroupConfig::default());
    let (one, two) = world.stable_pair("g");
    // Its first answer was lost: the group stays as it is.
    let again = world.join_now(&join("g", Some(&two.member))).unwrap();
    assert_eq!(again.generation, two.generation);
    assert_eq!(world.sync_now(&sync("g", &again, &[])).unwrap().assignment, "two");
    // What the leader divides a second time is not taken: someone may work on the first division.
    let twice = [(&one.member, "both"), (&two.member, "none")];
    assert_eq!(world.sync_now(&sync("g", &one, &twice)).unwrap().assignment, "one");
    assert_eq!(world.sync_now(&sync("g", &two, &[])).unwrap().assignment, "two");
    // A leader that rejoins wants a new division, and whoever wants other topics too.
    let waits = world.ask_join(&join("g", Some(&one.member)));
    assert_eq!(world.joined(waits), None);
    let again = world.ask_join(&join("g", Some(&one.member)));
    assert_eq!(world.joined(waits).unwrap().unwrap_err().error.code, ErrorCode::RebalanceInProgress);
    let two = world.join_now(&JoinGroup { protocols: changed(), ..join("g", Some(&two.member)) }).unwrap();
    assert_eq!(world.joined(again).unwrap().unwrap().generation, two.generation);
    assert_eq!(two.generation, one.generation.next());
}

#[test]
fn the_protocol_that_most_want_and_all_have_wins() {
    let mut world = World::new(GroupConfig { initial_rebalance_delay: SECOND, ..GroupConfig::default() });
    let with = |names: &[&str]| {
        let of = |name: &&str| GroupProtocol { name: (*name).into(), metadata: name.as_bytes().to_vec().into() };
        JoinGroup { protocols: names.iter().map(of).collect(), ..join("g", None) }
    };
    let all = [with(&["only-a", "x", "y"]), with(&["y", "x"]), with(&["y", "only-c", "x"])];
    let asked: Vec<u64> = all.iter().map(|request| world.ask_join(request)).collect();
    let none = world.join_now(&with(&["only-a"])).unwrap_err();
    assert_eq!(none.error.code, ErrorCode::InconsistentGroupProtocol);
    world.pass(2 * SECOND);
    for to in asked {
        let joined = world.joined(to).unwrap().unwrap();
        assert_eq!(&*joined.protocol, "y");
        assert!(joined.members.iter().all(|member| member.metadata == "y"));
    }
}

#[test]
fn a_group_that_all_have_left_is_empty_in_a_new_generation() {
    let mut world = World::new(GroupConfig::default());
    let joined = world.stable("g");
    world.commit(&commit("g", Some(&joined), 0, 5)).unwrap();
    world.leave(&leaving("g", Some(&joined.member), None)).unwrap();
    assert_eq!(world.state("g"), GroupState::Empty);
    let described = world.shard.describe(&"g".into());
    assert_eq!(described.generation, joined.generation.next());
    let replayed = world.replayed(&world.log).shard.describe(&"g".into());
    assert_eq!((replayed.state, replayed.generation), (GroupState::Empty, described.generation));
}

#[test]
fn a_new_coordinator_goes_on_with_the_members_that_were_there() {
    let mut world = World::new(GroupConfig::default());
    let (one, two) = world.stable_pair("g");
    let mut next = world.replayed(&world.log);
    next.heartbeat(&heartbeat("g", &one)).unwrap();
    assert_eq!(next.sync_now(&sync("g", &two, &[])).unwrap().assignment, "two");
    next.commit(&commit("g", Some(&two), 0, 9)).unwrap();
    // Sessions start anew, and end.
    next.pass(SESSION / 2);
    next.heartbeat(&heartbeat("g", &one)).unwrap();
    next.pass(SESSION / 2);
    assert_eq!(code(next.heartbeat(&heartbeat("g", &two))), ErrorCode::UnknownMemberId);
}
