//! The storage as a broker sees it, and its tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ObjectStore;
use ottla_broker_core::PartitionId;
use ottla_broker_core::env::Env;
#[cfg(any(test, feature = "testing"))]
use ottla_broker_core::env::Task;
use ottla_broker_core::log::{Durability, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader};
use tokio::sync::watch;

use super::engine::Engine;
use super::keys::Keys;
use super::lease::{Keeping, Lease};
use super::options::BucketOptions;
use super::recover::recover;
use super::shelf::Shelf;
use super::store::{BucketStats, Store};
use super::takeover::{self, Refused, Taken};
use crate::engine::{Core, Key, Limits, Space};

/// Partitions' logs under one prefix of a bucket.
///
/// Three tasks work for it, whatever the number of partitions: one writes, one compacts, takes checkpoints and deletes,
/// one renews the lease. They end with [`LogStorage::close`], or by themselves when this is dropped, as far as the
/// runtime lets them.
#[derive(Debug)]
pub struct BucketStorage {
    pub(super) core: Arc<Core>,
    engine: Arc<Engine>,
    /// Kept to be killed.
    #[cfg(any(test, feature = "testing"))]
    tasks: [Task; 2],
    /// How it ended, once it has.
    outcome: watch::Receiver<Option<Result<(), Error>>>,
    dropped: AtomicBool,
}

impl BucketStorage {
    pub(super) async fn open(
        inner: Arc<dyn ObjectStore>,
        prefix: &str,
        options: BucketOptions,
        env: &Env,
        hold: Option<watch::Sender<()>>,
    ) -> Result<Self, Refused> {
        let store = Arc::new(Store::new(inner, env.clone(), &options));
        let keys = Keys::new(prefix);
        let taken = takeover::take(&store, &keys, env, &options, env.uuid()).await?;
        let lease = Lease::new(Arc::clone(&store), keys.lease(taken.incarnation), taken.claim.id);
        // From here on others are to wait: reading what is there may take long.
        lease.renew().await?;
        let keeping = lease.keep(env, options.renew_every);
        match Self::start(store, keys, options, env, taken, (lease.clone(), keeping), hold).await {
            Ok(storage) => Ok(storage),
            Err(error) => {
                // Nobody has to wait for one who did not begin.
                lease.release().await;
                Err(error.into())
            }
        }
    }

    async fn start(
        store: Arc<Store>,
        keys: Keys,
        options: BucketOptions,
        env: &Env,
        taken: Taken,
        (lease, keeping): (Lease, Keeping),
        hold: Option<watch::Sender<()>>,
    ) -> Result<Self, Error> {
        let inherited = takeover::inherit(&store, &keys, &taken).await?;
        let shelf = Arc::new(Shelf::new(Arc::clone(&store), keys, env.clone()));
        let limits = Limits {
            group_bytes: options.group_bytes,
            pending_bytes: options.pending_bytes,
            tail_bytes: options.tail_bytes,
            cold: options.cold(),
        };
        let core = Arc::new(Core::new(Durability::ObjectStore, limits, Arc::clone(&shelf) as _));
        recover(&store, &shelf.keys, &core, &shelf, &inherited).await?;
        let Taken { incarnation, claim, older } = taken;
        let engine = Engine::new(Arc::clone(&core), shelf, env.clone(), options, incarnation, claim, lease);
        let engine = Arc::new(engine);
        engine.begin(&inherited.checkpoints).await?;
        let (told, outcome) = watch::channel(None);
        let writer = env.spawn("ottla-bucket-writer", Arc::clone(&engine).write_all());
        let rounds = Arc::clone(&engine).keep_all(older);
        let keeper = env.spawn("ottla-bucket-keeper", async move {
            let outcome = rounds.await;
            told.send_replace(Some(outcome));
            // The lease is given back, as far as it can be.
            drop((keeping, hold));
        });
        #[cfg(not(any(test, feature = "testing")))]
        drop((writer, keeper));
        let dropped = AtomicBool::new(false);
        Ok(Self {
            core,
            engine,
            #[cfg(any(test, feature = "testing"))]
            tasks: [writer, keeper],
            outcome,
            dropped,
        })
    }

    /// What it has asked of the bucket since it was opened.
    #[must_use]
    pub fn stats(&self) -> BucketStats {
        self.engine.shelf.store.counts.get(self.core.tail.used())
    }

    /// What failed, or who took the prefix over, once that was found out: nothing more is acknowledged until it is opened
    /// anew.
    #[must_use]
    pub fn poisoned(&self) -> Option<Error> {
        self.core.queue.ended().filter(|error| error.kind() != ErrorKind::Closed)
    }

    /// The number of this opening among all of this prefix.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.engine.incarnation
    }

    /// Ends as a process that is killed: nothing is written, deleted or given back any more. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn kill(&self) {
        self.dropped.store(true, Ordering::Release);
        self.tasks.iter().for_each(Task::abort);
        self.core.poison(&Core::closed());
    }
}

#[async_trait]
impl LogStorage for BucketStorage {
    fn durability(&self) -> Durability {
        self.core.durability
    }

    fn next_write_in(&self) -> Option<Duration> {
        self.engine.next_write_in()
    }

    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        self.core.open_many(partitions).await
    }

    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        self.core.open_reader(id)
    }

    async fn list(&self) -> Result<Vec<PartitionId>, Error> {
        self.core.list()
    }

    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error> {
        self.core.remove_keys(ids.iter().map(|id| Key { space: Space::Records, id: *id })).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.core.end(Core::closed());
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some).await;
        let killed = || Error::new(ErrorKind::Closed, "the tasks of the storage ended before it was closed");
        ended.map_or_else(|_| Err(killed()), |outcome| outcome.clone().unwrap_or_else(|| Err(killed())))
    }
}

impl Drop for BucketStorage {
    fn drop(&mut self) {
        if !self.dropped.load(Ordering::Acquire) {
            // The tasks write what waits, take a last checkpoint and give the lease back.
            self.core.end(Core::closed());
        }
    }
}
