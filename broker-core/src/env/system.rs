//! The real world: the one file of the crate that may ask the machine.
#![expect(clippy::disallowed_methods, reason = "this is where the banned calls are wrapped")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{BoxFuture, Clock, Env, Moment, Rng, Spawn, Task};

pub(super) fn env(seed: Option<u64>) -> Env {
    // The standard library's hasher keys are the random source that needs no further crate.
    let seed = seed.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8));
    Env::new(
        Arc::new(SystemClock { origin: tokio::time::Instant::now() }),
        Arc::new(SplitMix64::new(seed)),
        Arc::new(TokioSpawn),
    )
}

#[derive(Debug)]
struct SystemClock {
    origin: tokio::time::Instant,
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        // A deadline beyond what the timer can hold (`Duration::MAX` as "never") sleeps for 30 years.
        let at = self.origin.checked_add(deadline.0.min(Duration::from_secs(60 * 60 * 24 * 365 * 30)));
        Box::pin(tokio::time::sleep_until(at.unwrap_or(self.origin)))
    }
}

/// A generator of 64 bits of state: enough for jitter, ids and simulations; not for secrets.
/// (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.)
#[derive(Debug)]
pub struct SplitMix64(AtomicU64);

impl SplitMix64 {
    /// A generator whose whole sequence follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Rng for SplitMix64 {
    fn next_u64(&self) -> u64 {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[derive(Debug)]
struct TokioSpawn;

impl Spawn for TokioSpawn {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        Task::new(tokio::spawn(future))
    }
}
