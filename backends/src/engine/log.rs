//! One log: its bounds, its index, its newest batches and what may be done with it.
//!
//! Appends and other changes are submitted under the log's lock and applied once they are durable, in that order:
//! by the writer while it runs, and by recovery from the journal. Both go through [`Log::apply`], so that what
//! is recovered is what was there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::log::{Bounds, BoundsCell, Error, ErrorKind, Ticket, TrimBase};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset};

use super::core::Core;
use super::extent::Extent;
use super::index::Index;
use super::key::Key;
use super::queue::{Op, Slot};
use super::tail::cost;

mod find;
mod moved;

pub(crate) use find::{Found, Place};
pub(crate) use moved::Stretches;
#[cfg(test)]
mod tests;

/// A log, whoever has it open. Its lock is never held over an await; the queue's lock is taken beneath it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) key: Key,
    pub(crate) cell: Arc<BoundsCell>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The newest epoch that it was opened at. It outlives the handles.
    epoch: LeaderEpoch,
    writer: Writer,
    /// As callers see them: a reset and a truncation count as soon as they are submitted.
    bounds: Bounds,
    /// As of what was applied, like `base` and `index`: this is what a restart may find.
    kept: Kept,
    base: TrimBase,
    /// How far trims were submitted that are not applied: nothing may be truncated below.
    trimming: Offset,
    /// Resets that were submitted and are not applied: what comes before them shows no more.
    resets: u32,
    /// What is durable.
    index: Index,
    /// The newest batches, without a gap in the log's order up to its end. All that is not durable is here.
    tail: VecDeque<Batch>,
    slot: Slot,
    /// Grows whenever offsets may come to name other batches than before, or none.
    rewrites: u64,
}

/// What of a log's state is durable, with its base and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    epoch: LeaderEpoch,
    start: Offset,
    end: Offset,
}

/// What became of the handle of the newest epoch.
#[derive(Clone, Debug)]
enum Writer {
    Open,
    Closed,
    /// An append failed and took nothing: it is to be opened anew.
    Failed(Error),
    Removed,
}

/// All of a log that is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) key: Key,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    pub(crate) base: TrimBase,
    /// In the order of their offsets.
    pub(crate) extents: Vec<Extent>,
}

/// A change that is durable.
#[derive(Clone, Debug)]
pub(crate) enum Applied {
    /// A batch, or a run of them that makes one extent, and where it lies.
    Batch(Extent),
    Open(LeaderEpoch),
    Trim(Offset, TrimBase),
    Reset(Offset, TrimBase),
    Truncate(Offset),
    Remove,
}

impl Log {
    pub(crate) fn new(key: Key) -> Self {
        Self::restored(Saved {
            key,
            epoch: LeaderEpoch::NONE,
            start: Offset::ZERO,
            end: Offset::ZERO,
            base: TrimBase::default(),
            extents: Vec::new(),
        })
    }

    pub(crate) fn restored(saved: Saved) -> Self {
        let bounds = Bounds { start: saved.start, durable_end: saved.end, end: saved.end };
        let kept = Kept { epoch: saved.epoch, start: saved.start, end: saved.end };
        Self {
            key: saved.key,
            cell: Arc::new(BoundsCell::new(bounds)),
            state: Mutex::new(State {
                epoch: saved.epoch,
                writer: Writer::Closed,
                bounds,
                kept,
                base: saved.base,
                trimming: saved.start,
                resets: 0,
                index: Index::from_extents(saved.extents),
                tail: VecDeque::new(),
                slot: Slot::default(),
                rewrites: 0,
            }),
        }
    }

