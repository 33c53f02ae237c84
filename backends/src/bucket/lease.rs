//! Saying that the owner lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::path::Path;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Error;
use ottla_broker_core::planted::is_planted;
use tokio::sync::watch;
use uuid::Uuid;

use super::marks;
use super::store::{Purpose, Store};

/// Ends the renewals when it is dropped: an opening that is given up midway must not keep others out for ever.
#[derive(Debug)]
pub(super) struct Keeping(Lease);

impl Drop for Keeping {
    fn drop(&mut self) {
        if !is_planted("bucket-lease-outlives-opening") {
            self.0.end();
        }
    }
}

/// Our own lease.
#[derive(Clone, Debug)]
pub(super) struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    path: Path,
    id: Uuid,
    beat: AtomicU64,
    ended: watch::Sender<bool>,
    /// One write at a time: a renewal that is on its way must not come after what gives the lease back.
    turn: tokio::sync::Mutex<()>,
}

impl Lease {
    pub(super) fn new(store: Arc<Store>, path: Path, id: Uuid) -> Self {
        Self(Arc::new(Inner {
            store,
            path,
            id,
            beat: AtomicU64::new(0),
            ended: watch::Sender::new(false),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Renews it until [`end`](Self::end).
    async fn renew_all(self, env: Env, every: Duration) {
        let mut ended = self.0.ended.subscribe();
        while !*ended.borrow() {
            // Nothing depends on it but that others are not let in for a while: the next one may succeed.
            if let Err(error) = self.renew().await {
                tracing::warn!(%error, "the lease could not be renewed");
            }
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {}
                () = env.sleep(every) => {}
            }
        }
    }

    /// Renews it once, unless it has ended.
    pub(super) async fn renew(&self) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        if *self.0.ended.borrow() { Ok(()) } else { self.write(false).await }
    }

    /// Gives it back: nobody has to wait for it any more.
    pub(super) async fn release(&self) {
        self.end();
        let _turn = self.0.turn.lock().await;
        if let Err(error) = self.write(true).await {
            tracing::warn!(%error, "the lease could not be given back: the next opening waits until it is stale");
        }
    }

    async fn write(&self, released: bool) -> Result<(), Error> {
        let beat = self.0.beat.fetch_add(1, Ordering::Relaxed) + 1;
        let body = marks::Lease { id: self.0.id, beat, released }.encode();
        self.0.store.overwrite(Purpose::Ownership, &self.0.path, body).await
    }

    /// Renews it in the background, until it has ended or what this gives back is dropped.
    pub(super) fn keep(&self, env: &Env, every: Duration) -> Keeping {
        drop(env.spawn("ottla-bucket-lease", self.clone().renew_all(env.clone(), every)));
        Keeping(self.clone())
    }

    /// It is renewed no more.
    pub(super) fn end(&self) {
        self.0.ended.send_replace(true);
    }
}
