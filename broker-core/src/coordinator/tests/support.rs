//! A shard with a clock and a log of its own, and short ways to speak to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::api::group::*;
use crate::api::{Error, ErrorCode};
use crate::config::GroupConfig;
use crate::coordinator::group::{Context, Effects, Reply, ReplyTo, Write};
use crate::coordinator::shard::Shard;
use crate::env::Moment;
use crate::ids::{Offset, TopicName, TopicPartition};

pub(super) const SESSION: Duration = Duration::from_secs(10);
pub(super) const REBALANCE: Duration = Duration::from_secs(30);

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(super) fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(topic("emails"), number)
}

pub(super) fn join(group: &str, member: Option<&MemberId>) -> JoinGroup {
    let metadata = Subscription::to(vec![topic("emails")]).encode().unwrap();
    JoinGroup {
        group: group.into(),
        member: member.cloned(),
        instance: None,
        client_id: "app".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: CONSUMER.into(),
        protocols: vec![GroupProtocol { name: "range".into(), metadata }],
        requires_known_member: false,
        can_skip_assignment: false,
    }
}

pub(super) fn static_join(group: &str, instance: &str) -> JoinGroup {
    JoinGroup { instance: Some(instance.into()), ..join(group, None) }
}

pub(super) fn sync(group: &str, joined: &JoinedGroup, assignments: &[(&MemberId, &'static str)]) -> SyncGroup {
    SyncGroup {
        group: group.into(),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
        protocol_type: Some(CONSUMER.into()),
        protocol: Some("range".into()),
        assignments: assignments
            .iter()
            .map(|(id, share)| ((*id).clone(), Bytes::from_static(share.as_bytes())))
            .collect(),
    }
}

pub(super) fn heartbeat(group: &str, joined: &JoinedGroup) -> Heartbeat {
    let (generation, member) = (joined.generation, joined.member.clone());
    Heartbeat { group: group.into(), generation, member, instance: None }
}

pub(super) fn commit(group: &str, by: Option<&JoinedGroup>, number: i32, offset: i64) -> OffsetCommit {
    OffsetCommit {
        group: group.into(),
        generation: by.map_or(Generation::NONE, |joined| joined.generation),
        member: by.map(|joined| joined.member.clone()),
        instance: None,
        partitions: vec![OffsetCommitPartition {
            partition: partition(number),
            offset: Offset(offset),
            leader_epoch: None,
            metadata: "".into(),
        }],
    }
}

pub(super) fn leaving(group: &str, member: Option<&MemberId>, instance: Option<&str>) -> LeaveGroup {
    let member = LeavingMember { member: member.cloned(), instance: instance.map(InstanceId::from) };
    LeaveGroup { group: group.into(), members: vec![member] }
}

pub(super) fn fetch_all(group: &str) -> OffsetFetch {
    OffsetFetch { group: group.into(), wanted: OffsetsWanted::All, require_stable: false }
}

pub(super) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    result.unwrap_err().code
}

/// A shard in a world.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) shard: Shard,
    pub(super) config: GroupConfig,
    pub(super) now: Duration,
    pub(super) log: Vec<Write>,
    pub(super) replies: BTreeMap<u64, Reply>,
    next: u64,
}

impl World {
    pub(super) fn new(config: GroupConfig) -> Self {
        let mut world = Self { config, ..Self::default() };
        world.act(|shard, cx, effects| shard.resume(cx, effects));
        world
    }

