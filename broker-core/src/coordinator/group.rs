//! One group: Kafka's classic protocol as a state machine without clock or I/O.
//!
//! ```text
//!            first join                 all joined, or time is up          leader's sync
//!  ┌───────┐ ─────────► ┌───────────────────┐ ─────────► ┌──────────────────┐ ────────► ┌────────┐
//!  │ Empty │            │PreparingRebalance │            │CompletingRebalance│          │ Stable │
//!  └───────┘ ◄───────── └───────────────────┘ ◄───────── └──────────────────┘           └────────┘
//!             nobody came          ▲            join, leave, no sync in time                │
//!                                  └────────────────────────────────────────────────────────┘
//!                                             join, leave, session time-out
//! ```
//!
//! `Dead` is a group that is not there. Each call takes what happened and the time, changes the state,
//! and adds records to append and answers to who waits. The state is ahead of the log by what
//! it has not yet appended: a caller whose append fails throws the group away and replays.
//!
//! Sources: Kafka's `GroupCoordinator.scala` and `ClassicGroup.java`; KIP-62 (time-outs), KIP-134
//! (initial delay), KIP-345 (static members), KIP-394 (member id required), KIP-211 (retention),
//! KIP-496 (OffsetDelete), KIP-814 (static leaders).

mod context;
mod describe;
mod join;
mod leave;
mod load;
mod member;
mod offsets;
mod protocols;
mod rebalance;
mod statics;
mod store;
mod sync;
mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use context::{Context, Effects, Reply, ReplyTo, Write};
pub(crate) use describe::dead;
pub(crate) use member::Member;

use crate::api::group::{Generation, GroupId, GroupState, InstanceId, MemberId, OffsetValue};
use crate::api::{Error, ErrorCode};
use crate::env::Moment;
use crate::ids::{TopicName, TopicPartition};

/// A group's whole state.
#[derive(Debug)]
pub(crate) struct Group {
    id: GroupId,
    state: GroupState,
    /// Since when, by the wall clock: the base of retention, stored with the group.
    state_since_ms: i64,
    generation: Generation,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    statics: BTreeMap<InstanceId, MemberId>,
    /// Names that were given out by `MEMBER_ID_REQUIRED` and not yet used, and when they lapse.
    pending: BTreeMap<MemberId, Moment>,
    /// While `PreparingRebalance`.
    joining: Option<JoinPhase>,
    /// Until when all members must have synced, once all have joined.
    sync_deadline: Option<Moment>,
    /// The topics of the last generation's members; `None` if the coordinator cannot tell.
    subscribed: Option<BTreeSet<TopicName>>,
    offsets: BTreeMap<TopicPartition, OffsetValue>,
    /// The group's last record as it is in the log: what a snapshot writes anew.
    stored: Option<Bytes>,
    /// The moment at which the shard's timers will call [`Group::tick`].
    pub(crate) armed: Option<Moment>,
}

/// The wait for members to join.
#[derive(Clone, Copy, Debug)]
struct JoinPhase {
    /// When it ends with those who have come.
    deadline: Moment,
    /// For the first members of an empty group: the wait may be prolonged up to here while more come
    /// (KIP-134), and does not end early.
    initial_until: Option<Moment>,
    /// Whether someone came since the deadline was last set.
    grown: bool,
}

impl Group {
    pub(crate) fn new(id: GroupId, wall_ms: i64) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            state_since_ms: wall_ms,
            generation: Generation::ZERO,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            joining: None,
            sync_deadline: None,
            subscribed: None,
            offsets: BTreeMap::new(),
            stored: None,
            armed: None,
        }
    }

    pub(crate) const fn state(&self) -> GroupState {
        self.state
    }

    /// Whether nothing of it would be missed: it is in no record, and nobody is in it or on the way.
    pub(crate) fn is_vacant(&self) -> bool {
        self.state == GroupState::Empty && self.pending.is_empty() && self.offsets.is_empty() && self.stored.is_none()
    }

    fn transition(&mut self, state: GroupState, cx: &Context<'_>) {
        self.state = state;
        self.state_since_ms = cx.wall_ms;
    }

    /// Kafka's check of who a request says it is from.
    fn check_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> Result<(), Error> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => {
                    return Err(Error::new(
                        ErrorCode::UnknownMemberId,
                        format!("group {} has no static member {instance}: join it again", self.id),
                    ));
                }
                Some(current) if current != member && !crate::planted::is_planted("static-member-not-fenced") => {
                    return Err(Error::new(
                        ErrorCode::FencedInstanceId,
                        format!(
                            "static member {instance} of group {} is now {current}, not {member}: another process \
                             runs under the same group.instance.id",
                            self.id
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(member)
            || (instance.is_some() && crate::planted::is_planted("static-member-not-fenced"))
        {
            Ok(())
        } else {
            Err(Error::new(
                ErrorCode::UnknownMemberId,
                format!("group {} has no member {member}: join it again", self.id),
            ))
        }
    }

    fn check_generation(&self, generation: Generation) -> Result<(), Error> {
        if generation == self.generation {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::IllegalGeneration,
            format!("group {} is in generation {}, not {generation}: rejoin", self.id, self.generation),
        ))
    }

    fn rebalancing(&self) -> Error {
        Error::new(ErrorCode::RebalanceInProgress, format!("group {} is rebalancing: rejoin", self.id))
    }

    /// The longest that a rebalance waits for a member.
    fn rebalance_timeout(&self) -> std::time::Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }
}

/// What a request to a group that is not there is answered.
pub(crate) fn unknown_member(group: &GroupId) -> Error {
    Error::new(ErrorCode::UnknownMemberId, format!("group {group} has no members: join it again"))
}
