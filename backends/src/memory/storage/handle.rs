//! Handles: a reader, and the writer of one epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ottla_broker_core::log::{BoundsCell, Error, PartitionLog, PartitionReader, Ticket, TrimBase, TruncateSuffix};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::partition::{Partition, closed};
use super::store::Store;

/// One opening of a storage, as one process would have it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) store: Arc<Store>,
    pub(super) number: u64,
    pub(super) ended: AtomicBool,
}

impl Session {
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Reads a partition.
#[derive(Debug)]
pub(super) struct Reader {
    session: Arc<Session>,
    partition: Arc<Partition>,
    /// Set when the handle itself is closed.
    closed: AtomicBool,
}

impl Reader {
    pub(super) fn new(session: Arc<Session>, partition: Arc<Partition>) -> Self {
        Self { session, partition, closed: AtomicBool::new(false) }
    }

    fn check(&self) -> Result<(), Error> {
        if self.session.is_ended() {
            Err(closed(self.partition.id, "cannot be reached: its storage is closed"))
        } else if self.closed.load(Ordering::Acquire) {
            Err(closed(self.partition.id, "is closed"))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl PartitionReader for Reader {
    fn id(&self) -> PartitionId {
        self.partition.id
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        &self.partition.cell
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.check()?;
        self.partition.read(from, until, max_bytes)
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.check()?;
        self.partition.offset_for_timestamp(timestamp_ms)
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.check()?;
        self.partition.trim_base()
    }
}

/// Writes a partition at one epoch.
#[derive(Debug)]
pub(super) struct Writer {
    reader: Reader,
    epoch: LeaderEpoch,
}

impl Writer {
    pub(super) fn new(session: Arc<Session>, partition: Arc<Partition>, epoch: LeaderEpoch) -> Self {
        Self { reader: Reader::new(session, partition), epoch }
    }

    fn partition(&self) -> &Partition {
        &self.reader.partition
    }

    fn store(&self) -> &Store {
        &self.reader.session.store
    }
}

#[async_trait]
impl PartitionReader for Writer {
    fn id(&self) -> PartitionId {
        self.reader.id()
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        self.reader.bounds_cell()
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.reader.read(from, until, max_bytes).await
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.reader.offset_for_timestamp(timestamp_ms).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.reader.trim_base().await
    }
}

#[async_trait]
impl PartitionLog for Writer {
    fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    async fn ready(&self, bytes: usize) -> Result<(), Error> {
        loop {
            self.partition().check_writer(self.epoch)?;
            let Some(admitted) = self.store().room.ask(self.partition().token(), bytes) else { return Ok(()) };
            // The partition may have ended between the check and the question: then nobody wakes us.
            self.partition().check_writer(self.epoch)?;
            if admitted.await.is_ok() {
                return self.partition().check_writer(self.epoch);
            }
        }
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        self.partition().append(self.store(), self.epoch, batch)
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        self.partition().trim(self.store(), self.epoch, before, base)
    }

    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error> {
        self.partition().reset(self.store(), self.epoch, at, base)
    }

    async fn close(&self) -> Result<(), Error> {
        self.reader.closed.store(true, Ordering::Release);
        self.partition().close(self.store(), self.epoch);
        Ok(())
    }

    fn truncate_suffix(&self) -> Option<&dyn TruncateSuffix> {
        Some(self)
    }
}

#[async_trait]
impl TruncateSuffix for Writer {
    async fn truncate_to(&self, end: Offset) -> Result<Offset, Error> {
        self.partition().truncate(self.store(), self.epoch, end)
    }
}
