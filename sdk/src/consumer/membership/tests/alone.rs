use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    Assignment, Generation, GroupMember, JoinRefused, JoinedGroup, MemberId, Subscription, SyncedGroup,
};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::env::Moment;
use ottla_broker_core::{TopicName, TopicPartition};

use super::super::*;
use crate::consumer::assignor::divide::grouped;
use crate::consumer::assignor::{CooperativeSticky, RebalanceProtocol, TopicCounts, divide};

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn partitions(numbers: &[i32]) -> Vec<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new(topic("t"), *number)).collect()
}

fn config() -> Config {
    Config { session_timeout: Duration::from_secs(10), retry_backoff: Duration::ZERO, ..Config::default() }
}

/// Answers whatever the commands ask for until the member is stable with `share`.
fn answer(
    member: &mut Member,
    now: Moment,
    mut commands: Vec<Command>,
    generation: i32,
    share: &[i32],
) -> Vec<Command> {
    let mut seen = Vec::new();
    while !commands.is_empty() {
        let events: Vec<Event> = commands
            .iter()
            .filter_map(|command| match command {
                Command::FindCoordinator(request) => Some(Event::Found(*request, Ok(()))),
                Command::Join { request, member: None, .. } => Some(Event::Joined(
                    *request,
                    Err(JoinRefused { error: ErrorCode::MemberIdRequired.into(), member: Some(MemberId::from("me")) }),
                )),
                Command::Join { request, member: Some(name), .. } => {
                    Some(Event::Joined(*request, Ok(joined(generation, name.as_str()))))
                }
                Command::Sync { request, .. } => Some(Event::Synced(*request, Ok(synced(share)))),
                _ => None,
            })
            .collect();
        seen.append(&mut commands);
        for event in events {
            commands.extend(member.handle(now, event));
        }
    }
    seen
}

/// The answer to a follower's join.
fn joined(generation: i32, member: &str) -> JoinedGroup {
    JoinedGroup {
        generation: Generation(generation),
        protocol_type: "consumer".into(),
        protocol: "cooperative-sticky".into(),
        leader: MemberId::from("other"),
        member: MemberId::from(member),
        skip_assignment: false,
        members: Vec::new(),
    }
}

fn synced(share: &[i32]) -> SyncedGroup {
    let assignment = Assignment { partitions: grouped(&partitions(share)), user_data: None }.encode().unwrap();
    SyncedGroup { protocol_type: "consumer".into(), protocol: "cooperative-sticky".into(), assignment }
}

fn stable(config: Config, share: &[i32]) -> Member {
    let mut member = Member::new(config, at(0));
    let commands = member.handle(at(0), Event::Subscribe(vec![topic("t")]));
    let seen = answer(&mut member, at(0), commands, 1, share);
    assert!(matches!(seen.last(), Some(Command::Assign { added, .. }) if *added == partitions(share)));
    member
}

fn heartbeat(member: &mut Member, now: Moment) -> RequestNumber {
    match member.handle(now, Event::Tick).as_slice() {
        [Command::Heartbeat { request, .. }] => *request,
        other => panic!("{other:?}"),
    }
}

fn lost(commands: &[Command]) -> Vec<TopicPartition> {
    commands
        .iter()
        .filter_map(|c| if let Command::Lost(lost) = c { Some(lost.clone()) } else { None })
        .flatten()
        .collect()
}

fn joins(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::Join { .. }))
}

#[test]
fn a_fenced_member_loses_all_at_once_and_rejoins_with_nothing() {
    for (code, name) in [(ErrorCode::UnknownMemberId, None), (ErrorCode::IllegalGeneration, Some(MemberId::from("me")))]
    {
        let mut member = stable(config(), &[0, 1]);
        let request = heartbeat(&mut member, at(3));
        let mut commands = member.handle(at(4), Event::Heartbeat(request, Err(code.into())));
        commands.extend(member.handle(at(5), Event::Tick));
        assert_eq!(lost(&commands), partitions(&[0, 1]), "{code}");
        let joined = commands.iter().find_map(|command| match command {
            Command::Join { member, subscription, .. } => Some((member.clone(), subscription.clone())),
            _ => None,
        });
        let (member_id, subscription) = joined.unwrap();
        assert_eq!(member_id, name);
        assert!(subscription.owned.is_empty() && subscription.generation == Generation::NONE);
        assert_eq!(member.identity().generation, Generation::NONE, "commits of the old generation are over");
        let stale = member.handle(at(5), Event::Heartbeat(request, Err(code.into())));
        assert!(stale.is_empty(), "a late answer changes nothing: {stale:?}");
    }
}

