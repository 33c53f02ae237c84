//! The newest batches stay in memory: a consumer that keeps up never touches the medium.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ottla_broker_core::Offset;
use ottla_broker_core::record::Batch;

use super::log::Log;

/// What a batch takes besides its bytes.
const OVERHEAD: usize = 160;

/// The budget for the newest batches of all logs. What is not durable yet counts and is never evicted.
#[derive(Debug)]
pub(crate) struct Tail {
    budget: usize,
    used: AtomicUsize,
    /// What became durable, oldest first, each up to an offset.
    order: Mutex<VecDeque<(Arc<Log>, Offset)>>,
}

pub(crate) fn cost(batch: &Batch) -> usize {
    batch.size_in_bytes() + OVERHEAD
}

impl Tail {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, used: AtomicUsize::new(0), order: Mutex::default() }
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of all batches in memory.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A log's batches up to `through` are durable now. Evicts the oldest beyond the budget.
    pub(crate) fn durable(&self, log: &Arc<Log>, through: Offset) {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).push_back((Arc::clone(log), through));
        while self.used() > self.budget {
            let oldest = self.order.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((log, through)) = oldest else { return };
            self.give_back(log.evict(through));
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
