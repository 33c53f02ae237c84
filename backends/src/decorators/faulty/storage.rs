//! A storage whose calls fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Durability, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader};

use super::faults::{Fault, Faults, injected};
use super::log::{FaultyLog, FaultyReader};
use crate::decorators::Operation;

/// A [`LogStorage`] that fails as its [`Faults`] say.
#[derive(Debug)]
pub struct FaultyStorage {
    inner: Arc<dyn LogStorage>,
    faults: Faults,
}

impl FaultyStorage {
    /// `inner`, with faults.
    #[must_use]
    pub fn new(inner: Arc<dyn LogStorage>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    /// What fails.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl LogStorage for FaultyStorage {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn next_write_in(&self) -> Option<Duration> {
        self.inner.next_write_in()
    }

    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        if self.faults.is_poisoned() {
            let poisoned = injected(Operation::Open, ErrorKind::Poisoned);
            return partitions.iter().map(|_| Err(poisoned.clone())).collect();
        }
        let faults: Vec<_> = partitions.iter().map(|_| self.faults.decide(Operation::Open)).collect();
        let reached = |fault: &Option<Fault>| !matches!(fault, Some(Fault::Before(_) | Fault::Refuse(_)));
        let wanted: Vec<_> =
            partitions.iter().zip(&faults).filter(|(_, fault)| reached(fault)).map(|(wanted, _)| *wanted).collect();
        let mut opened = self.inner.open_many(&wanted).await.into_iter();
        faults
            .into_iter()
            .map(|fault| match fault {
                Some(Fault::Before(kind) | Fault::Refuse(kind)) => Err(injected(Operation::Open, kind)),
                reached => {
                    let missing =
                        || Err(Error::new(ErrorKind::Closed, "the storage opened fewer partitions than asked"));
                    let log = opened.next().unwrap_or_else(missing)?;
                    if let Some(Fault::After(kind)) = reached {
                        return Err(injected(Operation::Open, kind));
                    }
                    Ok(Arc::new(FaultyLog::new(log, self.faults.clone())) as _)
                }
            })
            .collect()
    }

    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        let inner = self.faults.around(Operation::OpenReader, self.inner.open_reader(id)).await?;
        Ok(Arc::new(FaultyReader { inner, faults: self.faults.clone() }))
    }

    async fn list(&self) -> Result<Vec<PartitionId>, Error> {
        self.faults.around(Operation::List, self.inner.list()).await
    }

    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error> {
        self.faults.around(Operation::Remove, self.inner.remove(ids)).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.faults.around(Operation::Close, self.inner.close()).await
    }
}
