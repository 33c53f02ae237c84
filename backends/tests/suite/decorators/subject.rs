//! Memory storage beneath each decorator.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_backends::decorators::{
    CountedStorage, Counts, DelayedStorage, Delays, Fault, Faults, FaultyMetadataLog, FaultyStorage, Operation,
};
use ottla_backends::memory::MemoryMetadataLog;
use ottla_broker_core::conformance::{FailedWrite, LogSubject, MetadataSubject};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{ErrorKind, LogStorage, MetadataLog};

use crate::memory::subject::MemorySubject;

type Decorate = Box<dyn Fn(Arc<dyn LogStorage>) -> Arc<dyn LogStorage> + Send + Sync>;

pub(crate) struct Decorated {
    beneath: Arc<MemorySubject>,
    decorate: Decorate,
    faults: Option<Faults>,
}

impl Decorated {
    pub(crate) fn faulty() -> Arc<Self> {
        let faults = Faults::new(Env::seeded(1));
        let shared = faults.clone();
        Arc::new(Self {
            beneath: MemorySubject::immediate(),
            decorate: Box::new(move |inner| Arc::new(FaultyStorage::new(inner, shared.clone()))),
            faults: Some(faults),
        })
    }

    /// In real time, a little later.
    pub(crate) fn delayed() -> Arc<Self> {
        let delays = Delays { write: Duration::from_micros(50), ..Delays::default() };
        Arc::new(Self {
            beneath: MemorySubject::immediate(),
            decorate: Box::new(move |inner| Arc::new(DelayedStorage::new(inner, Env::seeded(1), delays))),
            faults: None,
        })
    }

    pub(crate) fn counted() -> Arc<Self> {
        Arc::new(Self {
            beneath: MemorySubject::deferred(),
            decorate: Box::new(|inner| Arc::new(CountedStorage::new(inner, Arc::new(Counts::new())))),
            faults: None,
        })
    }
}

#[async_trait]
impl LogSubject for Decorated {
    async fn open(&self) -> Arc<dyn LogStorage> {
        (self.decorate)(self.beneath.open().await)
    }

    async fn crash(&self) -> bool {
        self.beneath.crash().await
    }

    async fn fail_next_append(&self, how: FailedWrite) -> bool {
        let Some(faults) = &self.faults else { return false };
        let fault = match how {
            FailedWrite::Lost => Fault::Before(ErrorKind::Unavailable),
            FailedWrite::TookEffect => Fault::After(ErrorKind::Unavailable),
        };
        faults.next(Operation::Append, fault);
        true
    }
}

pub(crate) struct FaultyMetadata(Arc<FaultyMetadataLog>);

impl FaultyMetadata {
    pub(crate) fn subject() -> Arc<Self> {
        let inner = Arc::new(MemoryMetadataLog::new());
        Arc::new(Self(Arc::new(FaultyMetadataLog::new(inner, Faults::new(Env::seeded(1))))))
    }
}

#[async_trait]
impl MetadataSubject for FaultyMetadata {
    async fn open(&self) -> Arc<dyn MetadataLog> {
        Arc::clone(&self.0) as _
    }

    async fn restart(&self) {}
}
