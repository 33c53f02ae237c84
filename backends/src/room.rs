//! Back-pressure: how many bytes may wait for durability.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Counts the bytes that are appended and not durable yet, and lets callers wait, first come first
/// served, until there is room for more.
///
/// Room is not reserved, as the trait says: whoever is let in may take more or less than announced.
/// A caller is let in when what it announced fits beneath the limit, or when nothing is pending at all.
#[derive(Debug)]
pub(crate) struct Room {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pending: usize,
    queue: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    /// Of which partition object, so that its end wakes it.
    partition: usize,
    bytes: usize,
    admit: oneshot::Sender<()>,
}

impl Room {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if there is room for `bytes` now; else what is completed when there is, or when the
    /// partition ends.
    pub(crate) fn ask(&self, partition: usize, bytes: usize) -> Option<oneshot::Receiver<()>> {
        let mut inner = self.lock();
        // Callers that gave up leave their place to those behind them.
        inner.queue.retain(|waiter| !waiter.admit.is_closed());
        if inner.pending == 0 || (inner.queue.is_empty() && inner.pending.saturating_add(bytes) <= self.limit) {
            return None;
        }
        let (admit, admitted) = oneshot::channel();
        inner.queue.push_back(Waiter { partition, bytes, admit });
        Some(admitted)
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.lock().pending += bytes;
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut inner = self.lock();
        inner.pending = inner.pending.saturating_sub(bytes);
        let mut let_in = inner.pending;
        while let Some(waiter) = inner.queue.pop_front() {
            let total = let_in.saturating_add(waiter.bytes);
            if inner.pending > 0 && total > self.limit {
                inner.queue.push_front(waiter);
                break;
            }
            if waiter.admit.send(()).is_ok() {
                let_in = total;
            }
        }
    }

    /// Wakes those who wait for `partition`: its log has ended, and they should see how.
    pub(crate) fn wake(&self, partition: usize) {
        let mut inner = self.lock();
        // Dropping the sender completes the receiver with an error, which is wake-up enough.
        inner.queue.retain(|waiter| waiter.partition != partition);
    }
}
