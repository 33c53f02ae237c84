//! One at a time for each partition, in the order of asking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::PartitionId;
use rustc_hash::FxHashMap;
use tokio::sync::OwnedMutexGuard;

/// Locks by partition. Remembers only those that someone holds or waits for, so that idle partitions cost nothing.
#[derive(Debug, Default)]
pub(super) struct Turns {
    busy: Mutex<FxHashMap<PartitionId, Arc<tokio::sync::Mutex<()>>>>,
}

/// A partition's turn; ends when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    id: PartitionId,
    /// Taken in `drop` only. Its `Arc` and the map's are the two that an idle lock has.
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<PartitionId, Arc<tokio::sync::Mutex<()>>>> {
        // Each change is one call on the map.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the partition's turn. FIFO, cancel-safe.
    pub(super) async fn of(&self, id: PartitionId) -> Turn<'_> {
        // Made first: given up while it waits, it forgets the partition as a turn's end does.
        let mut turn = Turn { turns: self, id, guard: None };
        let lock = Arc::clone(self.lock().entry(id).or_default());
        turn.guard = Some(lock.lock_owned().await);
        turn
    }

    /// How many partitions are remembered.
    #[cfg(test)]
    pub(super) fn busy(&self) -> usize {
        self.lock().len()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut busy = self.turns.lock();
        self.guard = None;
        // Others take their `Arc` under the same lock, so a count of one is nobody's but the map's.
        if busy.get(&self.id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            busy.remove(&self.id);
        }
        if busy.is_empty() {
            busy.shrink_to_fit();
        }
    }
}
