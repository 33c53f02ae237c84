//! Which of a partition's messages have been handled, and up to where it may commit.
//!
//! Messages are handed over in the order of their offsets and acknowledged in any. What may be committed
//! is the end of the prefix that is acknowledged without a hole:
//!
//! ```text
//! offset   10   11   14   15   20            a sparse log: 12, 13, 16 … 19 do not exist
//! acked     ✓    ✓         ✓                 commit 12; once 14 is acked, 16; a dropped message holds it back
//! ```
//!
//! One [`Tracker`] belongs to one assignment of one partition. It ends with it, and whatever is
//! acknowledged later is told so: the next owner handles it again.

mod runs;
mod window;

use std::num::NonZeroU32;
use std::sync::Arc;

use ottla_broker_core::api::group::Generation;
use ottla_broker_core::{LeaderEpoch, Offset};

use self::window::Window;

/// Where a reader is: the next offset to read, and the leader epoch of the record before it (KIP-320;
/// [`LeaderEpoch::NONE`] if unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record before it.
    pub leader_epoch: LeaderEpoch,
}

impl Position {
    /// A position whose epoch is unknown.
    #[must_use]
    pub const fn at(offset: Offset) -> Self {
        Self { offset, leader_epoch: LeaderEpoch::NONE }
    }
}

/// How many messages of a partition may be out, counted from the first that is not acknowledged: 1 to
/// 1,048,576. It bounds what is handled twice after a crash. Each 63 cost 8 bytes a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxUnacked(NonZeroU32);

impl MaxUnacked {
    /// The most there is.
    pub const LIMIT: u32 = 1 << 20;

    /// `count`, if it is within the limits.
    #[must_use]
    pub const fn new(count: u32) -> Option<Self> {
        match NonZeroU32::new(count) {
            Some(count) if count.get() <= Self::LIMIT => Some(Self(count)),
            _ => None,
        }
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for MaxUnacked {
    /// 10,000.
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_add(9_999))
    }
}

/// Why a message may not be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHandedOver {
    /// Too much is out.
    #[error(
        "{unacked} messages are not acknowledged, the first at offset {first_unacked}, and `max_unacked` is {limit}: \
         acknowledge it (a message that was dropped without `ack` holds the partition back) or seek past it"
    )]
    Full {
        /// The message that holds the partition back.
        first_unacked: Offset,
        /// How many are not acknowledged.
        unacked: u64,
        /// The limit.
        limit: u32,
    },
    /// The assignment has ended.
    #[error("the partition is no longer assigned to this consumer")]
    Revoked,
    /// Offsets must grow.
    #[error("offset {offset} was to be handed over after {after}: offsets of a partition must grow")]
    Backwards {
        /// The offset of the message.
        offset: Offset,
        /// That of the message before it.
        after: Offset,
    },
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// It counts: a commit covers it once all before it are acknowledged too.
    Counted,
    /// It came after the assignment's end and counts for nothing: the next owner gets the message again.
    Revoked,
}

/// What became of the acknowledgements of several messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckedMany {
    /// How many count.
    pub counted: u64,
    /// How many came too late.
    pub revoked: u64,
}

/// How far a partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// All before it is acknowledged.
    pub acked: Position,
    /// All before it has been handed over.
    pub handed: Position,
    /// How many messages are out, counted from the first that is not acknowledged.
    pub window: u64,
}

/// The side that hands messages over. There is one for each assignment of a partition; after a seek, make
/// a new one and close the old.
#[derive(Debug)]
pub struct Tracker {
    window: Arc<Window>,
    /// The sequence number of the next message.
    next: u64,
    /// The message handed over last.
    last: Option<(Offset, LeaderEpoch)>,
}

/// The side that commits and closes. Cloning shares the tracker.
#[derive(Clone, Debug)]
pub struct Progress {
    window: Arc<Window>,
}

/// The right to acknowledge one message, once. Dropping it acknowledges nothing.
#[derive(Debug)]
#[must_use = "a message that is never acknowledged holds its partition back"]
pub struct Ack {
    window: Arc<Window>,
    sequence: u64,
}

/// The right to acknowledge a row of messages of one partition. Dropping it acknowledges nothing more.
#[derive(Debug)]
#[must_use = "messages that are never acknowledged hold their partition back"]
pub struct AckMany {
    window: Arc<Window>,
    first: u64,
    end: u64,
}

impl Tracker {
    /// Begins an assignment made in `generation` at `start`.
    #[must_use]
    pub fn new(generation: Generation, start: Position, max_unacked: MaxUnacked) -> Self {
        Self { window: Arc::new(Window::new(generation, start, max_unacked)), next: 0, last: None }
    }

