//! Snapshots in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Error, Snapshot, SnapshotStore};

/// Keeps the newest snapshot of each partition in memory.
#[derive(Debug, Default)]
pub struct MemorySnapshots {
    snapshots: Mutex<BTreeMap<PartitionId, Snapshot>>,
}

impl MemorySnapshots {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Snapshot>> {
        // Each change is one call on the map: a panic elsewhere cannot leave half of it.
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshots {
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error> {
        self.lock().insert(partition, snapshot);
        Ok(())
    }

    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error> {
        Ok(self.lock().get(&partition).cloned())
    }

    async fn remove(&self, partition: PartitionId) -> Result<(), Error> {
        self.lock().remove(&partition);
        Ok(())
    }
}
