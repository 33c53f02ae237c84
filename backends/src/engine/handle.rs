//! Handles: a reader, and the writer of one epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ottla_broker_core::log::{
    BoundsCell, Durability, Error, PartitionLog, PartitionReader, Ticket, TrimBase, TruncateSuffix,
};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::core::Core;
use super::log::Log;

/// Reads a log.
#[derive(Debug)]
pub(crate) struct Reader {
    core: Arc<Core>,
    log: Arc<Log>,
    /// Set when the handle itself is closed.
    closed: AtomicBool,
}

impl Reader {
    pub(crate) fn new(core: Arc<Core>, log: Arc<Log>) -> Self {
        Self { core, log, closed: AtomicBool::new(false) }
    }

    fn check(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(self.log.closed("is closed")) } else { Ok(()) }
    }
}

#[async_trait]
impl PartitionReader for Reader {
    fn id(&self) -> PartitionId {
        self.log.key.id
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        &self.log.cell
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.check()?;
        self.log.read(&self.core, from, until, max_bytes).await
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.check()?;
        self.log.offset_for_timestamp(&self.core, timestamp_ms).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.check()?;
        self.core.check_readable()?;
        self.log.trim_base()
    }
}

/// Writes a log at one epoch.
#[derive(Debug)]
pub(crate) struct Writer {
    reader: Reader,
    epoch: LeaderEpoch,
    /// What the last append waits for.
    last: std::sync::Mutex<Option<Ticket>>,
}

impl Writer {
    pub(crate) fn new(core: Arc<Core>, log: Arc<Log>, epoch: LeaderEpoch) -> Self {
        Self { reader: Reader::new(core, log), epoch, last: std::sync::Mutex::default() }
    }

    fn log(&self) -> &Arc<Log> {
        &self.reader.log
    }

    fn core(&self) -> &Core {
        &self.reader.core
    }

    fn check(&self) -> Result<(), Error> {
        self.core().check()?;
        self.log().check_writer(self.epoch)
    }

    fn last(&self) -> Option<Ticket> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Waits until all that this handle appended is durable.
    async fn settle(&self) -> Result<(), Error> {
        match self.last() {
            Some(last) => last.await,
            None => Ok(()),
        }
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
            self.check()?;
            let Some(admitted) = self.core().room.ask(self.log().token(), bytes) else { return Ok(()) };
            // The log may have ended between the check and the question: then nobody wakes us.
            self.check()?;
            if admitted.await.is_ok() {
                return self.check();
            }
        }
    }

    async fn confirm(&self) -> Result<(), Error> {
        self.check()?;
        // A lock keeps others from a disk; a bucket is asked by a write.
        if self.core().durability != Durability::ObjectStore || is_planted("bucket-writer-unconfirmed") {
            return Ok(());
        }
        self.log().confirm(self.core(), self.epoch)?.await
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        let ticket = self.log().append(self.core(), self.epoch, batch)?;
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ticket.clone());
        Ok(ticket)
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        match self.log().trim(self.core(), self.epoch, before, base)? {
            Some(ticket) => ticket.await,
            None => Ok(()),
        }
    }

    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error> {
        loop {
            self.settle().await?;
            if let Some(ticket) = self.log().reset(self.core(), self.epoch, at, &base)? {
                return ticket.await;
            }
        }
    }

    async fn close(&self) -> Result<(), Error> {
        self.reader.closed.store(true, Ordering::Release);
        self.log().close(self.core(), self.epoch);
        self.settle().await
    }

    fn truncate_suffix(&self) -> Option<&dyn TruncateSuffix> {
        Some(self)
    }
}

#[async_trait]
impl TruncateSuffix for Writer {
    async fn truncate_to(&self, end: Offset) -> Result<Offset, Error> {
        loop {
            self.settle().await?;
            let bounds = self.log().bounds();
            // A trim that is on its way counts: it is written before.
            let start = self.log().trimmed_to();
            if end < start {
                let what = format!("{} cannot be truncated to {end}: it starts at {start}", self.log().key);
                return Err(Error::new(ottla_broker_core::log::ErrorKind::OutOfRange, what));
            }
            // Whole batches go; one that straddles the start began before it.
            let cut = self.log().boundary(self.core(), end).await?;
            let new_end = cut.unwrap_or(end).min(end).max(start).min(bounds.end);
            self.check()?;
            if new_end == bounds.end {
                return Ok(new_end);
            }
            if let Some(ticket) = self.log().truncate(self.core(), self.epoch, new_end)? {
                ticket.await?;
                return Ok(new_end);
            }
        }
    }
}