#[test]
fn errors_that_no_retry_mends_are_fatal() {
    for code in [
        ErrorCode::FencedInstanceId,
        ErrorCode::GroupAuthorizationFailed,
        ErrorCode::InconsistentGroupProtocol,
        ErrorCode::InvalidSessionTimeout,
        ErrorCode::GroupMaxSizeReached,
        ErrorCode::InvalidGroupId,
    ] {
        let mut member = Member::new(config(), at(0));
        let found = member.handle(at(0), Event::Subscribe(vec![topic("t")]));
        let [Command::FindCoordinator(request)] = found.as_slice() else { panic!("{found:?}") };
        let joins = member.handle(at(0), Event::Found(*request, Ok(())));
        let [Command::Join { request, .. }] = joins.as_slice() else { panic!("{joins:?}") };
        let refused = JoinRefused { error: Error::new(code, "no"), member: None };
        let commands = member.handle(at(0), Event::Joined(*request, Err(refused)));
        assert!(matches!(commands.as_slice(), [Command::Report(trouble)] if trouble.is_fatal()), "{commands:?}");
        assert_eq!(member.deadline(), None);
        assert_eq!(member.handle(at(9), Event::Leave), [Command::Closed]);
    }
}

#[test]
fn errors_that_pass_are_waited_out_and_keep_what_is_owned() {
    for code in [ErrorCode::NotCoordinator, ErrorCode::CoordinatorNotAvailable, ErrorCode::NetworkException] {
        let mut member = stable(config(), &[0]);
        let request = heartbeat(&mut member, at(3));
        let commands = member.handle(at(3), Event::Heartbeat(request, Err(code.into())));
        let [Command::FindCoordinator(request)] = commands.as_slice() else { panic!("{commands:?}") };
        assert!(member.handle(at(4), Event::Found(*request, Ok(()))).is_empty());
        assert!(matches!(member.handle(at(6), Event::Tick).as_slice(), [Command::Heartbeat { .. }]));
        assert_eq!(member.owned().len(), 1);
    }
}

#[test]
fn a_silent_coordinator_ends_ownership_before_the_session_does() {
    let mut member = stable(config(), &[0]);
    let request = heartbeat(&mut member, at(3));
    assert!(member.handle(at(4), Event::Heartbeat(request, Ok(()))).is_empty());
    let _ = heartbeat(&mut member, at(6));
    assert_eq!(member.deadline(), Some(at(10)), "sent at 3, a session of 10, less one interval of 3");
    assert_eq!(lost(&member.handle(at(9), Event::Tick)), []);
    assert_eq!(lost(&member.handle(at(10), Event::Tick)), partitions(&[0]));
    let patient = Config { hold_through_silence: true, ..config() };
    let mut member = stable(patient, &[0]);
    let _ = heartbeat(&mut member, at(3));
    assert_eq!(lost(&member.handle(at(60), Event::Tick)), []);
}

#[test]
fn cooperative_members_give_up_only_what_moved_and_then_rejoin() {
    let mut member = stable(config(), &[0, 1]);
    let request = heartbeat(&mut member, at(3));
    let commands = member.handle(at(3), Event::Heartbeat(request, Err(ErrorCode::RebalanceInProgress.into())));
    assert!(joins(&commands), "nothing is given up before: {commands:?}");
    let seen = answer(&mut member, at(3), commands, 2, &[1, 2]);
    let Some(Command::Revoke { request, partitions: given_up }) = seen.last() else { panic!("{seen:?}") };
    assert_eq!(*given_up, partitions(&[0]));
    assert_eq!(member.owned().len(), 2, "until the listener is done");
    let beats = member.handle(at(6), Event::Tick);
    assert!(matches!(beats.as_slice(), [Command::Heartbeat { .. }]), "the member stays alive meanwhile");
    let commands = member.handle(at(7), Event::Revoked(*request));
    assert!(matches!(commands.first(), Some(Command::Assign { added, .. }) if *added == partitions(&[2])));
    assert!(joins(&commands));
}