    /// The other side.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { window: self.window.clone() }
    }

    /// Notes that the message at `offset` goes out. Takes no lock unless offsets jump or the limit is near.
    ///
    /// # Errors
    /// [`NotHandedOver`]; nothing is noted then.
    pub fn hand_over(&mut self, offset: Offset, leader_epoch: LeaderEpoch) -> Result<Ack, NotHandedOver> {
        self.note(offset, leader_epoch)?;
        let sequence = self.next - 1;
        Ok(Ack { window: self.window.clone(), sequence })
    }

    /// Notes as many of `messages` as the limit allows, in order, and says how many. With none of them,
    /// the reason is the error.
    ///
    /// # Errors
    /// [`NotHandedOver`] if not even the first may go.
    pub fn hand_over_many(
        &mut self,
        messages: impl IntoIterator<Item = (Offset, LeaderEpoch)>,
    ) -> Result<AckMany, NotHandedOver> {
        let first = self.next;
        for (offset, leader_epoch) in messages {
            match self.note(offset, leader_epoch) {
                Ok(()) => {}
                Err(reason) if self.next == first => return Err(reason),
                Err(_) => break,
            }
        }
        Ok(AckMany { window: self.window.clone(), first, end: self.next })
    }

    /// Whether a message may be handed over now.
    ///
    /// # Errors
    /// [`NotHandedOver`] with the reason.
    #[inline]
    pub fn has_room(&self) -> Result<(), NotHandedOver> {
        self.window.make_room(self.next)
    }

    /// Ready when [`has_room`](Self::has_room) would not answer [`NotHandedOver::Full`]; else the task is woken when
    /// something is acknowledged.
    pub fn poll_room(&self, cx: &std::task::Context<'_>) -> std::task::Poll<()> {
        self.window.wait_for_room(self.next, cx)
    }

    /// [`hand_over_many`](Self::hand_over_many) for `count` messages whose offsets follow each other from `first` on.
    ///
    /// # Errors
    /// [`NotHandedOver`] if not even the first may go.
    pub fn hand_over_run(
        &mut self,
        first: Offset,
        count: u64,
        leader_epoch: LeaderEpoch,
    ) -> Result<AckMany, NotHandedOver> {
        let count = count.min(self.window.room(self.next)?);
        let begin = self.next;
        if count > 0 {
            self.note(first, leader_epoch)?;
            let more = i64::try_from(count - 1).unwrap_or(i64::MAX);
            self.last = Some((first.plus(more), leader_epoch));
            self.next = begin + count;
            self.window.set_handed(self.next);
        }
        Ok(AckMany { window: self.window.clone(), first: begin, end: self.next })
    }

    /// Notes that nothing lies before `position` beyond what was handed over: a gap, or control records.
    /// Once all of that is acknowledged, the commit covers the gap too.
    pub fn skip_to(&mut self, position: Position) {
        self.window.skip_to(self.next, position);
    }

    fn note(&mut self, offset: Offset, leader_epoch: LeaderEpoch) -> Result<(), NotHandedOver> {
        let follows = match self.last {
            Some((last, _)) if offset <= last => return Err(NotHandedOver::Backwards { offset, after: last }),
            Some((last, epoch)) => last.next() == offset && epoch == leader_epoch,
            None => false,
        };
        self.window.make_room(self.next)?;
        if !follows {
            self.window.begin_run(self.next, offset, leader_epoch);
        }
        self.last = Some((offset, leader_epoch));
        self.next += 1;
        self.window.set_handed(self.next);
        Ok(())
    }
}

impl Progress {
    /// The generation in which the partition was assigned: commits are made in its name.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.window.generation()
    }

    /// How far it has come. After [`close`](Self::close): how far it had come then.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.window.marks()
    }

    /// Ends the assignment. Every acknowledgement that was answered [`Acked::Counted`] is in the marks
    /// that this returns, and none that was answered [`Acked::Revoked`] is. Closing again returns the same.
    pub fn close(&self) -> Marks {
        self.window.close()
    }

    /// Whether the assignment has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.window.is_closed()
    }
}

impl Ack {
    /// Acknowledges the message: one atomic operation.
    pub fn ack(self) -> Acked {
        self.window.ack(self.sequence)
    }

    /// The generation that it belongs to.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.window.generation()
    }
}

impl AckMany {
    /// How many are left to acknowledge.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end - self.first
    }

    /// Whether none is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end == self.first
    }

    /// The right to acknowledge the first that is left, taken out.
    pub fn split_first(&mut self) -> Option<Ack> {
        if self.is_empty() {
            return None;
        }
        let ack = Ack { window: self.window.clone(), sequence: self.first };
        self.first += 1;
        Some(ack)
    }

    /// Acknowledges all that are left: one atomic operation for up to 63.
    pub fn ack(mut self) -> AckedMany {
        self.ack_first(u64::MAX)
    }

    /// Acknowledges the first `count` that are left.
    pub fn ack_first(&mut self, count: u64) -> AckedMany {
        let end = self.end.min(self.first.saturating_add(count));
        let acked = self.window.ack_many(self.first, end);
        self.first = end;
        acked
    }
}

#[cfg(test)]
mod tests;
