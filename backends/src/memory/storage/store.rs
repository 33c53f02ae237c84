//! What all sessions of a storage share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Error, ErrorKind};
use tokio::sync::Notify;

use super::partition::Partition;
use crate::memory::MemoryOptions;
use crate::room::Room;

/// The memory itself.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) options: MemoryOptions,
    pub(super) room: Room,
    /// Bytes of all batches.
    used: AtomicUsize,
    next_session: AtomicU64,
    /// Told of each append that waits to be committed.
    pub(super) appended: Notify,
    partitions: Mutex<BTreeMap<PartitionId, Arc<Partition>>>,
}

impl Store {
    pub(super) fn new(options: MemoryOptions) -> Self {
        Self {
            options,
            room: Room::new(options.pending_bytes),
            used: AtomicUsize::new(0),
            next_session: AtomicU64::new(0),
            appended: Notify::new(),
            partitions: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Arc<Partition>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All partitions, in order.
    pub(super) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn get(&self, id: PartitionId) -> Option<Arc<Partition>> {
        self.lock().get(&id).cloned()
    }

    pub(super) fn new_session(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes room for a batch.
    pub(super) fn reserve(&self, id: PartitionId, bytes: usize) -> Result<(), Error> {
        let limit = self.options.capacity_bytes.unwrap_or(usize::MAX);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= limit)
            })
            .map(|_| ())
            .map_err(|used| {
                let message =
                    format!("no room for {bytes} bytes of {id}: the memory storage holds {used} of {limit} bytes");
                Error::new(ErrorKind::Full, message)
            })
    }

    pub(super) fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
