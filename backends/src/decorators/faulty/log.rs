//! Handles whose calls fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ottla_broker_core::log::{
    Bounds, BoundsCell, Error, ErrorKind, PartitionLog, PartitionReader, Ticket, TrimBase, TruncateSuffix,
};
use ottla_broker_core::record::{Batch, Header};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::faults::{Fault, Faults, injected};
use crate::decorators::Operation;

/// Reads with faults.
#[derive(Debug)]
pub(super) struct FaultyReader {
    pub(super) inner: Arc<dyn PartitionReader>,
    pub(super) faults: Faults,
}

/// What `read` does of both kinds of handle.
async fn read<R: PartitionReader + ?Sized>(
    inner: &R,
    faults: &Faults,
    from: Offset,
    until: Offset,
    max_bytes: usize,
) -> Result<Vec<Batch>, Error> {
    match faults.decide(Operation::Read) {
        None => inner.read(from, until, max_bytes).await,
        Some(Fault::FlipBit) => {
            let mut batches = inner.read(from, until, max_bytes).await?;
            let at = faults.random_below(batches.len());
            if let Some(batch) = batches.get_mut(at) {
                *batch = flip_bit(batch, faults)?;
            }
            Ok(batches)
        }
        Some(Fault::Refuse(kind) | Fault::Before(kind) | Fault::After(kind)) => Err(injected(Operation::Read, kind)),
    }
}

/// One wrong bit among those that only the CRC protects: the records, and the header but for what a storage knows
/// by itself: where the batch lies and how far it goes.
fn flip_bit(batch: &Batch, faults: &Faults) -> Result<Batch, Error> {
    let mut bytes = batch.to_bytes().to_vec();
    let extent = 23..27;
    let among = bytes.len().saturating_sub(Header::CRC_START + extent.len());
    let at = Header::CRC_START + faults.random_below(among.max(1));
    let at = if at < extent.start { at } else { at + extent.len() };
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << faults.random_below(8);
    }
    Batch::parse(bytes.into())
        .map_err(|error| Error::new(ErrorKind::Corrupt, "the damaged batch cannot be read").with_source(error))
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionReader for FaultyReader {
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
        read(&*self.inner, &self.faults, from, until, max_bytes).await
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.faults.around(Operation::OffsetForTimestamp, self.inner.offset_for_timestamp(timestamp_ms)).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.faults.around(Operation::TrimBase, self.inner.trim_base()).await
    }
}

/// Writes with faults. A ticket that was made to fail closes it.
#[derive(Debug)]
pub(super) struct FaultyLog {
    inner: Arc<dyn PartitionLog>,
    faults: Faults,
    poisonings: u64,
    /// What the first failed ticket said.
    failed: Mutex<Option<Error>>,
}

impl FaultyLog {
    pub(super) fn new(inner: Arc<dyn PartitionLog>, faults: Faults) -> Self {
        Self { inner, poisonings: faults.poisonings(), faults, failed: Mutex::default() }
    }

    fn failed(&self) -> MutexGuard<'_, Option<Error>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_write(&self, failed: Option<&Error>) -> Result<(), Error> {
        if self.faults.poisonings() != self.poisonings {
            return Err(injected(Operation::Append, ErrorKind::Poisoned));
        }
        failed.map_or(Ok(()), |error| {
            let message = format!("the log of {} is closed after a failed append: {error}", self.inner.id());
            Err(Error::new(ErrorKind::Closed, message))
        })
    }

    fn check(&self) -> Result<(), Error> {
        self.check_write(self.failed().as_ref())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionReader for FaultyLog {
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
        read(&*self.inner, &self.faults, from, until, max_bytes).await
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.faults.around(Operation::OffsetForTimestamp, self.inner.offset_for_timestamp(timestamp_ms)).await
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        self.faults.around(Operation::TrimBase, self.inner.trim_base()).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl PartitionLog for FaultyLog {
    fn epoch(&self) -> LeaderEpoch {
        self.inner.epoch()
    }

    async fn ready(&self, bytes: usize) -> Result<(), Error> {
        self.check()?;
        self.faults.around(Operation::Ready, self.inner.ready(bytes)).await
    }

    async fn confirm(&self) -> Result<(), Error> {
        self.check()?;
        self.faults.around(Operation::Ready, self.inner.confirm()).await
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        // Held over the append, so that nothing is appended behind a failed one.
        let mut failed = self.failed();
        self.check_write(failed.as_ref())?;
        let kind = match self.faults.decide(Operation::Append) {
            None | Some(Fault::FlipBit) => return self.inner.append(batch),
            Some(Fault::Refuse(kind)) => return Err(injected(Operation::Append, kind)),
            Some(Fault::Before(kind)) => kind,
            Some(Fault::After(kind)) => {
                // Nobody waits for it: its answer is lost.
                drop(self.inner.append(batch)?);
                kind
            }
        };
        let error = injected(Operation::Append, kind);
        *failed = Some(error.clone());
        drop(failed);
        if kind == ErrorKind::Poisoned {
            self.faults.poison();
        }
        self.inner.bounds_cell().wake();
        Ok(Ticket::ready(Err(error)))
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        self.check()?;
        self.faults.around(Operation::TrimPrefix, self.inner.trim_prefix(before, base)).await
    }

    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error> {
        self.check()?;
        self.faults.around(Operation::ResetTo, self.inner.reset_to(at, base)).await
    }

    async fn close(&self) -> Result<(), Error> {
        let closed = self.faults.around(Operation::Close, self.inner.close()).await;
        let failed = self.failed().clone();
        failed.map_or(closed, Err)
    }

    fn truncate_suffix(&self) -> Option<&dyn TruncateSuffix> {
        self.inner.truncate_suffix().map(|_| self as _)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TruncateSuffix for FaultyLog {
    async fn truncate_to(&self, end: Offset) -> Result<Offset, Error> {
        self.check()?;
        let Some(inner) = self.inner.truncate_suffix() else {
            return Err(Error::new(ErrorKind::Closed, "the storage beneath cannot truncate"));
        };
        self.faults.around(Operation::Truncate, inner.truncate_to(end)).await
    }
}
