//! Memory storage as the suites see it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ottla_backends::memory::network::MemoryNetwork;
use ottla_backends::memory::{Commit, Keep, MemoryMetadataLog, MemoryOptions, MemorySnapshots, MemoryStorage};
use ottla_broker_core::BrokerId;
use ottla_broker_core::conformance::{LogSubject, MetadataSubject, SnapshotSubject, TransportSubject};
use ottla_broker_core::env::{Env, SplitMix64, Task};
use ottla_broker_core::log::{LogStorage, MetadataLog, SnapshotStore};
use ottla_broker_core::replica::{PeerHandler, ReplicaTransport};

/// A memory whose sessions come and go.
pub(crate) struct MemorySubject {
    /// The newest session, whose `reopen` is the next.
    current: Mutex<Arc<MemoryStorage>>,
    keep: Keep,
    committer: Option<Task>,
}

impl MemorySubject {
    pub(crate) fn immediate() -> Arc<Self> {
        let storage = Arc::new(MemoryStorage::default());
        Arc::new(Self { current: Mutex::new(storage), keep: Keep::Nothing, committer: None })
    }

    /// A task commits whenever the others have had their turn.
    pub(crate) fn deferred() -> Arc<Self> {
        let options = MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() };
        let storage = Arc::new(MemoryStorage::new(options));
        let medium = storage.reopen();
        let committer = Env::seeded(1).spawn("committer", async move {
            loop {
                medium.commit();
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            }
        });
        let keep = Keep::Random(Arc::new(SplitMix64::new(7)));
        Arc::new(Self { current: Mutex::new(storage), keep, committer: Some(committer) })
    }

    fn next(&self) -> Arc<MemoryStorage> {
        let mut current = self.current.lock().unwrap();
        *current = Arc::new(current.reopen());
        Arc::clone(&current)
    }
}

impl Drop for MemorySubject {
    fn drop(&mut self) {
        if let Some(committer) = &self.committer {
            committer.abort();
        }
    }
}

#[async_trait]
impl LogSubject for MemorySubject {
    async fn open(&self) -> Arc<dyn LogStorage> {
        self.next()
    }

    async fn open_beside(&self) -> Option<Arc<dyn LogStorage>> {
        Some(self.next())
    }

    async fn crash(&self) -> bool {
        self.current.lock().unwrap().crash(&self.keep);
        true
    }
}

pub(crate) struct MetadataInMemory(Arc<MemoryMetadataLog>);

impl MetadataInMemory {
    pub(crate) fn subject() -> Arc<Self> {
        Arc::new(Self(Arc::new(MemoryMetadataLog::new())))
    }
}

#[async_trait]
impl MetadataSubject for MetadataInMemory {
    async fn open(&self) -> Arc<dyn MetadataLog> {
        Arc::clone(&self.0) as _
    }

    async fn restart(&self) {}
}

pub(crate) struct SnapshotsInMemory(Arc<MemorySnapshots>);

impl SnapshotsInMemory {
    pub(crate) fn subject() -> Arc<Self> {
        Arc::new(Self(Arc::new(MemorySnapshots::new())))
    }
}

#[async_trait]
impl SnapshotSubject for SnapshotsInMemory {
    async fn open(&self) -> Arc<dyn SnapshotStore> {
        Arc::clone(&self.0) as _
    }
}

pub(crate) struct NetworkInMemory(MemoryNetwork);

impl NetworkInMemory {
    pub(crate) fn subject() -> Arc<Self> {
        Arc::new(Self(MemoryNetwork::new(Env::seeded(3))))
    }
}

#[async_trait]
impl TransportSubject for NetworkInMemory {
    async fn join(&self, node: BrokerId, handler: Arc<dyn PeerHandler>) -> Arc<dyn ReplicaTransport> {
        Arc::new(self.0.join(node, handler))
    }

    async fn leave(&self, node: BrokerId) {
        self.0.leave(node);
    }
}
