//! Why `enqueue` may wait although there is room: it lets a storage that answers fast catch up.
//!
//! Batches that are full go five beside each other, and five more are ready to follow them: whatever an answer makes way
//! for, there is a batch to go. More of them make nothing faster. Each only waits longer, and its bytes have left the
//! processor's caches when they are written: 64 MiB of them made a disk's page cache half as fast.
//!
//! It is for what flows. Where answers take long, or there are none for a while, everything up to `max_unacked_bytes` is
//! taken at once, so that who enqueues does not notice a leader that moves. What is not to wait does not: `try_enqueue`,
//! and whoever has a permit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla_broker_core::env::Env;
use ottla_broker_core::planted::is_planted;
use tokio::sync::Notify;

use super::settings::Config;
use super::state::Index;

/// Full batches of a partition that are ready to follow those in flight.
pub(super) const READY: usize = Config::MAX_IN_FLIGHT;

/// The partition that has more than enough, if there is one; if there are several, the last.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// One more than its index.
    at: AtomicUsize,
    gone: Notify,
}

impl Crowd {
    pub(super) fn gathered(&self, at: Index) {
        if !is_planted("enqueues-into-a-crowd") {
            self.at.store(at + 1, Ordering::Release);
        }
    }

    pub(super) fn at(&self) -> Option<Index> {
        self.at.load(Ordering::Acquire).checked_sub(1)
    }

    pub(super) fn dissolved(&self) {
        self.at.store(0, Ordering::Release);
        self.gone.notify_waiters();
    }

    /// Waits until it has gone, and no longer than `limit`. Cancel-safe.
    #[inline]
    pub(super) async fn wait(&self, env: &Env, limit: Duration) {
        if self.at().is_some() {
            self.wait_for_it(env, limit).await;
        }
    }

    #[cold]
    async fn wait_for_it(&self, env: &Env, limit: Duration) {
        let mut gone = std::pin::pin!(self.gone.notified());
        // Before the second look: what happens after it is heard.
        gone.as_mut().enable();
        if self.at().is_some() && env.timeout(limit, gone).await.is_err() {
            // It does not flow any more.
            self.dissolved();
        }
    }
}
