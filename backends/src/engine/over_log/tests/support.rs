//! A memory that plays the engine.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ottla_broker_core::conformance::{MetadataSubject, SnapshotSubject};
use ottla_broker_core::env::{Env, Task};
use ottla_broker_core::log::{Error, LogStorage, MetadataLog, OpenPartition, PartitionLog, SnapshotStore};
use ottla_broker_core::{LeaderEpoch, PartitionId, TopicId};

use crate::decorators::{Faults, FaultyStorage};
use crate::engine::over_log::{LogMetadata, LogSnapshots, SnapshotLogs};
use crate::memory::{Commit, Keep, MemoryOptions, MemoryStorage};

pub(super) const ENTRIES: i32 = 0;
pub(super) const SNAPSHOTS: i32 = 1;

pub(super) fn id(partition: i32) -> PartitionId {
    PartitionId { topic: TopicId(Env::seeded(5).uuid()), partition }
}

pub(super) struct Medium {
    pub(super) storage: Mutex<Arc<MemoryStorage>>,
    pub(super) faults: Faults,
    epoch: Arc<AtomicI32>,
    metadata: tokio::sync::Mutex<Option<Arc<LogMetadata>>>,
    committer: Option<Task>,
}

impl Drop for Medium {
    fn drop(&mut self) {
        if let Some(committer) = &self.committer {
            committer.abort();
        }
    }
}

impl Medium {
    fn new(commit: Commit) -> Self {
        let storage = MemoryStorage::new(MemoryOptions { commit, ..MemoryOptions::default() });
        Self {
            storage: Mutex::new(Arc::new(storage)),
            faults: Faults::new(Env::seeded(11)),
            epoch: Arc::default(),
            metadata: tokio::sync::Mutex::default(),
            committer: None,
        }
    }

    pub(super) fn immediate() -> Arc<Self> {
        Arc::new(Self::new(Commit::Immediate))
    }

    /// The test commits.
    pub(super) fn manual() -> Arc<Self> {
        Arc::new(Self::new(Commit::Manual))
    }

    /// A task commits whenever the others have had their turn.
    pub(super) fn deferred() -> Arc<Self> {
        let mut medium = Self::new(Commit::Manual);
        let storage = medium.storage().reopen();
        medium.committer = Some(Env::seeded(1).spawn("committer", async move {
            loop {
                storage.commit();
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            }
        }));
        Arc::new(medium)
    }

    pub(super) fn storage(&self) -> Arc<MemoryStorage> {
        Arc::clone(&self.storage.lock().unwrap())
    }

    pub(super) fn logs(&self) -> Logs {
        let storage = Arc::new(FaultyStorage::new(self.storage(), self.faults.clone()));
        Logs { storage, epoch: Arc::clone(&self.epoch) }
    }

    pub(super) async fn try_metadata(&self) -> Result<LogMetadata, Error> {
        let logs = self.logs();
        LogMetadata::open(logs.at(id(ENTRIES)).await?, logs.at(id(SNAPSHOTS)).await?).await
    }

    pub(super) async fn metadata(&self) -> Arc<LogMetadata> {
        Arc::new(self.try_metadata().await.unwrap())
    }

    pub(super) fn snapshots(&self) -> LogSnapshots {
        LogSnapshots::new(Arc::new(self.logs()))
    }

    /// The process ends.
    pub(super) fn crash(&self, keep: &Keep) {
        let mut storage = self.storage.lock().unwrap();
        storage.crash(keep);
        *storage = Arc::new(storage.reopen());
    }
}

#[derive(Debug)]
pub(super) struct Logs {
    pub(super) storage: Arc<FaultyStorage>,
    epoch: Arc<AtomicI32>,
}

impl Logs {
    pub(super) async fn at(&self, id: PartitionId) -> Result<Arc<dyn PartitionLog>, Error> {
        let epoch = LeaderEpoch(self.epoch.fetch_add(1, Ordering::Relaxed));
        self.storage.open_many(&[OpenPartition { id, epoch }]).await.remove(0)
    }
}

#[async_trait]
impl SnapshotLogs for Logs {
    async fn open(&self, id: PartitionId, create: bool) -> Result<Option<Arc<dyn PartitionLog>>, Error> {
        if !create && !self.storage.list().await?.contains(&id) {
            return Ok(None);
        }
        self.at(id).await.map(Some)
    }

    async fn remove(&self, id: PartitionId) -> Result<(), Error> {
        self.storage.remove(&[id]).await
    }
}

#[async_trait]
impl MetadataSubject for Medium {
    async fn open(&self) -> Arc<dyn MetadataLog> {
        let mut metadata = self.metadata.lock().await;
        if metadata.is_none() {
            *metadata = Some(self.metadata().await);
        }
        Arc::clone(metadata.as_ref().unwrap()) as _
    }

    async fn restart(&self) {
        *self.metadata.lock().await = None;
        self.crash(&Keep::Nothing);
    }
}

#[async_trait]
impl SnapshotSubject for Medium {
    async fn open(&self) -> Arc<dyn SnapshotStore> {
        Arc::new(self.snapshots())
    }
}
