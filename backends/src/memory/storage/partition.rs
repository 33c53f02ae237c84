//! One partition's log: what all handles of it share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::log::{Bounds, BoundsCell, Error, ErrorKind, Resolver, Ticket, TrimBase};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::batches::Batches;
use super::store::Store;
use crate::memory::{Commit, Keep};

/// The log of a partition, whoever has it open. Its lock is never held over an await.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: PartitionId,
    pub(super) cell: Arc<BoundsCell>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The newest epoch that the partition was opened at. It outlives the handles.
    epoch: LeaderEpoch,
    writer: Writer,
    bounds: Bounds,
    base: TrimBase,
    batches: Batches,
    /// One for each batch at or after the durable end, in order.
    pending: VecDeque<Pending>,
}

/// What became of the handle of the newest epoch.
#[derive(Clone, Debug)]
enum Writer {
    /// Appends are taken, for the session of this number.
    Open { session: u64 },
    /// Its holder closed it, or its session ended.
    Closed,
    /// The log was removed. No handle of it will ever do anything again.
    Removed,
}

#[derive(Debug)]
struct Pending {
    next_offset: Offset,
    bytes: usize,
    resolver: Resolver,
}

impl Partition {
    pub(super) fn new(id: PartitionId) -> Self {
        let state = State {
            epoch: LeaderEpoch::NONE,
            writer: Writer::Closed,
            bounds: Bounds::default(),
            base: TrimBase::default(),
            batches: Batches::default(),
            pending: VecDeque::new(),
        };
        Self { id, cell: Arc::default(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock calls code that could panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number under which its callers wait for room.
    pub(super) fn token(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Opens it at `epoch` for `session`. What an older writer had pending stays: its tickets fail, and
    /// "may have been written" then means that it was.
    pub(super) fn open(&self, store: &Store, epoch: LeaderEpoch, session: u64) -> Result<(), Error> {
        let mut state = self.lock();
        // Removed between the look-up and here.
        self.check_reader(&state)?;
        if epoch <= state.epoch && !is_planted("memory-epoch-opened-twice") {
            let message =
                format!("partition {} was opened at leader epoch {} before: {epoch} is fenced", self.id, state.epoch);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        let fenced = fenced(self.id, epoch);
        self.settle(store, &mut state, usize::MAX, Some(&fenced));
        state.epoch = epoch;
        state.writer = Writer::Open { session };
        drop(state);
        self.wake(store);
        Ok(())
    }

    /// Whether the handle of `epoch` may write.
    fn check(&self, state: &State, epoch: LeaderEpoch) -> Result<(), Error> {
        match state.writer {
            Writer::Removed => Err(closed(self.id, "was removed")),
            _ if state.epoch != epoch && !is_planted("memory-fence-skipped") => Err(fenced(self.id, state.epoch)),
            Writer::Closed => Err(closed(self.id, "is closed")),
            Writer::Open { .. } => Ok(()),
        }
    }

    /// [`Partition::check`], for those who only ask.
    pub(super) fn check_writer(&self, epoch: LeaderEpoch) -> Result<(), Error> {
        self.check(&self.lock(), epoch)
    }

    pub(super) fn append(&self, store: &Store, epoch: LeaderEpoch, batch: Batch) -> Result<Ticket, Error> {
        let mut state = self.lock();
        self.check(&state, epoch)?;
        let end = state.bounds.end;
        if batch.base_offset() < end {
            let message =
                format!("a batch at offset {} does not follow the end {end} of {}", batch.base_offset(), self.id);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        if batch.leader_epoch() > epoch {
            let message = format!(
                "a batch of leader epoch {} cannot be appended to {} under epoch {epoch}",
                batch.leader_epoch(),
                self.id
            );
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let bytes = batch.size_in_bytes();
        store.reserve(self.id, bytes)?;
        let next_offset = batch.next_offset();
        state.batches.push(batch);
        state.bounds.end = next_offset;
        let ticket = if store.options.commit == Commit::Immediate {
            state.bounds.durable_end = next_offset;
            Ticket::ready(Ok(()))
        } else {
            let (resolver, ticket) = Ticket::pending();
            store.room.take(bytes);
            state.pending.push_back(Pending { next_offset, bytes, resolver });
            store.appended.notify_one();
            ticket
        };
        self.publish(&state);
        Ok(ticket)
    }

    /// Makes the first `count` pending batches durable and resolves their tickets: `Ok`, or as `failure` says.
    fn settle(&self, store: &Store, state: &mut State, count: usize, failure: Option<&Error>) {
        let count = count.min(state.pending.len());
        let settled: Vec<_> = state.pending.drain(..count).collect();
        let Some(last) = settled.last() else { return };
        state.bounds.durable_end = last.next_offset;
        // Bounds first: who wakes by a ticket must find them moved.
        self.publish(state);
        store.room.give_back(settled.iter().map(|pending| pending.bytes).sum());
        for pending in settled {
            pending.resolver.resolve(failure.cloned().map_or(Ok(()), Err));
        }
    }

    /// Commits the first `count` pending batches, and says how many there were.
    pub(super) fn commit(&self, store: &Store, count: usize) -> usize {
        let mut state = self.lock();
        let before = state.pending.len();
        self.settle(store, &mut state, count, None);
        before - state.pending.len()
    }

    pub(super) fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    pub(super) fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        let Bounds { start, end, .. } = state.bounds;
        if from < start || from > end {
            let message = format!("offset {from} is outside the log of {}, which holds {start} to {end}", self.id);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        Ok(state.batches.read(from, until, max_bytes))
    }

    fn check_reader(&self, state: &State) -> Result<(), Error> {
        if matches!(state.writer, Writer::Removed) { Err(closed(self.id, "was removed")) } else { Ok(()) }
    }

    pub(super) fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        Ok(state.batches.offset_for_timestamp(timestamp_ms))
    }

    pub(super) fn trim_base(&self) -> Result<TrimBase, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        Ok(state.base.clone())
    }

    pub(super) fn trim(&self, store: &Store, epoch: LeaderEpoch, before: Offset, base: TrimBase) -> Result<(), Error> {
        let mut state = self.lock();
        self.check(&state, epoch)?;
        let Bounds { start, durable_end, .. } = state.bounds;
        if before > durable_end {
            let message = format!("{} cannot be trimmed to {before}: its durable end is {durable_end}", self.id);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        if before <= start {
            return Ok(());
        }
        let held = state.batches.bytes();
        state.batches.drop_before(before);
        store.release(held - state.batches.bytes());
        state.bounds.start = before;
        if !is_planted("memory-trim-forgets-base") {
            state.base = base;
        }
        self.publish(&state);
        Ok(())
    }

    pub(super) fn reset(&self, store: &Store, epoch: LeaderEpoch, at: Offset, base: TrimBase) -> Result<(), Error> {
        let mut state = self.lock();
        self.check(&state, epoch)?;
        // As in a journal: what was written before the reset is durable before it.
        self.settle(store, &mut state, usize::MAX, None);
        store.release(state.batches.bytes());
        state.batches.clear();
        state.base = base;
        state.bounds = Bounds::empty_at(at);
        self.publish(&state);
        Ok(())
    }

    pub(super) fn truncate(&self, store: &Store, epoch: LeaderEpoch, end: Offset) -> Result<Offset, Error> {
        let mut state = self.lock();
        self.check(&state, epoch)?;
        let Bounds { start, end: old_end, .. } = state.bounds;
        if end < start {
            let message = format!("{} cannot be truncated to {end}: it starts at {start}", self.id);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        // As in a journal: what was written before the truncation is durable before it.
        self.settle(store, &mut state, usize::MAX, None);
        let held = state.batches.bytes();
        let first_dropped = state.batches.drop_after(end);
        store.release(held - state.batches.bytes());
        let cut = if is_planted("memory-truncate-leaves-gap") { end } else { first_dropped.unwrap_or(end).min(end) };
        // A batch that straddles the start began before it.
        let new_end = cut.max(start).min(old_end);
        state.bounds.end = new_end;
        state.bounds.durable_end = new_end;
        self.publish(&state);
        Ok(new_end)
    }

    /// Gives up the handle of `epoch`; what it appended is durable first.
    pub(super) fn close(&self, store: &Store, epoch: LeaderEpoch) {
        let mut state = self.lock();
        if state.epoch == epoch && matches!(state.writer, Writer::Open { .. }) {
            self.settle(store, &mut state, usize::MAX, None);
            state.writer = Writer::Closed;
            drop(state);
            self.wake(store);
        }
    }

    /// Closes it if `session` writes it, as [`Partition::close`] does.
    pub(super) fn close_session(&self, store: &Store, session: u64) {
        let mut state = self.lock();
        if matches!(state.writer, Writer::Open { session: owner } if owner == session) {
            self.settle(store, &mut state, usize::MAX, None);
            state.writer = Writer::Closed;
        }
        drop(state);
        self.wake(store);
    }

    /// Loses what was not durable, but for what `keep` spares, if `session` writes it.
    pub(super) fn crash(&self, store: &Store, session: u64, keep: &Keep) {
        let mut state = self.lock();
        if matches!(state.writer, Writer::Open { session: owner } if owner == session) {
            let error = Error::new(ErrorKind::Unavailable, format!("the storage of {} crashed", self.id));
            let pending = state.pending.len();
            let kept = keep.choose(pending);
            self.settle(store, &mut state, kept, Some(&error));
            let durable_end = state.bounds.durable_end;
            let held = state.batches.bytes();
            if state.bounds.end > durable_end {
                state.batches.drop_after(durable_end);
                state.bounds.end = durable_end;
            }
            store.release(held - state.batches.bytes());
            let lost: Vec<_> = state.pending.drain(..).collect();
            store.room.give_back(lost.iter().map(|pending| pending.bytes).sum());
            state.writer = Writer::Closed;
            self.publish(&state);
            for pending in lost {
                pending.resolver.resolve(Err(error.clone()));
            }
        }
        drop(state);
        self.wake(store);
    }

    /// Forgets everything, for ever.
    pub(super) fn remove(&self, store: &Store) {
        let mut state = self.lock();
        state.writer = Writer::Removed;
        store.release(state.batches.bytes());
        state.batches.clear();
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        store.room.give_back(pending.iter().map(|pending| pending.bytes).sum());
        for pending in pending {
            pending.resolver.resolve(Err(closed(self.id, "was removed")));
        }
        self.wake(store);
    }

    /// Shows the bounds to who watches. Called under the lock, so that they are shown in order.
    fn publish(&self, state: &State) {
        self.cell.update(|bounds| *bounds = state.bounds);
    }

    /// Something ended: those who wait should look.
    fn wake(&self, store: &Store) {
        store.room.wake(self.token());
        self.cell.wake();
    }
}

pub(super) fn closed(id: PartitionId, why: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("the log of {id} {why}"))
}

fn fenced(id: PartitionId, by: LeaderEpoch) -> Error {
    Error::new(ErrorKind::Fenced, format!("partition {id} was opened at leader epoch {by} by another writer"))
}
