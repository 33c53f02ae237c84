//! What a suite must know of an implementation.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::env::BoxFuture;
use crate::ids::BrokerId;
use crate::log::{LogStorage, MetadataLog, SnapshotStore};
use crate::replica::{PeerHandler, ReplicaTransport};

/// A named case of a suite whose subject is an `S`.
pub struct Case<S: ?Sized + 'static> {
    /// Its name, which says the rule.
    pub name: &'static str,
    /// Runs it on a fresh subject; panics with a sentence if a contract is broken.
    pub run: fn(Arc<S>) -> BoxFuture<'static, ()>,
}

impl<S: ?Sized> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What happens to a write that is made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedWrite {
    /// Nothing of it reaches the medium.
    Lost,
    /// It takes effect, and only its answer is lost.
    TookEffect,
}

/// A medium that keeps logs, empty at first.
#[async_trait]
pub trait LogSubject: Send + Sync + 'static {
    /// Opens the medium. The suite has closed what it opened before, or [crashed](Self::crash) it.
    async fn open(&self) -> Arc<dyn LogStorage>;

    /// Opens the medium once more while it is open, as a second process would; `None` where only one
    /// process may.
    async fn open_beside(&self) -> Option<Arc<dyn LogStorage>> {
        None
    }

    /// Ends what is open as a crash of the process and its medium would: what was acknowledged stays,
    /// the rest may. False, and nothing done, where that cannot be arranged.
    async fn crash(&self) -> bool {
        false
    }

    /// Makes the next append's ticket fail, of whatever partition. False where that cannot be arranged.
    async fn fail_next_append(&self, _how: FailedWrite) -> bool {
        false
    }

    /// Makes the next read of batches come back with a damaged byte from the medium. False where that cannot be arranged.
    async fn damage_next_read(&self) -> bool {
        false
    }
}

/// A medium that keeps one metadata log, empty at first.
#[async_trait]
pub trait MetadataSubject: Send + Sync + 'static {
    /// A handle. Several may be held at a time: a medium of one process gives the same one again.
    async fn open(&self) -> Arc<dyn MetadataLog>;

    /// Ends all handles, as the end of their processes would; the next [`open`](Self::open) starts from the medium.
    async fn restart(&self);
}

/// A medium that keeps snapshots, empty at first.
#[async_trait]
pub trait SnapshotSubject: Send + Sync + 'static {
    /// A handle; the suite has dropped the one before.
    async fn open(&self) -> Arc<dyn SnapshotStore>;
}

/// A network of brokers without faults.
#[async_trait]
pub trait TransportSubject: Send + Sync + 'static {
    /// Adds a broker that answers with `handler`, and gives its own end of the transport.
    async fn join(&self, node: BrokerId, handler: Arc<dyn PeerHandler>) -> Arc<dyn ReplicaTransport>;

    /// Takes a broker away: requests to it fail, under way or not.
    async fn leave(&self, node: BrokerId);
}
