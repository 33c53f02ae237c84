//! The newest batches stay in memory: a consumer that keeps up never touches the medium.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::Offset;
use ottla_broker_core::planted::is_planted;
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
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    entries: VecDeque<(Arc<Log>, Offset)>,
    /// How many entries were left when those that mean nothing any more were last thrown out.
    swept: usize,
}

/// As few entries are never swept.
const FEW: usize = 1024;

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
        self.lock().push(log, through);
        while self.used() > self.budget {
            let oldest = self.lock().entries.pop_front();
            let Some((log, through)) = oldest else { return };
            self.give_back(log.evict(through));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.lock() = Order::default();
    }
}

impl Order {
    fn push(&mut self, log: &Arc<Log>, through: Offset) {
        self.entries.push_back((Arc::clone(log), through));
        // What was trimmed, reset or removed never comes to be evicted: its entries would gather for ever. Twice as many
        // as there were the last time make it cheap.
        if self.entries.len() > FEW.max(self.swept * 2) && !is_planted("tail-order-never-swept") {
            self.entries.retain(|(log, through)| log.holds(*through));
            self.swept = self.entries.len();
        }
    }
}

#[cfg(test)]
mod tests;
