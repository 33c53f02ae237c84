//! How far a copy is.

use std::sync::{Mutex, PoisonError};

use super::partition::Job;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Batches go over.
    Copying,
    /// Both sides are read again and compared.
    Verifying,
    /// The destination is whole.
    Finished,
}

/// How far a copy is. No number of it ever goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Work done, in offsets: those of an earlier, unfinished copy count, and so do gaps. Durable at the destination.
    pub done: u64,
    /// All of the work: every offset once, and once more if it is verified.
    pub total: u64,
    /// Bytes of batches that this call has copied.
    pub bytes: u64,
    /// Partitions that are copied.
    pub partitions_done: usize,
    /// All of them.
    pub partitions: usize,
}

impl Progress {
    /// From 0 to 1: 1 exactly when all is done.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        match (self.stage, self.total) {
            (Stage::Finished, _) => 1.0,
            (_, 0) => 0.0,
            // The last step, which says so in the metadata, is still to come.
            _ => (self.done as f64 / self.total as f64).min(1.0 - f64::EPSILON),
        }
    }
}

/// Adds up what the partitions say, and tells it on.
pub(super) struct Meter<'a> {
    progress: Mutex<Progress>,
    /// Called under the lock: what is told is in order.
    tell: &'a (dyn Fn(Progress) + Send + Sync),
}

impl<'a> Meter<'a> {
    pub(super) fn new(jobs: &[Job], verify: bool, tell: &'a (dyn Fn(Progress) + Send + Sync)) -> Self {
        let offsets: u64 = jobs.iter().map(Job::offsets).sum();
        let progress = Progress {
            stage: Stage::Copying,
            done: jobs.iter().map(Job::offsets_there).sum(),
            total: offsets.saturating_mul(if verify { 2 } else { 1 }),
            bytes: 0,
            partitions_done: 0,
            partitions: jobs.len(),
        };
        tell(progress);
        Self { progress: Mutex::new(progress), tell }
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut progress);
        (self.tell)(*progress);
    }

    pub(super) fn advance(&self, offsets: u64, bytes: u64) {
        self.change(|progress| {
            progress.done += offsets;
            progress.bytes += bytes;
        });
    }

    pub(super) fn partition_done(&self) {
        self.change(|progress| progress.partitions_done += 1);
    }

    pub(super) fn verifying(&self) {
        self.change(|progress| progress.stage = Stage::Verifying);
    }

    pub(super) fn finished(&self) {
        self.change(|progress| progress.stage = Stage::Finished);
    }
}
