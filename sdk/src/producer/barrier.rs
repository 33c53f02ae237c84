//! What `flush` waits for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The batches without an answer, by their number: numbers only grow, so "everything before this call"
/// is everything up to the newest number.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    outstanding: Mutex<Outstanding>,
    progress: Notify,
}

#[derive(Debug, Default)]
struct Outstanding {
    /// How many pieces each numbered batch has.
    batches: BTreeMap<u64, u32>,
    newest: u64,
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

    /// Waits until every batch that is numbered by now has its answer.
    pub(super) async fn wait(&self) {
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Outstanding> {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
