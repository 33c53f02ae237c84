//! What goes into the machine and what comes out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    Generation, GroupMember, JoinRefused, JoinedGroup, MemberId, Subscription, SyncedGroup,
};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::{TopicName, TopicPartition};

use crate::consumer::assignor::{Division, TopicCounts};

/// Ties an answer to its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestNumber(pub u64);

/// Who commits, and in which generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The member's name; `None` before the first join.
    pub member: Option<MemberId>,
    /// Its generation; [`Generation::NONE`] while it has none.
    pub generation: Generation,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The time passed.
    Tick,
    /// The topics that the application wants, all of them; none means to give everything up.
    Subscribe(Vec<TopicName>),
    /// How many partitions topics have now. Say it after each refresh of metadata, changed or not, with at
    /// least the topics of [`Member::watched`](super::Member::watched).
    Topics(TopicCounts),
    /// The application asked for the next message.
    PollBegan,
    /// The application got it (or an error) and is busy from now on.
    PollEnded,
    /// The coordinator was found, or not.
    Found(RequestNumber, Result<(), Error>),
    /// The join was answered.
    Joined(RequestNumber, Result<JoinedGroup, JoinRefused>),
    /// The leader's division is made, or not.
    Divided(RequestNumber, Result<Division, Error>),
    /// The sync was answered.
    Synced(RequestNumber, Result<SyncedGroup, Error>),
    /// The heartbeat was answered.
    Heartbeat(RequestNumber, Result<(), Error>),
    /// The listener is done with what was revoked, and what it had to commit is committed.
    Revoked(RequestNumber),
    /// A commit in the name of `generation` was refused.
    CommitRefused {
        /// Of the commit.
        generation: Generation,
        /// Why.
        code: ErrorCode,
    },
    /// The connection to the coordinator broke.
    CoordinatorLost,
    /// The consumer closes: give up everything in order, then leave.
    Leave,
}

/// What to do. Carry out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Look the coordinator up; answer [`Event::Found`].
    FindCoordinator(RequestNumber),
    /// Join; answer [`Event::Joined`]. Bounded by the rebalance time-out and some seconds. With
    /// `requires_known_member` set; encode with [`protocols`](crate::consumer::protocols).
    Join {
        /// To answer with.
        request: RequestNumber,
        /// The name to join under, if it has one.
        member: Option<MemberId>,
        /// What it wants and has.
        subscription: Subscription,
    },
    /// This member leads: get the metadata of all that `members` want, divide with the assignor named
    /// `protocol` ([`divide`](crate::consumer::divide)), answer [`Event::Divided`].
    Divide {
        /// To answer with.
        request: RequestNumber,
        /// The assignor's name.
        protocol: Arc<str>,
        /// The whole group.
        members: Vec<GroupMember>,
    },
    /// Sync; answer [`Event::Synced`].
    Sync {
        /// To answer with.
        request: RequestNumber,
        /// The name.
        member: MemberId,
        /// Of the join.
        generation: Generation,
        /// The protocol that was chosen.
        protocol: Arc<str>,
        /// Everybody's share, from the leader.
        assignments: Vec<(MemberId, Bytes)>,
    },
    /// Send a heartbeat; answer [`Event::Heartbeat`].
    Heartbeat {
        /// To answer with.
        request: RequestNumber,
        /// The name.
        member: MemberId,
        /// The generation.
        generation: Generation,
    },
    /// Tell the coordinator that the member goes. Nobody waits for the answer; bound the attempt.
    Leave {
        /// The name.
        member: MemberId,
    },
    /// Stop handing over these, let the listener run, commit, close their trackers; then
    /// [`Event::Revoked`]. They are this member's until then.
    Revoke {
        /// To answer with.
        request: RequestNumber,
        /// Which.
        partitions: Vec<TopicPartition>,
    },
    /// These are this member's too now: begin at their committed offsets. Said after every rebalance, with
    /// none if nothing came.
    Assign {
        /// The new generation.
        generation: Generation,
        /// What came.
        added: Vec<TopicPartition>,
        /// What the leader said beside the share, for
        /// [`Assignor::assigned`](crate::consumer::Assignor::assigned).
        data: Option<Bytes>,
    },
    /// These are somebody else's already: close their trackers at once, commit nothing, tell the listener.
    Lost(Vec<TopicPartition>),
    /// Tell the application: its next poll yields this.
    Report(Trouble),
    /// It is over; no more commands come.
    Closed,
}

/// What the application should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The application was busy for too long; its partitions went to others.
    #[error(
        "no poll for {limit:?} (`max_poll_interval`): the consumer left its group and its partitions go to others; \
         the poll after this error rejoins. Handle less at a time or raise the limit"
    )]
    PollInterval {
        /// The limit.
        limit: Duration,
    },
    /// A listener did not finish; what was revoked counts as lost.
    #[error("the rebalance listener took longer than {limit:?} over revoked partitions: they count as lost")]
    SlowListener {
        /// How long it had.
        limit: Duration,
    },
    /// The coordinator was silent for a session.
    #[error("the coordinator did not answer for {silence:?}: the partitions may be another member's already")]
    Silence {
        /// For how long.
        silence: Duration,
    },
    /// The coordinator threw the member out; it rejoins.
    #[error("the coordinator no longer knows this member or its generation: {0}")]
    Fenced(#[source] Error),
    /// The member cannot be in the group. It does not try again.
    #[error("the consumer cannot be a member of its group: {0}")]
    Fatal(#[source] Error),
}

impl Trouble {
    /// Whether the consumer is done for.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal(_))
    }
}