#[test]
fn eager_members_give_up_all_before_they_join() {
    let mut member = stable(Config { protocol: RebalanceProtocol::Eager, ..config() }, &[0, 1]);
    let commands = member.handle(at(1), Event::Subscribe(vec![topic("t"), topic("u")]));
    let [Command::Revoke { request, partitions: given_up }] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(*given_up, partitions(&[0, 1]));
    assert!(joins(&member.handle(at(2), Event::Revoked(*request))));
}

#[test]
fn a_listener_that_hangs_does_not_hold_the_group() {
    let mut member = stable(Config { revoke_timeout: Duration::from_secs(5), ..config() }, &[0]);
    let commands = member.handle(at(1), Event::Subscribe(vec![topic("u")]));
    let [Command::Revoke { request, .. }] = commands.as_slice() else { panic!("{commands:?}") };
    let commands = member.handle(at(6), Event::Tick);
    assert_eq!(lost(&commands), partitions(&[0]));
    assert!(joins(&commands));
    assert!(member.handle(at(7), Event::Revoked(*request)).is_empty());
}

#[test]
fn a_busy_application_leaves_is_told_and_rejoins_with_the_poll_after() {
    for instance in [None, Some("static".into())] {
        let config = Config {
            instance: instance.clone(),
            max_poll_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(60),
            ..config()
        };
        let mut member = stable(config, &[0]);
        assert!(member.handle(at(1), Event::PollBegan).is_empty());
        let _ = heartbeat(&mut member, at(20));
        assert!(member.handle(at(30), Event::PollEnded).is_empty(), "waiting for messages is not being busy");
        let commands = member.handle(at(35), Event::Tick);
        assert_eq!(lost(&commands), partitions(&[0]));
        let leaves = commands.iter().any(|command| matches!(command, Command::Leave { .. }));
        assert_eq!(leaves, instance.is_none(), "a static member is expected back");
        assert!(matches!(commands.last(), Some(Command::Report(Trouble::PollInterval { .. }))));
        assert_eq!(member.deadline(), None);
        assert!(member.handle(at(40), Event::PollBegan).is_empty(), "this poll yields the error");
        assert!(member.handle(at(40), Event::PollEnded).is_empty());
        assert!(joins(&member.handle(at(41), Event::PollBegan)));
    }
}

#[test]
fn closing_revokes_commits_and_leaves() {
    for (instance, leaves) in [(None, true), (Some("static".into()), false)] {
        let mut member = stable(Config { instance, ..config() }, &[0]);
        let commands = member.handle(at(1), Event::Leave);
        let [Command::Revoke { request, .. }] = commands.as_slice() else { panic!("{commands:?}") };
        let commands = member.handle(at(1), Event::Revoked(*request));
        assert_eq!(commands.len(), 1 + usize::from(leaves), "{commands:?}");
        assert_eq!(commands.last(), Some(&Command::Closed));
        assert!(member.handle(at(9), Event::Tick).is_empty());
    }
}

#[test]
fn a_refused_commit_tells_of_the_membership() {
    let mut member = stable(config(), &[0]);
    let refused = |generation, code| Event::CommitRefused { generation: Generation(generation), code };
    assert!(member.handle(at(1), refused(0, ErrorCode::IllegalGeneration)).is_empty(), "of an older generation");
    assert!(member.handle(at(1), refused(1, ErrorCode::OffsetMetadataTooLarge)).is_empty());
    assert_eq!(lost(&member.handle(at(1), refused(1, ErrorCode::UnknownMemberId))), partitions(&[0]));
}

