//! A storage whose calls are counted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Durability, Error, LogStorage, OpenPartition, PartitionLog, PartitionReader};

use super::counts::Counts;
use super::log::{CountedLog, CountedReader};
use crate::decorators::Operation;

/// A [`LogStorage`] that counts its calls and bytes in its [`Counts`].
#[derive(Debug)]
pub struct CountedStorage {
    inner: Arc<dyn LogStorage>,
    counts: Arc<Counts>,
}

impl CountedStorage {
    /// `inner`, counted.
    #[must_use]
    pub fn new(inner: Arc<dyn LogStorage>, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl LogStorage for CountedStorage {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn next_write_in(&self) -> Option<Duration> {
        self.inner.next_write_in()
    }

    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        self.counts.calls_of(Operation::Open, partitions.len());
        let opened = self.inner.open_many(partitions).await;
        let decorate = |inner| Arc::new(CountedLog { inner, counts: Arc::clone(&self.counts) }) as _;
        opened.into_iter().map(|log| log.map(decorate)).collect()
    }

    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        self.counts.call(Operation::OpenReader);
        let inner = self.inner.open_reader(id).await?;
        Ok(Arc::new(CountedReader { inner, counts: Arc::clone(&self.counts) }))
    }

    async fn list(&self) -> Result<Vec<PartitionId>, Error> {
        self.counts.call(Operation::List);
        self.inner.list().await
    }

    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error> {
        self.counts.call(Operation::Remove);
        self.inner.remove(ids).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.counts.call(Operation::Close);
        self.inner.close().await
    }
}
