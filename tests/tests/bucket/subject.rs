//! A bucket behind HTTP for the conformance suites.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ottla::Env;
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_broker_core::conformance::{LogSubject, MetadataSubject, SnapshotSubject};
use ottla_broker_core::log::{LogStorage, MetadataLog, SnapshotStore};

use super::endpoint::Endpoint;

pub(super) struct Subject {
    pub(super) place: Endpoint,
    options: BucketOptions,
    open: Mutex<Option<BucketBackend>>,
    killed: AtomicBool,
}

impl Subject {
    /// As it is: what was written is read from memory.
    pub(super) fn warm(place: Endpoint) -> Arc<Self> {
        let options = BucketOptions {
            puts_per_second: 100_000,
            take_over: true,
            renew_every: Duration::from_secs(60),
            ..place.log_options()
        };
        let (open, killed) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { place, options, open, killed })
    }

    /// Every batch is a PUT and every read a GET, and the journal is compacted again and again.
    pub(super) fn cold(place: Endpoint) -> Arc<Self> {
        let Self { place, options, open, killed } = Arc::into_inner(Self::warm(place)).unwrap();
        let options = BucketOptions { tail_bytes: 0, cold_bytes: 0, group_bytes: 1, journal_objects: 16, ..options };
        Arc::new(Self { place, options, open, killed })
    }

    async fn backend(&self) -> BucketBackend {
        let before = self.open.lock().unwrap().take();
        if let Some(before) = before
            && !self.killed.swap(false, Ordering::SeqCst)
        {
            before.logs().close().await.unwrap();
        }
        let (store, options) = (self.place.own_store(), self.options.clone());
        let backend = BucketBackend::open(store, self.place.prefix(), options, &Env::system()).await.unwrap();
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
