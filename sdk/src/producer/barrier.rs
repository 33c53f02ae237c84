//! What `flush` waits for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The batches without an answer, by their number: numbers only grow, so "everything before this call"
/// is everything up to the newest number.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    outstanding: Mutex<Outstanding>,
    progress: Notify,
    /// How many wait.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Outstanding {
    /// How many pieces each numbered batch has.
    batches: BTreeMap<u64, u32>,
    newest: u64,
}

/// One who waits, for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn one(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Barrier {
    /// A new batch.
    pub(super) fn add(&self) -> u64 {
        let mut outstanding = self.lock();
        outstanding.newest += 1;
        let number = outstanding.newest;
        outstanding.batches.insert(number, 1);
        number
    }

    /// A batch was split: one piece more.
    pub(super) fn split(&self, number: u64) {
        if let Some(pieces) = self.lock().batches.get_mut(&number) {
            *pieces += 1;
        }
    }

    /// A piece of a batch has its answer, and its deliveries know.
    pub(super) fn remove(&self, number: u64) {
        let mut outstanding = self.lock();
        let Some(pieces) = outstanding.batches.get_mut(&number) else { return };
        *pieces -= 1;
        if *pieces == 0 {
            outstanding.batches.remove(&number);
            drop(outstanding);
            self.progress.notify_waiters();
        }
    }

    /// Whether someone waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Waits until every batch that is numbered by now has its answer.
    pub(super) fn wait(&self) -> impl Future<Output = ()> {
        let waits = Waits::one(&self.waiting);
        async move {
            let _waits = waits;
            let newest = self.lock().newest;
            loop {
                let progress = self.progress.notified();
                tokio::pin!(progress);
                // Listening starts before looking, so that nothing is missed in between.
                progress.as_mut().enable();
                if self.lock().batches.first_key_value().is_none_or(|(&oldest, _)| oldest > newest) {
                    return;
                }
                progress.await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Outstanding> {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
