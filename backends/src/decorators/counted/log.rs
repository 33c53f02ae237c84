//! Handles whose calls are counted.

use std::sync::Arc;

use async_trait::async_trait;
use ottla_broker_core::log::{
    Bounds, BoundsCell, Error, ErrorKind, PartitionLog, PartitionReader, Ticket, TrimBase, TruncateSuffix,
};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::counts::Counts;
use crate::decorators::Operation;

#[derive(Debug)]
pub(super) struct CountedReader {
    pub(super) inner: Arc<dyn PartitionReader>,
    pub(super) counts: Arc<Counts>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionReader for CountedReader {
    fn id(&self) -> PartitionId {
        self.inner.id()
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        self.inner.bounds_cell()
    }

    fn bounds(&self) -> Bounds {
        self.inner.bounds()
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.counts.call(Operation::Read);
        let batches = self.inner.read(from, until, max_bytes).await?;
        self.counts.read(batches.iter().map(Batch::size_in_bytes).sum());
        Ok(batches)
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.counts.call(Operation::OffsetForTimestamp);
        self.inner.offset_for_timestamp(timestamp_ms).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.counts.call(Operation::TrimBase);
        self.inner.trim_base().await
    }
}

#[derive(Debug)]
pub(super) struct CountedLog {
    pub(super) inner: Arc<dyn PartitionLog>,
    pub(super) counts: Arc<Counts>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionReader for CountedLog {
    fn id(&self) -> PartitionId {
        self.inner.id()
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        self.inner.bounds_cell()
    }

    fn bounds(&self) -> Bounds {
        self.inner.bounds()
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.counts.call(Operation::Read);
        let batches = self.inner.read(from, until, max_bytes).await?;
        self.counts.read(batches.iter().map(Batch::size_in_bytes).sum());
        Ok(batches)
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.counts.call(Operation::OffsetForTimestamp);
        self.inner.offset_for_timestamp(timestamp_ms).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.counts.call(Operation::TrimBase);
        self.inner.trim_base().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionLog for CountedLog {
    fn epoch(&self) -> LeaderEpoch {
        self.inner.epoch()
    }

    async fn ready(&self, bytes: usize) -> Result<(), Error> {
        self.counts.call(Operation::Ready);
        self.inner.ready(bytes).await
    }

    async fn confirm(&self) -> Result<(), Error> {
        self.counts.call(Operation::Ready);
        self.inner.confirm().await
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        self.counts.call(Operation::Append);
        let bytes = batch.size_in_bytes();
        let ticket = self.inner.append(batch)?;
        self.counts.appended(bytes);
        Ok(ticket)
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        self.counts.call(Operation::TrimPrefix);
        self.inner.trim_prefix(before, base).await
    }

    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error> {
        self.counts.call(Operation::ResetTo);
        self.inner.reset_to(at, base).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.counts.call(Operation::Close);
        self.inner.close().await
    }

    fn truncate_suffix(&self) -> Option<&dyn TruncateSuffix> {
        self.inner.truncate_suffix().map(|_| self as _)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TruncateSuffix for CountedLog {
    async fn truncate_to(&self, end: Offset) -> Result<Offset, Error> {
        self.counts.call(Operation::Truncate);
        let Some(inner) = self.inner.truncate_suffix() else {
            return Err(Error::new(ErrorKind::Closed, "the storage beneath cannot truncate"));
        };
        inner.truncate_to(end).await
    }
}
