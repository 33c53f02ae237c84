//! Ending a reader from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::task::AtomicWaker;

/// What a reader shares with its handles and its client.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    stopped: AtomicBool,
    pub(crate) waker: AtomicWaker,
}

impl Shared {
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// Ends a [`Reader`](super::Reader) from another task.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// Ends the reader: `next` returns `None` from now on, a call that waits included.
    pub fn shutdown(&self) {
        self.0.stop();
    }

    /// Whether the reader was ended.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.0.is_stopped()
    }
}
