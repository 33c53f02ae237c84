//! What to commit when: the promises of delivery.

use std::time::Duration;

use ottla_broker_core::Offset;
use ottla_broker_core::planted::is_planted;

use super::acks::{Marks, Position};

/// When a consumer commits by itself, which decides what a crash does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Before messages are handed over, and only after the commit is answered: at most once. A crash
    /// skips what was out.
    BeforeHandover,
    /// What is acknowledged, at least so often and when partitions are given up: at least once. A
    /// crash repeats what was not committed yet.
    OnAck {
        /// The longest that an acknowledgement waits to be committed.
        every: Duration,
    },
    /// Only when the application says so: what is acknowledged, or offsets that it names.
    Manual,
    /// Never: the application keeps offsets itself, beside what it made of the messages.
    Application,
}

impl Default for Commit {
    /// At least once, committed every second.
    fn default() -> Self {
        Self::OnAck { every: Duration::from_secs(1) }
    }
}

/// A commit was asked for where the group keeps no offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this consumer's offsets are kept by the application (`Commit::Application`): commit them there")]
pub struct NotKept;

/// What one assignment of one partition has committed and has to.
///
/// The shell asks at each occasion, sends what it is told, and reports the answer. At most one commit is
/// sent by the clock at a time.
#[derive(Clone, Debug)]
pub struct Ledger {
    mode: Commit,
    committed: Offset,
    in_flight: Option<Offset>,
}

impl Ledger {
    /// Begins at `start`, the committed offset. Where nothing is committed yet, that is where reading begins.
    #[must_use]
    pub const fn new(mode: Commit, start: Offset) -> Self {
        Self { mode, committed: start, in_flight: None }
    }

    /// What is known to be committed.
    #[must_use]
    pub const fn committed(&self) -> Offset {
        self.committed
    }

    /// Messages up to `end` are about to be handed over: what must be committed *and answered* first.
    /// `None`: go ahead.
    pub fn before_hand_over(&mut self, end: Position) -> Option<Position> {
        match self.mode {
            Commit::BeforeHandover if end.offset > self.committed => self.send(end),
            _ => None,
        }
    }

    /// The clock struck: what to commit, if anything is new and no commit is on its way.
    pub fn on_clock(&mut self, marks: &Marks) -> Option<Position> {
        match self.mode {
            Commit::OnAck { .. } if self.in_flight.is_none() => self.send_new(Self::handled(marks)),
            _ => None,
        }
    }

    /// The partition is about to be given up, or the consumer to close, in order: what to commit first.
    /// `marks` are those that closing the tracker returned.
    pub fn on_release(&mut self, marks: &Marks) -> Option<Position> {
        match self.mode {
            Commit::OnAck { .. } => self.send_new(Self::handled(marks)),
            _ => None,
        }
    }

    /// The application said `commit`: what is new. With [`Commit::BeforeHandover`] that is nothing, as all
    /// that was handed over is committed.
    ///
    /// # Errors
    /// [`NotKept`] with [`Commit::Application`].
    pub fn on_request(&mut self, marks: &Marks) -> Result<Option<Position>, NotKept> {
        match self.mode {
            Commit::Application => Err(NotKept),
            Commit::BeforeHandover => Ok(None),
            Commit::OnAck { .. } | Commit::Manual => Ok(self.send_new(Self::handled(marks))),
        }
    }

    /// A commit of `offset` succeeded, ours or one that the application named (that may go back).
    pub fn confirmed(&mut self, offset: Offset) {
        self.committed = offset;
        if self.in_flight == Some(offset) {
            self.in_flight = None;
        }
    }

    /// A commit of `offset` failed: the next occasion asks again.
    pub fn failed(&mut self, offset: Offset) {
        if self.in_flight == Some(offset) {
            self.in_flight = None;
        }
    }

    /// What the marks allow to commit: what is acknowledged, never what was only handed over.
    fn handled(marks: &Marks) -> Position {
        if is_planted("commit-ahead-of-ack") { marks.handed } else { marks.acked }
    }

    fn send_new(&mut self, position: Position) -> Option<Position> {
        if position.offset > self.committed { self.send(position) } else { None }
    }

    fn send(&mut self, position: Position) -> Option<Position> {
        self.in_flight = Some(position.offset);
        Some(position)
    }
}

#[cfg(test)]
mod tests;
