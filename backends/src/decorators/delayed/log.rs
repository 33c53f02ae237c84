//! Handles that take their time.

use std::sync::Arc;

use async_trait::async_trait;
use ottla_broker_core::log::{
    Bounds, BoundsCell, Error, ErrorKind, PartitionLog, PartitionReader, Ticket, TrimBase, TruncateSuffix,
};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};
use tokio::sync::mpsc;

use super::pace::{Delayed, Life};
use super::timing::Timing;
use crate::decorators::Operation;

#[derive(Debug)]
pub(super) struct DelayedReader {
    pub(super) inner: Arc<dyn PartitionReader>,
    pub(super) cell: Arc<BoundsCell>,
    pub(super) timing: Timing,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionReader for DelayedReader {
    fn id(&self) -> PartitionId {
        self.inner.id()
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        &self.cell
    }

    fn bounds(&self) -> Bounds {
        self.cell.get()
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.timing.wait(Operation::Read).await;
        self.inner.read(from, until, max_bytes).await
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.timing.wait(Operation::OffsetForTimestamp).await;
        self.inner.offset_for_timestamp(timestamp_ms).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.timing.wait(Operation::TrimBase).await;
        self.inner.trim_base().await
    }
}

#[derive(Debug)]
pub(super) struct DelayedLog {
    inner: Arc<dyn PartitionLog>,
    life: Arc<Life>,
    timing: Timing,
    appends: mpsc::UnboundedSender<Delayed>,
}

impl DelayedLog {
    pub(super) fn new(
        inner: Arc<dyn PartitionLog>,
        life: Arc<Life>,
        timing: Timing,
        appends: mpsc::UnboundedSender<Delayed>,
    ) -> Self {
        Self { inner, life, timing, appends }
    }

    /// Waits for a write that rearranges the log; what was appended before it comes first.
    async fn settle(&self, operation: Operation) -> Result<(), Error> {
        self.life.check()?;
        self.timing.wait(operation).await;
        self.life.drained().await
    }

    fn show_all(&self) {
        self.life.cell.update(|bounds| *bounds = self.inner.bounds());
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionReader for DelayedLog {
    fn id(&self) -> PartitionId {
        self.inner.id()
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        &self.life.cell
    }

    fn bounds(&self) -> Bounds {
        self.life.cell.get()
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.timing.wait(Operation::Read).await;
        self.inner.read(from, until, max_bytes).await
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.timing.wait(Operation::OffsetForTimestamp).await;
        self.inner.offset_for_timestamp(timestamp_ms).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.timing.wait(Operation::TrimBase).await;
        self.inner.trim_base().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionLog for DelayedLog {
    fn epoch(&self) -> LeaderEpoch {
        self.inner.epoch()
    }

    async fn ready(&self, bytes: usize) -> Result<(), Error> {
        self.life.check()?;
        self.inner.ready(bytes).await
    }

    async fn confirm(&self) -> Result<(), Error> {
        self.life.check()?;
        self.inner.confirm().await
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        // Held over the append, so that the queue has the order of the log.
        let mut state = self.life.lock();
        state.check(self.life.id)?;
        let next_offset = batch.next_offset();
        let beneath = self.inner.append(batch)?;
        let (resolver, ticket) = Ticket::pending();
        self.life.cell.update(|bounds| bounds.end = bounds.end.max(next_offset));
        state.appended(ticket.clone());
        let due = self.timing.env.now() + self.timing.delays.write;
        let append = Delayed { life: Arc::clone(&self.life), due, beneath, next_offset, resolver };
        // Without its task (its runtime ended) the resolver is dropped, and the ticket says `Unavailable`.
        let _ = self.appends.send(append);
        Ok(ticket)
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        self.life.check()?;
        self.timing.wait(Operation::TrimPrefix).await;
        let durable_end = self.bounds().durable_end;
        if before > durable_end {
            let message = format!("{} cannot be trimmed to {before}: its durable end is {durable_end}", self.id());
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        self.inner.trim_prefix(before, base).await?;
        self.life.cell.update(|bounds| bounds.start = bounds.start.max(before));
        Ok(())
    }

    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error> {
        self.settle(Operation::ResetTo).await?;
        self.inner.reset_to(at, base).await?;
        self.show_all();
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        self.life.close();
        self.timing.wait(Operation::Close).await;
        let closed = self.inner.close().await;
        let drained = self.life.drained().await;
        self.life.cell.wake();
        drained.and(closed)
    }

    fn truncate_suffix(&self) -> Option<&dyn TruncateSuffix> {
        self.inner.truncate_suffix().map(|_| self as _)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TruncateSuffix for DelayedLog {
    async fn truncate_to(&self, end: Offset) -> Result<Offset, Error> {
        self.settle(Operation::Truncate).await?;
        let Some(inner) = self.inner.truncate_suffix() else {
            return Err(Error::new(ErrorKind::Closed, "the storage beneath cannot truncate"));
        };
        let new_end = inner.truncate_to(end).await?;
        self.show_all();
        Ok(new_end)
    }
}