    pub(super) fn act<T>(&mut self, act: impl FnOnce(&mut Shard, &Context<'_>, &mut Effects) -> T) -> T {
        let cx = Context {
            config: &self.config,
            max_record_bytes: 100_000,
            now: Moment(self.now),
            wall_ms: 1_700_000_000_000 + i64::try_from(self.now.as_millis()).unwrap(),
        };
        let mut effects = Effects::default();
        let answer = act(&mut self.shard, &cx, &mut effects);
        self.shard.appended(effects.records.len());
        self.log.extend(effects.records);
        for (ReplyTo(to), reply) in effects.replies {
            assert!(self.replies.insert(to, reply).is_none(), "answered twice");
        }
        answer
    }

    /// Asks to join; the answer comes under the number.
    pub(super) fn ask_join(&mut self, request: &JoinGroup) -> u64 {
        self.next += 1;
        let to = self.next;
        let unique = uuid::Uuid::from_u128(to.into());
        self.act(|shard, cx, effects| shard.join(cx, request, unique, ReplyTo(to), effects));
        to
    }

    pub(super) fn ask_sync(&mut self, request: &SyncGroup) -> u64 {
        self.next += 1;
        let to = self.next;
        self.act(|shard, cx, effects| shard.sync(cx, request, ReplyTo(to), effects));
        to
    }

    pub(super) fn joined(&mut self, to: u64) -> Option<Result<JoinedGroup, JoinRefused>> {
        self.replies.remove(&to).map(|reply| match reply {
            Reply::Join(result) => result,
            Reply::Sync(_) => panic!("a sync's answer to a join"),
        })
    }

    pub(super) fn synced(&mut self, to: u64) -> Option<Result<SyncedGroup, Error>> {
        self.replies.remove(&to).map(|reply| match reply {
            Reply::Sync(result) => result,
            Reply::Join(_) => panic!("a join's answer to a sync"),
        })
    }

    pub(super) fn join_now(&mut self, request: &JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        let to = self.ask_join(request);
        self.joined(to).expect("an answer at once")
    }

    pub(super) fn sync_now(&mut self, request: &SyncGroup) -> Result<SyncedGroup, Error> {
        let to = self.ask_sync(request);
        self.synced(to).expect("an answer at once")
    }

    pub(super) fn heartbeat(&mut self, request: &Heartbeat) -> Result<(), Error> {
        self.act(|shard, cx, effects| shard.heartbeat(cx, request, effects))
    }

    pub(super) fn commit(&mut self, request: &OffsetCommit) -> Result<Vec<Result<(), Error>>, Error> {
        self.act(|shard, cx, effects| shard.commit(cx, request, effects))
    }

    pub(super) fn leave(&mut self, request: &LeaveGroup) -> Result<(), Error> {
        self.act(|shard, cx, effects| shard.leave(cx, request, effects)).remove(0).result
    }

    pub(super) fn delete_offsets(&mut self, group: &str, number: i32) -> Result<Vec<Result<(), Error>>, Error> {
        let request = OffsetDelete { group: group.into(), partitions: vec![partition(number)] };
        self.act(|shard, _, effects| shard.delete_offsets(&request, effects))
    }

    pub(super) fn state(&self, group: &str) -> GroupState {
        self.shard.describe(&group.into()).state
    }

    /// Lets time pass; what is due on the way happens at its moment.
    pub(super) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(Moment(at)) = self.shard.deadline().filter(|at| at.0 <= until) {
            self.now = self.now.max(at);
            self.act(|shard, cx, effects| shard.tick(cx, effects));
        }
        self.now = until;
    }

    /// A member alone in its group, with the share `all`.
    pub(super) fn stable(&mut self, group: &str) -> JoinedGroup {
        let joined = self.join_now(&join(group, None)).unwrap();
        let share = self.sync_now(&sync(group, &joined, &[(&joined.member, "all")])).unwrap();
        assert_eq!(share.assignment, "all");
        joined
    }

    /// Two members, the first of which leads, with shares `one` and `two`.
    pub(super) fn stable_pair(&mut self, group: &str) -> (JoinedGroup, JoinedGroup) {
        let first = self.stable(group);
        let two = self.ask_join(&join(group, None));
        let one = self.ask_join(&join(group, Some(&first.member)));
        let (one, two) = (self.joined(one).unwrap().unwrap(), self.joined(two).unwrap().unwrap());
        assert_eq!(one.leader, one.member);
        let waits = self.ask_sync(&sync(group, &two, &[]));
        assert_eq!(self.synced(waits), None);
        let shares = [(&one.member, "one"), (&two.member, "two")];
        assert_eq!(self.sync_now(&sync(group, &one, &shares)).unwrap().assignment, "one");
        assert_eq!(self.synced(waits).unwrap().unwrap().assignment, "two");
        (one, two)
    }

    /// What another coordinator would make of the log.
    pub(super) fn replayed(&self, log: &[Write]) -> Self {
        let mut other = Self { config: self.config, now: self.now, ..Self::default() };
        other.act(|shard, cx, effects| {
            for write in log {
                shard.replay(cx, &write.key.encode().unwrap(), write.value.as_ref()).unwrap();
            }
            shard.resume(cx, effects);
        });
        assert!(other.log.is_empty());
        other.log = log.to_vec();
        other
    }
}
