//! A storage that takes its time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{
    BoundsCell, Durability, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader,
};
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::log::{DelayedLog, DelayedReader};
use super::pace::{Delayed, Life, run};
use super::timing::{Delays, Timing};
use crate::decorators::Operation;

/// A [`LogStorage`] whose tickets resolve, and whose durable ends move, some time after those beneath.
///
/// Tickets keep their order over all partitions, as those of one journal do: one that is held up beneath
/// holds up those behind it. One task serves all. Access the storage beneath through this one alone:
/// the bounds shown do not follow other writers.
#[derive(Debug)]
pub struct DelayedStorage {
    inner: Arc<dyn LogStorage>,
    timing: Timing,
    appends: mpsc::UnboundedSender<Delayed>,
    partitions: Mutex<FxHashMap<PartitionId, Shown>>,
}

/// A partition as it is shown.
#[derive(Debug)]
struct Shown {
    cell: Arc<BoundsCell>,
    writer: Option<Arc<Life>>,
}

impl DelayedStorage {
    /// `inner`, delayed. Spawns its task through `env`.
    #[must_use]
    pub fn new(inner: Arc<dyn LogStorage>, env: Env, delays: Delays) -> Self {
        let (appends, queue) = mpsc::unbounded_channel();
        env.spawn("delayed tickets", run(env.clone(), queue));
        Self { inner, timing: Timing { env, delays }, appends, partitions: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<PartitionId, Shown>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cell that shows a partition whose bounds beneath are those of `reader`.
    fn show(&self, reader: &dyn PartitionReader) -> Arc<BoundsCell> {
        let mut partitions = self.lock();
        let fresh = || Shown { cell: Arc::new(BoundsCell::new(reader.bounds())), writer: None };
        Arc::clone(&partitions.entry(reader.id()).or_insert_with(fresh).cell)
    }

    fn opened(&self, inner: Arc<dyn PartitionLog>) -> Arc<dyn PartitionLog> {
        let cell = self.show(&*inner);
        let life = Arc::new(Life::new(inner.id(), Arc::clone(&cell)));
        let older = self.lock().get_mut(&inner.id()).and_then(|shown| shown.writer.replace(Arc::clone(&life)));
        if let Some(older) = older {
            let message = format!("partition {} was opened at leader epoch {}", inner.id(), inner.epoch());
            older.end(Error::new(ErrorKind::Fenced, message));
        }
        // All of it is durable beneath, and the older handle moves nothing any more.
        cell.update(|bounds| *bounds = inner.bounds());
        Arc::new(DelayedLog::new(inner, life, self.timing.clone(), self.appends.clone()))
    }

    fn writers(&self) -> Vec<Arc<Life>> {
        let mut writers: Vec<_> = self.lock().values().filter_map(|shown| shown.writer.clone()).collect();
        writers.sort_unstable_by_key(|life| life.id);
        writers
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl LogStorage for DelayedStorage {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn next_write_in(&self) -> Option<Duration> {
        self.inner.next_write_in()
    }

    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        self.timing.wait(Operation::Open).await;
        let opened = self.inner.open_many(partitions).await;
        opened.into_iter().map(|log| log.map(|log| self.opened(log))).collect()
    }

    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        self.timing.wait(Operation::OpenReader).await;
        let inner = self.inner.open_reader(id).await?;
        let cell = self.show(&*inner);
        Ok(Arc::new(DelayedReader { inner, cell, timing: self.timing.clone() }))
    }

    async fn list(&self) -> Result<Vec<PartitionId>, Error> {
        self.timing.wait(Operation::List).await;
        self.inner.list().await
    }

    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error> {
        self.timing.wait(Operation::Remove).await;
        self.inner.remove(ids).await?;
        for id in ids {
            let removed = self.lock().remove(id);
            if let Some(shown) = removed {
                if let Some(writer) = shown.writer {
                    writer.end(Error::new(ErrorKind::Closed, format!("the log of {id} was removed")));
                }
                shown.cell.wake();
            }
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        let writers = self.writers();
        for writer in &writers {
            writer.close();
        }
        self.timing.wait(Operation::Close).await;
        let closed = self.inner.close().await;
        let mut result = closed;
        for writer in writers {
            let fenced = |error: &Error| error.kind() == ErrorKind::Fenced;
            let drained = writer.drained().await;
            if result.is_ok() && !drained.as_ref().is_err_and(fenced) {
                result = drained;
            }
        }
        let cells: Vec<_> = self.lock().values().map(|shown| Arc::clone(&shown.cell)).collect();
        for cell in cells {
            cell.wake();
        }
        result
    }
}
