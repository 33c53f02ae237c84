//! Partitions' logs in memory.

mod batches;
mod handle;
mod partition;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Durability, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader};

use super::options::{Keep, MemoryOptions};
use handle::{Reader, Session, Writer};
use partition::{Partition, closed};
use store::Store;

/// The logs of partitions in memory, as one session sees them.
///
/// The logs live as long as any session of them. [`reopen`](Self::reopen) starts another session, which
/// is what a restarted process is: it opens partitions at newer epochs and so fences the handles of the
/// older sessions. [`LogStorage::close`] and [`crash`](Self::crash) end a session, with and without grace.
#[derive(Debug)]
pub struct MemoryStorage {
    session: Arc<Session>,
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryStorage {
    /// An empty storage.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self::session_of(Arc::new(Store::new(options)))
    }

    fn session_of(store: Arc<Store>) -> Self {
        let number = store.new_session();
        Self { session: Arc::new(Session { store, number, ended: AtomicBool::new(false) }) }
    }

    fn store(&self) -> &Store {
        &self.session.store
    }

    fn check(&self) -> Result<(), Error> {
        if self.session.is_ended() {
            Err(Error::new(ErrorKind::Closed, "this session of the memory storage has ended: reopen it"))
        } else {
            Ok(())
        }
    }

    /// Another session on the same logs. The older ones go on until they are closed, crashed or fenced.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self::session_of(Arc::clone(&self.session.store))
    }

    /// Bytes of all batches that are held.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.store().used()
    }

    /// How many batches of a partition are not durable yet.
    #[must_use]
    pub fn pending_batches(&self, id: PartitionId) -> usize {
        self.store().get(id).map_or(0, |partition| partition.pending())
    }

    /// Waits until something was appended, by any session, since the last call: for a test that plays the medium
    /// and commits a while after. One may wait at a time. Cancel-safe.
    pub async fn appended(&self) {
        self.store().appended.notified().await;
    }

    /// Makes everything durable that was appended, partition by partition in order; says how many batches.
    pub fn commit(&self) -> usize {
        self.store().partitions().iter().map(|partition| partition.commit(self.store(), usize::MAX)).sum()
    }

    /// Makes the first `batches` pending ones of a partition durable; says how many there were.
    pub fn commit_partition(&self, id: PartitionId, batches: usize) -> usize {
        self.store().get(id).map_or(0, |partition| partition.commit(self.store(), batches))
    }

    /// Ends this session as a crash of its process would: of the batches that it had not made durable only
    /// those stay that `keep` spares, all its unresolved tickets fail with `Unavailable`, and its handles
    /// are closed. Other sessions are not touched. Go on with [`reopen`](Self::reopen).
    pub fn crash(&self, keep: &Keep) {
        self.session.ended.store(true, Ordering::Release);
        for partition in self.store().partitions() {
            partition.crash(self.store(), self.session.number, keep);
        }
    }

    fn open(&self, wanted: &OpenPartition) -> Result<Arc<dyn PartitionLog>, Error> {
        self.check()?;
        let partition =
            Arc::clone(self.store().lock().entry(wanted.id).or_insert_with(|| Arc::new(Partition::new(wanted.id))));
        partition.open(self.store(), wanted.epoch, self.session.number)?;
        if self.session.is_ended() {
            // It ended meanwhile, and may have passed this partition by before it was open.
            partition.close_session(self.store(), self.session.number);
            self.check()?;
        }
        Ok(Arc::new(Writer::new(Arc::clone(&self.session), partition, wanted.epoch)))
    }
}

#[async_trait]
impl LogStorage for MemoryStorage {
    fn durability(&self) -> Durability {
        self.store().options.durability
    }

    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        partitions.iter().map(|wanted| self.open(wanted)).collect()
    }

    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        self.check()?;
        let partition = self.store().get(id).ok_or_else(|| closed(id, "does not exist"))?;
        Ok(Arc::new(Reader::new(Arc::clone(&self.session), partition)))
    }

    async fn list(&self) -> Result<Vec<PartitionId>, Error> {
        self.check()?;
        Ok(self.store().lock().keys().copied().collect())
    }

    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error> {
        self.check()?;
        for id in ids {
            let removed = self.store().lock().remove(id);
            if let Some(partition) = removed {
                partition.remove(self.store());
            }
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        if !self.session.ended.swap(true, Ordering::AcqRel) {
            for partition in self.store().partitions() {
                partition.close_session(self.store(), self.session.number);
            }
        }
        Ok(())
    }
}
