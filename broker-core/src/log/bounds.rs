//! A log's bounds, and a watch on them that wakes only who waits.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ids::Offset;

/// Where a log starts and ends.
///
/// ```text
///      trimmed        durable              appended, not yet durable
///   ╌╌╌╌╌╌╌╌╌╌╌┃━━━━━━━━━━━━━━━━━━━━━━━━━┃───────────────────────┃
///            start                  durable_end                 end
/// ```
///
/// `start ≤ durable_end ≤ end` always. `start` and `durable_end` never go back while a handle is open,
/// except by [`reset_to`](super::PartitionLog::reset_to); `end` goes back only by truncation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that may be read (Kafka's log start offset).
    pub start: Offset,
    /// One past the last offset that is as durable as the storage was configured for.
    pub durable_end: Offset,
    /// One past the last offset that was appended (Kafka's log end offset): what the next append takes at least.
    pub end: Offset,
}

impl Bounds {
    /// The bounds of a log without records whose next offset is `at`.
    #[must_use]
    pub const fn empty_at(at: Offset) -> Self {
        Self { start: at, durable_end: at, end: at }
    }
}

/// A value of bounds that can be watched.
///
/// A waiter registers one [`Signal`] with all the cells that it cares for, under a token each, and
/// is told which tokens changed: waiting on ten thousand partitions costs one task and no timer, and a
/// change wakes only those who registered. An idle cell is one small allocation.
#[derive(Debug, Default)]
pub struct BoundsCell {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bounds: Bounds,
    next_id: u64,
    subscribers: Vec<(u64, Arc<Signal>, u32)>,
}

impl BoundsCell {
    /// A cell that holds `bounds`.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { inner: Mutex::new(Inner { bounds, ..Inner::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No user code runs under the lock, so a poisoned one still holds whole values.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bounds now.
    #[must_use]
    pub fn get(&self) -> Bounds {
        self.lock().bounds
    }

    /// Changes the bounds and wakes the subscribers if they differ.
    pub fn update(&self, change: impl FnOnce(&mut Bounds)) {
        let mut inner = self.lock();
        let before = inner.bounds;
        change(&mut inner.bounds);
        debug_assert!(
            inner.bounds.start <= inner.bounds.durable_end && inner.bounds.durable_end <= inner.bounds.end,
            "bounds out of order: {:?}",
            inner.bounds
        );
        if inner.bounds != before {
            for (_, signal, token) in &inner.subscribers {
                signal.raise(*token);
            }
        }
    }

    /// Wakes the subscribers although the bounds are what they were: the log closed or failed, and
    /// who waits should look.
    pub fn wake(&self) {
        for (_, signal, token) in &self.lock().subscribers {
            signal.raise(*token);
        }
    }

    /// Raises `token` on `signal` at every change from now on, until the subscription is dropped.
    /// Look at [`get`](Self::get) *after* subscribing: a change before it raises nothing.
    #[must_use = "dropping the subscription ends it"]
    pub fn subscribe(self: &Arc<Self>, signal: &Arc<Signal>, token: u32) -> Subscription {
        let mut inner = self.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.subscribers.push((id, Arc::clone(signal), token));
        Subscription { cell: Arc::clone(self), id }
    }

    /// How many subscriptions are open.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }
}

/// One registration of a [`Signal`] with a [`BoundsCell`]; ends when dropped.
pub struct Subscription {
    cell: Arc<BoundsCell>,
    id: u64,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut inner = self.cell.lock();
        if let Some(at) = inner.subscribers.iter().position(|(id, _, _)| *id == self.id) {
            inner.subscribers.swap_remove(at);
        }
        if inner.subscribers.is_empty() {
            // An idle cell keeps no memory of its busier days.
            inner.subscribers = Vec::new();
        }
    }
}

/// Collects the tokens of the cells that changed, for one waiting task.
#[derive(Debug, Default)]
pub struct Signal {
    raised: Mutex<VecDeque<u32>>,
    notify: Notify,
}

impl Signal {
    /// A signal that nothing has raised.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds `token` to what [`changed`](Self::changed) returns, unless it was the last one added.
    pub fn raise(&self, token: u32) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.back() != Some(&token) {
            raised.push_back(token);
        }
        drop(raised);
        self.notify.notify_one();
    }

    /// Waits until at least one token was raised and takes all of them, each once, in order. Cancel-safe.
    /// For one waiting task at a time.
    pub async fn changed(&self) -> Vec<u32> {
        loop {
            let mut tokens: Vec<u32> =
                std::mem::take(&mut *self.raised.lock().unwrap_or_else(PoisonError::into_inner)).into();
            if !tokens.is_empty() {
                tokens.sort_unstable();
                tokens.dedup();
                return tokens;
            }
            self.notify.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_wakes_only_its_subscribers() {
        let cells: Vec<_> = (0..3).map(|_| Arc::new(BoundsCell::default())).collect();
        let signal = Signal::new();
        let subscriptions: Vec<_> =
            (0..).zip(&cells).map(|(token, cell): (u32, _)| cell.subscribe(&signal, token)).collect();
        cells[2].update(|b| b.end = Offset(1));
        cells[1].update(|_| ());
        cells[2].update(|b| b.end = Offset(2));
        assert_eq!(signal.changed().await, [2]);
        cells[0].wake();
        assert_eq!(signal.changed().await, [0]);
        drop(subscriptions);
        assert!(cells.iter().all(|cell| cell.subscribers() == 0));
    }
}
