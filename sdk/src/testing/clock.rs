//! A clock that starts at the same moment in every run, and may be wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ottla_broker_core::env::{BoxFuture, Clock, Env, Moment};

/// 2026-01-01T00:00Z: when every world begins, in ms since 1970.
const BEGINNING_MS: i64 = 1_767_225_600_000;

/// A clock of a [`World`](super::World). Its monotonic scale is the world's; its wall clock is off by a skew
/// that can be changed while it runs, as when someone sets the time. Clones are one clock.
#[derive(Clone, Debug)]
pub struct TestClock {
    world: Env,
    began: Moment,
    skew_ms: Arc<AtomicI64>,
}

impl TestClock {
    pub(super) fn new(world: Env, began: Moment) -> Self {
        Self { world, began, skew_ms: Arc::default() }
    }

    /// Makes the wall clock wrong by this much: positive is fast.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        self.world.now()
    }

    fn wall_ms(&self) -> i64 {
        let passed = self.world.now().since(self.began).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        BEGINNING_MS.saturating_add(passed).saturating_add(self.skew_ms.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let world = self.world.clone();
        Box::pin(async move { world.sleep_until(deadline.max(Moment(Duration::ZERO))).await })
    }
}
