//! The memory of requests that are being received or answered, over all connections.
//!
//! ```text
//!  short: whole when they ask      long: as they arrive                       beyond: one request
//! ├──────────── 1/4 ─────────────┼──────────────────── 3/4 ─────────────────┤├───────────────────┤
//! ```
//!
//! Long requests take their share as they arrive, so that what is only announced costs nobody anything. Half-read ones
//! could wait for one another for ever: so one of them at a time goes on beyond the budget until it is
//! answered. Short ones are whole before they ask. They have a part of their own, so that no half-read
//! request is in their way.

use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::planted::is_planted;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget.
#[derive(Debug)]
pub(crate) struct Budget {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
}

/// What one request has of it: given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    permits: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

/// A place in the queue. The server never closes the budget, so that nothing but a share comes of it.
pub(crate) type Asking = BoxFuture<'static, Option<Share>>;

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let short = bytes / 4;
        Self {
            short: Arc::new(Semaphore::new(short)),
            long: Arc::new(Semaphore::new(bytes - short)),
            beyond: Arc::new(Semaphore::new(1)),
        }
    }

    /// The share of a request that is whole, or a place in the queue for it.
    pub(crate) fn short(&self, bytes: usize) -> Result<Share, Asking> {
        if let Some(permit) = at_once(&self.short, bytes) {
            return Ok(Share { permits: Some(permit), beyond: None });
        }
        let queue = Arc::clone(&self.short);
        Err(Box::pin(async move {
            let permit = queue.acquire_many_owned(permits(bytes)).await.ok()?;
            Some(Share { permits: Some(permit), beyond: None })
        }))
    }

    /// More for a request that is being received and has `held`, or a place in the queue for it.
    pub(crate) fn long(&self, held: &Share, bytes: usize) -> Result<Share, Asking> {
        if held.beyond.is_some() {
            return Ok(Share::default());
        }
        if let Some(permit) = at_once(&self.long, bytes) {
            return Ok(Share { permits: Some(permit), beyond: None });
        }
        let (queue, beyond) = (Arc::clone(&self.long), Arc::clone(&self.beyond));
        Err(Box::pin(async move {
            if is_planted("half-read-wait-for-one-another") {
                let permit = queue.acquire_many_owned(permits(bytes)).await.ok();
                return Some(Share { permits: permit, beyond: None });
            }
            match select(pin!(queue.acquire_many_owned(permits(bytes))), pin!(beyond.acquire_owned())).await {
                Either::Left((permit, _)) => Some(Share { permits: Some(permit.ok()?), beyond: None }),
                Either::Right((beyond, _)) => Some(Share { permits: None, beyond: Some(beyond.ok()?) }),
            }
        }))
    }

    /// Bytes that are left for short requests, and for long ones.
    #[cfg(test)]
    pub(crate) fn left(&self) -> (usize, usize) {
        (self.short.available_permits(), self.long.available_permits())
    }
}

impl Share {
    /// Takes more of the same part.
    pub(crate) fn add(&mut self, more: Self) {
        match (&mut self.permits, more.permits) {
            (Some(permits), Some(more)) => permits.merge(more),
            (none, more) => *none = none.take().or(more),
        }
        self.beyond = self.beyond.take().or(more.beyond);
    }
}

fn permits(bytes: usize) -> u32 {
    if is_planted("budget-unasked") { 0 } else { u32::try_from(bytes).unwrap_or(u32::MAX) }
}

fn at_once(part: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(part).try_acquire_many_owned(permits(bytes)).ok()
}