#[test]
fn a_commit_that_the_next_generation_overtook_fences_nobody() {
    let mut member = stable(config(), &[0]);
    let request = heartbeat(&mut member, at(3));
    let commands = member.handle(at(3), Event::Heartbeat(request, Err(ErrorCode::RebalanceInProgress.into())));
    assert!(joins(&commands), "{commands:?}");
    // The group is in generation 2 by now, and the join's answer on its way.
    let late = Event::CommitRefused { generation: Generation(1), code: ErrorCode::IllegalGeneration };
    assert!(member.handle(at(3), late).is_empty());
    let seen = answer(&mut member, at(4), commands, 2, &[0]);
    assert_eq!(lost(&seen), []);
    assert_eq!(member.owned().iter().cloned().collect::<Vec<_>>(), partitions(&[0]));
}

#[test]
fn an_assignment_that_cannot_be_read_is_an_error() {
    let mut member = Member::new(config(), at(0));
    let commands = member.handle(at(0), Event::Subscribe(vec![topic("t")]));
    let seen = answer(&mut member, at(0), commands, 1, &[]);
    assert!(matches!(seen.last(), Some(Command::Assign { .. })));
    let request = heartbeat(&mut member, at(3));
    let mut commands = member.handle(at(3), Event::Heartbeat(request, Err(ErrorCode::RebalanceInProgress.into())));
    let Some(Command::Join { request, .. }) = commands.pop() else { panic!() };
    let mut commands = member.handle(at(3), Event::Joined(request, Ok(joined(2, "me"))));
    let Some(Command::Sync { request, .. }) = commands.pop() else { panic!() };
    let broken = SyncedGroup { assignment: Bytes::from_static(&[0]), ..synced(&[]) };
    let commands = member.handle(at(3), Event::Synced(request, Ok(broken)));
    assert!(commands.iter().any(|c| matches!(c, Command::Report(trouble) if trouble.is_fatal())), "{commands:?}");
}

/// A static member gave something up and crashed before it rejoined: who comes back in its place is told the share of
/// that generation, has nothing to give up, and yet others wait.
#[test]
fn a_static_member_that_comes_back_into_an_unfinished_rebalance_rejoins() {
    let member_of = |generation, owned: &[i32]| {
        let said = Subscription {
            owned: grouped(&partitions(owned)),
            generation: Generation(generation),
            ..Subscription::to(vec![topic("t")])
        };
        move |id: &str| GroupMember { member: id.into(), instance: None, metadata: said.encode().unwrap() }
    };
    let group = [member_of(1, &[0, 1, 2])("before"), member_of(-1, &[])("newcomer")];
    let division = divide(&CooperativeSticky, &group, &TopicCounts::from([(topic("t"), 3)])).unwrap();
    let shares: usize = division.shares.values().map(Vec::len).sum();
    assert_eq!(shares, 2, "one moves, and is withheld from both: {:?}", division.shares);
    let told = |place: usize| SyncedGroup { assignment: division.encoded[place].1.clone(), ..synced(&[]) };

    for (place, again) in [(0, true), (1, false)] {
        let mut member = Member::new(Config { instance: Some("static".into()), ..config() }, at(0));
        let mut commands = member.handle(at(0), Event::Subscribe(vec![topic("t")]));
        let request = loop {
            match commands.pop().unwrap() {
                Command::Sync { request, .. } => break request,
                Command::FindCoordinator(request) => {
                    commands = member.handle(at(0), Event::Found(request, Ok(())));
                }
                Command::Join { request, .. } => {
                    let joined = Event::Joined(request, Ok(joined(2, "me")));
                    commands = member.handle(at(0), joined);
                }
                other => panic!("{other:?}"),
            }
        };
        let commands = member.handle(at(0), Event::Synced(request, Ok(told(place))));
        assert!(
            matches!(&commands[0], Command::Assign { data: None, .. }),
            "the mark is not the assignor's: {commands:?}"
        );
        assert_eq!(joins(&commands), again, "{commands:?}");
        // It is over with the share of the next generation.
        let rest = answer(&mut member, at(1), commands, 3, &[0, 1]);
        assert_eq!(rest.iter().filter(|command| matches!(command, Command::Join { .. })).count(), usize::from(again));
    }
}
