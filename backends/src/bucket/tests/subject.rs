//! Buckets for the suites.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use ottla_broker_core::conformance::{LogSubject, MetadataSubject, SnapshotSubject};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, MetadataLog, SnapshotStore};

use crate::bucket::{BucketBackend, BucketOptions};

/// A bucket in memory.
pub(crate) struct Subject {
    pub(crate) store: Arc<dyn ObjectStore>,
    options: BucketOptions,
    open: Mutex<Option<BucketBackend>>,
    killed: AtomicBool,
}

/// Options with which a test does not wait.
pub(crate) fn eager() -> BucketOptions {
    BucketOptions {
        puts_per_second: 100_000,
        take_over: true,
        renew_every: Duration::from_secs(60),
        ..BucketOptions::default()
    }
}

impl Subject {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(eager())
    }

    pub(crate) fn cold() -> Arc<Self> {
        Self::with(BucketOptions { tail_bytes: 0, group_bytes: 1, journal_objects: 16, ..eager() })
    }

    fn with(options: BucketOptions) -> Arc<Self> {
        let store = Arc::new(InMemory::new());
        Arc::new(Self { store, options, open: Mutex::default(), killed: AtomicBool::new(false) })
    }

    async fn backend(&self) -> BucketBackend {
        let before = self.open.lock().unwrap().take();
        if let Some(before) = before
            && !self.killed.swap(false, Ordering::SeqCst)
        {
            before.logs().close().await.unwrap();
        }
        let store = Arc::clone(&self.store);
        let backend = BucketBackend::open(store, "suite", self.options.clone(), &Env::system()).await.unwrap();
        *self.open.lock().unwrap() = Some(backend.clone());
        backend
    }
}

#[async_trait]
impl LogSubject for Subject {
    async fn open(&self) -> Arc<dyn LogStorage> {
        Arc::clone(self.backend().await.logs()) as _
    }

    async fn crash(&self) -> bool {
        let before = self.open.lock().unwrap().take();
        if let Some(before) = before {
            before.logs().kill();
            self.killed.store(true, Ordering::SeqCst);
        }
        true
    }
}

#[async_trait]
impl MetadataSubject for Subject {
    async fn open(&self) -> Arc<dyn MetadataLog> {
        let open = self.open.lock().unwrap().clone();
        match open {
            Some(open) => open.backend().metadata,
            None => self.backend().await.backend().metadata,
        }
    }

    async fn restart(&self) {
        self.backend().await;
    }
}

#[async_trait]
impl SnapshotSubject for Subject {
    async fn open(&self) -> Arc<dyn SnapshotStore> {
        self.backend().await.backend().snapshots
    }
}
