//! What waits to be written: groups, each of which becomes one chunk and has one ticket.
//!
//! ```text
//!   append ──► │ group 9 │ group 8 │ ──take──► writer (group 7 is on its way to the medium)
//!              gathering   full
//! ```
//!
//! Load raises the size of groups, not their number: while one is written the next gathers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::log::{Error, Resolver, Ticket, TrimBase};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset};
use tokio::sync::Notify;

use super::extent::Extent;
use super::log::{Applied, Log};

/// One thing to write for a log.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Batch(Batch),
    Open(LeaderEpoch),
    Trim(Offset, TrimBase),
    Reset(Offset, TrimBase),
    Truncate(Offset),
    Remove,
}

impl Op {
    /// What there is to apply once it is durable; `place` says where a batch will lie.
    pub(crate) fn applied<'a>(&'a self, place: impl FnOnce(&'a Batch) -> Extent) -> Applied {
        match self {
            Self::Batch(batch) => Applied::Batch(place(batch)),
            Self::Open(epoch) => Applied::Open(*epoch),
            Self::Trim(start, base) => Applied::Trim(*start, base.clone()),
            Self::Reset(at, base) => Applied::Reset(*at, base.clone()),
            Self::Truncate(end) => Applied::Truncate(*end),
            Self::Remove => Applied::Remove,
        }
    }
}

/// What a group holds for one log, in order.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) log: Arc<Log>,
    pub(crate) ops: Vec<Op>,
}

/// What is written together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) parts: Vec<Part>,
    /// Bytes of its batches.
    pub(crate) bytes: usize,
    pub(crate) resolver: Resolver,
}

/// A log's place in the group that gathers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    group: u64,
    part: usize,
}

/// What the writer has to do next.
#[derive(Debug)]
pub(crate) enum Work {
    Group(Group),
    /// The queue was closed, and is empty.
    End,
}

/// What a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Nothing,
    /// One group, to which more may be added.
    Gathering,
    /// A group that takes nothing more, and others behind it.
    Full,
    /// Nothing, for ever.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// For a writer that is a thread.
    work: Condvar,
    /// For a writer that is a task.
    pub(crate) notify: Notify,
    max_group: usize,
}

#[derive(Debug)]
struct State {
    groups: VecDeque<(Group, Ticket)>,
    /// The number of the last group in `groups`, or of the last that was in it; the first is 1.
    last: u64,
    /// Why nothing more is taken.
    ended: Option<Error>,
    /// Why some things are not taken for now.
    refused: Option<Refused>,
}

/// What the queue does not take while there is no room.
#[derive(Debug)]
struct Refused {
    error: Error,
    /// Nothing at all: the logs do not know yet that what they submitted was not written.
    all: bool,
}

impl Queue {
    /// A group is full at about `max_group` bytes.
    pub(crate) fn new(max_group: usize) -> Self {
        let state = State { groups: VecDeque::new(), last: 0, ended: None, refused: None };
        Self { state: Mutex::new(state), work: Condvar::new(), notify: Notify::new(), max_group }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the group that gathers. Called under the lock of `log`, whose `slot` this is: so what is
    /// submitted for a log is written in that order.
    pub(crate) fn submit(&self, log: &Arc<Log>, slot: &mut Slot, op: Op) -> Result<Ticket, Error> {
        let bytes = if let Op::Batch(batch) = &op { batch.size_in_bytes() } else { 0 };
        let mut state = self.lock();
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        if let Some(refused) = &state.refused
            && (refused.all || matches!(op, Op::Batch(_)))
        {
            return Err(refused.error.clone());
        }
        let gathers =
            state.groups.back().is_some_and(|(group, _)| group.bytes == 0 || group.bytes + bytes <= self.max_group);
        let first = state.groups.is_empty();
        if !gathers {
            let (resolver, ticket) = Ticket::pending();
            state.groups.push_back((Group { parts: Vec::new(), bytes: 0, resolver }, ticket));
            state.last += 1;
        }
        let number = state.last;
        let Some((group, ticket)) = state.groups.back_mut() else {
            return Ok(Ticket::ready(Ok(()))); // one was pushed just now
        };
        group.bytes += bytes;
        match group.parts.get_mut(slot.part).filter(|_| slot.group == number) {
            Some(part) => part.ops.push(op),
            None => {
                *slot = Slot { group: number, part: group.parts.len() };
                group.parts.push(Part { log: Arc::clone(log), ops: vec![op] });
            }
        }
        let ticket = ticket.clone();
        drop(state);
        if first {
            self.work.notify_one();
        }
        if !gathers {
            // A task also wants to know that a group is full.
            self.notify.notify_one();
        }
        Ok(ticket)
    }

    /// What waits, without taking it.
    pub(crate) fn waiting(&self) -> Waiting {
        let state = self.lock();
        match state.groups.len() {
            0 if state.ended.is_some() => Waiting::Ended,
            0 => Waiting::Nothing,
            1 => Waiting::Gathering,
            _ => Waiting::Full,
        }
    }

    /// The next work, without waiting.
    pub(crate) fn try_take(&self) -> Option<Work> {
        Self::next(&mut self.lock())
    }

    fn next(state: &mut State) -> Option<Work> {
        match state.groups.pop_front() {
            Some((group, _)) => Some(Work::Group(group)),
            None => state.ended.is_some().then_some(Work::End),
        }
    }

    /// The next work; waits for it. For a thread of its own.
    pub(crate) fn take(&self) -> Work {
        let mut state = self.lock();
        loop {
            if let Some(work) = Self::next(&mut state) {
                return work;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more, for this reason; what is in the queue is written first.
    pub(crate) fn end(&self, reason: Error) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.ended = Some(reason);
        }
        drop(state);
        self.work.notify_one();
        self.notify.notify_one();
    }

    /// Why nothing more is taken, if so.
    pub(crate) fn ended(&self) -> Option<Error> {
        self.lock().ended.clone()
    }

    /// There is no room: gives back all that waits, and takes nothing until [`refuse_records`](Self::refuse_records).
    /// In between the caller tells the logs; what one submitted meanwhile would follow on what is not there.
    pub(crate) fn refuse(&self, error: Error) -> Vec<Group> {
        let mut state = self.lock();
        state.refused = Some(Refused { error, all: true });
        state.groups.drain(..).map(|(group, _)| group).collect()
    }

    /// From now on takes what gives room back, and no records.
    pub(crate) fn refuse_records(&self) {
        if let Some(refused) = &mut self.lock().refused {
            refused.all = false;
        }
    }

    /// Takes everything again.
    pub(crate) fn accept(&self) {
        self.lock().refused = None;
    }

    /// Takes all that waits, for it cannot be written.
    pub(crate) fn drain(&self) -> Vec<Group> {
        self.lock().groups.drain(..).map(|(group, _)| group).collect()
    }
}

#[cfg(test)]
mod tests;
