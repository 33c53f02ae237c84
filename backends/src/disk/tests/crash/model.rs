//! What a log must be after a number of changes: the simplest thing that can be right.

use ottla_broker_core::log::TrimBase;
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset};

use crate::engine::Key;

/// A change of one log, as it was submitted.
#[derive(Clone, Debug)]
pub(in crate::disk::tests) enum Change {
    Open(LeaderEpoch),
    Append(Batch),
    Trim(Offset, TrimBase),
    Truncate(Offset),
    Reset(Offset, TrimBase),
    Remove,
}

/// All that can be seen of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::disk::tests) struct Model {
    pub(in crate::disk::tests) epoch: LeaderEpoch,
    pub(in crate::disk::tests) start: Offset,
    pub(in crate::disk::tests) end: Offset,
    pub(in crate::disk::tests) base: TrimBase,
    pub(in crate::disk::tests) batches: Vec<Batch>,
}

impl Default for Model {
    /// A log that was never opened, or was removed.
    fn default() -> Self {
        let (start, end) = (Offset::ZERO, Offset::ZERO);
        Self { epoch: LeaderEpoch::NONE, start, end, base: TrimBase::default(), batches: Vec::new() }
    }
}

impl Model {
    pub(in crate::disk::tests) fn apply(&mut self, change: &Change) {
        match change {
            Change::Open(epoch) => self.epoch = *epoch,
            Change::Append(batch) => {
                self.end = batch.next_offset();
                self.batches.push(batch.clone());
            }
            Change::Trim(start, base) => {
                (self.start, self.base) = (*start, base.clone());
                self.batches.retain(|batch| batch.next_offset() > *start);
            }
            Change::Truncate(end) => {
                self.end = *end;
                self.batches.retain(|batch| batch.next_offset() <= *end);
            }
            Change::Reset(at, base) => {
                (self.start, self.end, self.base) = (*at, *at, base.clone());
                self.batches.clear();
            }
            Change::Remove => *self = Self::default(),
        }
    }
}

/// All changes that were submitted, in order; a change's number is its place.
#[derive(Debug, Default)]
pub(in crate::disk::tests) struct History {
    changes: Vec<(Key, Change)>,
}

impl History {
    /// The number of what was submitted now.
    pub(in crate::disk::tests) fn push(&mut self, key: Key, change: Change) -> u64 {
        self.changes.push((key, change));
        self.changes.len() as u64 - 1
    }

    /// What a log may be where the changes of these numbers are known to be in force: the state after the last of
    /// them, and after each later one.
    pub(in crate::disk::tests) fn allowed(&self, key: Key, acknowledged: &[u64]) -> Vec<Model> {
        let mine = |number: &&u64| self.changes[**number as usize].0 == key;
        let last = acknowledged.iter().filter(mine).max().copied();
        let mut model = Model::default();
        let mut allowed = Vec::new();
        if last.is_none() {
            allowed.push(model.clone());
        }
        for (number, (of, change)) in self.changes.iter().enumerate() {
            if *of == key {
                model.apply(change);
                if last.is_none_or(|last| number as u64 >= last) {
                    allowed.push(model.clone());
                }
            }
        }
        allowed
    }
}
