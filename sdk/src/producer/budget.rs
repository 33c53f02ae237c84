//! Back-pressure: the bytes that may wait for their acknowledgement.

use ottla_broker_core::planted::is_planted;
use tokio::sync::{Semaphore, TryAcquireError};

use super::error::Error;

/// A counter of bytes: first come, first served, and a waiter that goes away leaves nothing behind.
/// Taking is one atomic while there is room; giving back happens once a batch.
#[derive(Debug)]
pub(super) struct Budget {
    free: Semaphore,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { free: Semaphore::new(limit), limit }
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that are not taken.
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Takes `bytes`, waiting for its turn.
    pub(super) async fn take(&self, bytes: u32) -> Result<(), Error> {
        if is_planted("unacked-bytes-unbounded") {
            return Ok(());
        }
        let taken = self.free.acquire_many(bytes).await.map_err(|_| Error::Closed { in_doubt: false })?;
        taken.forget();
        Ok(())
    }

    /// Takes `bytes` if nobody waits for them and they are there.
    pub(super) fn try_take(&self, bytes: u32) -> Result<(), Error> {
        if is_planted("unacked-bytes-unbounded") {
            return Ok(());
        }
        match self.free.try_acquire_many(bytes) {
            Ok(taken) => {
                taken.forget();
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(Error::Full { needed: bytes as usize, limit: self.limit }),
            Err(TryAcquireError::Closed) => Err(Error::Closed { in_doubt: false }),
        }
    }

    /// Gives bytes back, to whoever waits longest.
    pub(super) fn give_back(&self, bytes: usize) {
        if bytes > 0 && !is_planted("unacked-bytes-unbounded") {
            self.free.add_permits(bytes);
        }
    }

    /// Ends every wait with `Closed`.
    pub(super) fn close(&self) {
        self.free.close();
    }
}
