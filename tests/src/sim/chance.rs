//! Draws from a seed.

use std::time::Duration;

use ottla::Env;

/// Chance of one actor.
#[derive(Clone, Debug)]
pub(super) struct Chance(pub(super) Env);

impl Chance {
    /// A number from `low` to `high`, both included.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.0.random_below(high - low + 1)
    }

    pub(super) fn index(&self, len: usize) -> usize {
        usize::try_from(self.0.random_below(len as u64)).unwrap()
    }

    pub(super) fn one_in(&self, n: u64) -> bool {
        self.0.random_below(n) == 0
    }

    pub(super) fn ms(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    pub(super) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }
}
