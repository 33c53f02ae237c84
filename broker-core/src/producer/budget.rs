//! How many producers a broker remembers, whatever its clients do (invariant 10).
//!
//! Any client may name any producer id, and each that a partition has not met costs it some 200 bytes until it
//! expires. So the partitions of a broker share a budget. While it is used up, a partition that meets
//! another producer first forgets an eighth of its own: those that it has not seen for longest. A producer that
//! is forgotten is one that has expired early: it may go on, and only a retry of what it sent
//! before that is not recognised.
//!
//! ids that the cluster never gave out are not refused, as they are not in Kafka: mirrors keep foreign ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound over the partitions of one broker. It may be exceeded by one producer a partition: the last
/// that wrote is always remembered.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of `limit` producers.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// How many are remembered now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// What one partition has of a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    taken: usize,
}

impl Share {
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), taken: 0 }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.budget.used() >= self.budget.limit
    }

    /// Says how many the partition has now.
    pub(crate) fn set(&mut self, now: usize) {
        if now > self.taken {
            self.budget.used.fetch_add(now - self.taken, Ordering::Relaxed);
        } else if now < self.taken {
            self.budget.used.fetch_sub(self.taken - now, Ordering::Relaxed);
        }
        self.taken = now;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}
