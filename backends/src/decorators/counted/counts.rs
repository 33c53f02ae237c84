//! What was counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::decorators::Operation;

/// Calls by kind, and the bytes of batches that went in and out.
#[derive(Debug, Default)]
pub struct Counts {
    calls: Mutex<BTreeMap<Operation, u64>>,
    appended: AtomicU64,
    read: AtomicU64,
}

impl Counts {
    /// All zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls of this kind there were, failed ones included.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(&operation).copied().unwrap_or(0)
    }

    /// Bytes of the batches that were taken.
    #[must_use]
    pub fn appended_bytes(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Bytes of the batches that were returned.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub(super) fn call(&self, operation: Operation) {
        self.calls_of(operation, 1);
    }

    pub(super) fn calls_of(&self, operation: Operation, calls: usize) {
        let mut counts = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(operation).or_default() += calls as u64;
    }

    pub(super) fn appended(&self, bytes: usize) {
        self.appended.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