    /// As of what was applied. Not a bit of what is only submitted: a checkpoint that held the half of a truncation
    /// would hold batches behind the end.
    pub(crate) fn saved(&self) -> Saved {
        let state = self.lock();
        let mut kept = state.kept;
        if is_planted("disk-checkpoint-ahead-of-journal") {
            (kept.start, kept.end) = (state.bounds.start, state.bounds.durable_end);
        }
        let Kept { epoch, start, end } = kept;
        Saved {
            key: self.key,
            epoch,
            start,
            end,
            base: state.base.clone(),
            extents: state.index.extents().copied().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock calls code that could panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number under which its callers wait for room.
    pub(crate) fn token(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Shows the bounds to who watches. Called under the lock, so that they are shown in order.
    fn publish(&self, state: &State) {
        self.cell.update(|bounds| *bounds = state.bounds);
    }

    /// Whether the handle of `epoch` may write.
    fn check(&self, state: &State, epoch: LeaderEpoch) -> Result<(), Error> {
        match &state.writer {
            Writer::Removed => Err(self.closed("was removed")),
            _ if state.epoch != epoch => Err(Error::new(
                ErrorKind::Fenced,
                format!("{} was opened at leader epoch {} by another writer", self.key, state.epoch),
            )),
            Writer::Closed => Err(self.closed("is closed")),
            Writer::Failed(error) => Err(error.clone()),
            Writer::Open => Ok(()),
        }
    }

    pub(crate) fn check_writer(&self, epoch: LeaderEpoch) -> Result<(), Error> {
        self.check(&self.lock(), epoch)
    }

    pub(crate) fn closed(&self, why: &str) -> Error {
        Error::new(ErrorKind::Closed, format!("the log of {} {why}", self.key))
    }

    fn check_reader(&self, state: &State) -> Result<(), Error> {
        if matches!(state.writer, Writer::Removed) { Err(self.closed("was removed")) } else { Ok(()) }
    }

    /// Opens it at `epoch`. What an older writer submitted is written before, and so is part of what the new one finds.
    pub(crate) fn open(self: &Arc<Self>, core: &Core, epoch: LeaderEpoch) -> Result<Ticket, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.check_reader(state)?;
        if epoch <= state.epoch {
            let message = format!("{} was opened at leader epoch {} before: {epoch} is fenced", self.key, state.epoch);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        let ticket = core.queue.submit(self, &mut state.slot, Op::Open(epoch))?;
        (state.epoch, state.writer) = (epoch, Writer::Open);
        drop(guard);
        self.wake(core);
        Ok(ticket)
    }

    /// Writes once more at which epoch it was opened: who can still write that is its writer.
    pub(crate) fn confirm(self: &Arc<Self>, core: &Core, epoch: LeaderEpoch) -> Result<Ticket, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.check(state, epoch)?;
        let ticket = core.queue.submit(self, &mut state.slot, Op::Open(epoch))?;
        drop(guard);
        self.wake(core);
        Ok(ticket)
    }

    /// Opens it at the epoch that it has, for the engine's own logs: the lock of the medium keeps others out.
    pub(crate) fn open_own(&self) -> Result<LeaderEpoch, Error> {
        let mut state = self.lock();
        self.check_reader(&state)?;
        state.writer = Writer::Open;
        Ok(state.epoch)
    }

    pub(crate) fn append(self: &Arc<Self>, core: &Core, epoch: LeaderEpoch, batch: Batch) -> Result<Ticket, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.check(state, epoch)?;
        let end = state.bounds.end;
        if batch.base_offset() < end {
            let message =
                format!("a batch at offset {} does not follow the end {end} of {}", batch.base_offset(), self.key);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        if batch.leader_epoch() > epoch {
            let found = batch.leader_epoch();
            let message =
                format!("a batch of leader epoch {found} cannot be appended to {} under epoch {epoch}", self.key);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let ticket = core.queue.submit(self, &mut state.slot, Op::Batch(batch.clone()))?;
        core.room.take(batch.size_in_bytes());
        core.tail.take(cost(&batch));
        state.bounds.end = batch.next_offset();
        state.tail.push_back(batch);
        self.publish(state);
        Ok(ticket)
    }

    /// Has everything before `before` forgotten; `None` if it is already.
    pub(crate) fn trim(
        self: &Arc<Self>,
        core: &Core,
        epoch: LeaderEpoch,
        before: Offset,
        base: TrimBase,
    ) -> Result<Option<Ticket>, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.check(state, epoch)?;
        let Bounds { start, durable_end, .. } = state.bounds;
        if before > durable_end {
            let message = format!("{} cannot be trimmed to {before}: its durable end is {durable_end}", self.key);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        if before <= start {
            return Ok(None);
        }
        let ticket = core.queue.submit(self, &mut state.slot, Op::Trim(before, base))?;
        state.trimming = state.trimming.max(before);
        Ok(Some(ticket))
    }

    /// Makes it empty. `None` if an append came meanwhile: settle it first.
    pub(crate) fn reset(
        self: &Arc<Self>,
        core: &Core,
        epoch: LeaderEpoch,
        at: Offset,
        base: &TrimBase,
    ) -> Result<Option<Ticket>, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.check(state, epoch)?;
        if state.bounds.durable_end < state.bounds.end {
            return Ok(None);
        }
        let ticket = core.queue.submit(self, &mut state.slot, Op::Reset(at, base.clone()))?;
        core.tail.give_back(state.tail.drain(..).map(|batch| cost(&batch)).sum());
        state.bounds = Bounds::empty_at(at);
        state.trimming = at;
        state.resets += 1;
        state.rewrites += 1;
        self.publish(state);
        Ok(Some(ticket))
    }

    /// Drops every batch that ends after `end`. `None` if an append came meanwhile: settle it first.
    pub(crate) fn truncate(
        self: &Arc<Self>,
        core: &Core,
        epoch: LeaderEpoch,
        end: Offset,
    ) -> Result<Option<Ticket>, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.check(state, epoch)?;
        if state.bounds.durable_end < state.bounds.end {
            return Ok(None);
        }
        if end < state.trimming {
            let message = format!("{} cannot be truncated to {end}: it is trimmed to {}", self.key, state.trimming);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let ticket = core.queue.submit(self, &mut state.slot, Op::Truncate(end))?;
        while let Some(batch) = state.tail.pop_back_if(|batch| batch.next_offset() > end) {
            core.tail.give_back(cost(&batch));
        }
        (state.bounds.durable_end, state.bounds.end) = (end, end);
        state.rewrites += 1;
        self.publish(state);
        Ok(Some(ticket))
    }

    /// Has it removed, for ever; `None` if it is already.
    pub(crate) fn remove(self: &Arc<Self>, core: &Core) -> Result<Option<Ticket>, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if matches!(state.writer, Writer::Removed) {
            return Ok(None);
        }
        let ticket = core.queue.submit(self, &mut state.slot, Op::Remove)?;
        state.writer = Writer::Removed;
        state.rewrites += 1;
        core.tail.give_back(state.tail.drain(..).map(|batch| cost(&batch)).sum());
        drop(guard);
        self.wake(core);
        Ok(Some(ticket))
    }

    /// Gives up the handle of `epoch`: it takes no more appends.
    pub(crate) fn close(&self, core: &Core, epoch: LeaderEpoch) {
        let mut state = self.lock();
        if state.epoch == epoch && matches!(state.writer, Writer::Open) {
            state.writer = Writer::Closed;
            drop(state);
            self.wake(core);
        }
    }

    /// What was submitted and is not durable was not written, and never will be.
    pub(crate) fn fail(&self, core: &Core, error: &Error) {
        let mut state = self.lock();
        let Kept { start, end, .. } = if is_planted("failed-truncation-stays") {
            Kept { start: state.bounds.start, end: state.bounds.durable_end, ..state.kept }
        } else {
            state.kept
        };
        if (state.bounds.start, state.bounds.durable_end) != (start, end) {
            // A reset or a truncation was not written either: all is as before, and what it dropped lies on the medium.
            core.tail.give_back(state.tail.drain(..).map(|batch| cost(&batch)).sum());
            state.rewrites += 1;
        }
        while let Some(batch) = state.tail.pop_back_if(|batch| batch.base_offset() >= end) {
            core.tail.give_back(cost(&batch));
        }
        state.bounds = Bounds { start, durable_end: end, end };
        (state.trimming, state.resets) = (start, 0);
        // Also one that was to be removed: it is still there.
        state.writer = Writer::Failed(error.clone());
        self.publish(&state);
        drop(state);
        self.wake(core);
    }

    /// Something ended: those who wait should look.
    pub(crate) fn wake(&self, core: &Core) {
        core.room.wake(self.token());
        self.cell.wake();
    }

    /// Takes in changes that are durable now, in their order.
    pub(crate) fn apply(&self, core: &Core, changes: impl IntoIterator<Item = Applied>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        for change in changes {
            match change {
                Applied::Batch(extent) => {
                    state.index.push(extent);
                    state.kept.end = extent.next;
                    state.bounds.durable_end = state.bounds.durable_end.max(extent.next);
                    state.bounds.end = state.bounds.end.max(extent.next);
                }
                Applied::Open(epoch) => {
                    state.kept.epoch = state.kept.epoch.max(epoch);
                    state.epoch = state.epoch.max(epoch);
                }
                Applied::Trim(start, base) if start > state.kept.start => {
                    state.index.trim(start);
                    (state.kept.start, state.base) = (start, base);
                    if state.resets == 0 {
                        while let Some(batch) = state.tail.pop_front_if(|batch| batch.next_offset() <= start) {
                            core.tail.give_back(cost(&batch));
                        }
                        state.bounds.start = start;
                    }
                }
                Applied::Trim(..) => {}
                Applied::Reset(at, base) => {
                    state.index.clear();
                    state.base = base;
                    (state.kept.start, state.kept.end) = (at, at);
                    state.rewrites += 1;
                    // Submitted here, it has set this already, and trims may have come since; replayed, it has not.
                    if state.resets == 0 {
                        state.trimming = at;
                    }
                    state.resets = state.resets.saturating_sub(1);
                    if state.resets == 0 {
                        (state.bounds.start, state.bounds.durable_end) = (at, at);
                        if state.tail.is_empty() {
                            state.bounds.end = at;
                        }
                    }
                }
                Applied::Truncate(end) => {
                    state.index.truncate(end);
                    // A batch that straddles the start went as a whole.
                    state.index.trim(state.kept.start);
                    state.kept.end = end;
                    // Once more: whoever asked between the submission and now saw the index of before.
                    state.rewrites += 1;
                    state.bounds.durable_end = end;
                    if state.tail.back().is_none_or(|last| last.next_offset() <= end) {
                        state.bounds.end = end;
                    }
                }
                Applied::Remove => {
                    state.index.clear();
                    state.writer = Writer::Removed;
                }
            }
        }
        self.publish(state);
    }

    /// Where it starts, once every trim that was submitted is applied.
    pub(crate) fn trimmed_to(&self) -> Offset {
        let state = self.lock();
        state.bounds.start.max(state.trimming)
    }

    pub(crate) fn is_removed(&self) -> bool {
        matches!(self.lock().writer, Writer::Removed)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.lock().bounds
    }

    pub(crate) fn trim_base(&self) -> Result<TrimBase, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        Ok(state.base.clone())
    }
}
