//! The storage as a broker sees it, and its threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Durability, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::counts::DiskStats;
use super::engine::Engine;
use super::files::{Files, Lock};
use super::journal::{Journal, reserve};
use super::options::DiskOptions;
use super::pool::Pool;
use super::recover::recover;
use super::shelf::Shelf;
use crate::engine::{ColdLimits, Core, Key, Limits, Space};

/// Threads that read what is not in memory.
const READERS: usize = 2;

/// Partitions' logs in one directory.
///
/// Two threads work for it, whatever the number of partitions: one writes and syncs, the other prepares files,
/// compacts and takes checkpoints; two more read what is not in memory, once somebody asks for that. All of them end
/// with [`LogStorage::close`], or when this is dropped, which waits for a write that is under way (unless
/// [`DiskBackend::open_held`](super::DiskBackend::open_held) opened it).
#[derive(Debug)]
pub struct DiskStorage {
    pub(super) core: Arc<Core>,
    engine: Arc<Engine>,
    pool: Arc<Pool>,
    threads: Mutex<Threads>,
    closed: AtomicBool,
}

/// The end of a storage, to be run once.
type Finish = Box<dyn FnOnce() + Send>;

#[derive(Debug, Default)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    background: Option<JoinHandle<()>>,
    lock: Option<Lock>,
}

/// Who does the storage's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    /// Threads of its own.
    Threads,
    /// Whoever calls [`DiskStorage::drive`]: for tests that decide when something happens.
    #[cfg_attr(not(any(test, feature = "testing")), expect(dead_code, reason = "only tests drive it"))]
    Caller,
}

impl DiskStorage {
    /// Opens what is in `files`; a new storage is called `name`.
    pub(super) fn open(
        files: Arc<dyn Files>,
        options: DiskOptions,
        name: Uuid,
        lock: Option<Lock>,
        runner: Runner,
    ) -> Result<Self, Error> {
        let pool = Pool::new(if runner == Runner::Threads { READERS } else { 0 });
        let shelf = Arc::new(Shelf::new(files, Arc::clone(&pool), options.cold_bytes));
        let limits = Limits {
            group_bytes: options.group_bytes,
            pending_bytes: options.pending_bytes,
            tail_bytes: options.tail_bytes,
            cold: cold_limits(options.cold_bytes),
        };
        let core = Arc::new(Core::new(options.level.durability(), limits, Arc::clone(&shelf) as _));
        let found = recover(&core, &shelf, name, true)?;
        let journal = Journal {
            storage: found.storage,
            incarnation: found.incarnation + 1,
            next_chunk: found.next_chunk,
            durable: found.next_chunk,
            reserve: reserve(options.file_bytes),
            current: None,
            unsynced: Vec::new(),
            scratch: Vec::new(),
        };
        let engine = Engine::new(Arc::clone(&core), shelf, options, journal, found.next_file, found.next_checkpoint);
        // From here on the journal of before is history: what of it was cut short cannot come back.
        let begun = engine.begin(found.unused);
        begun.map_err(|error| {
            let (kind, message) = if error.kind() == std::io::ErrorKind::StorageFull {
                let message = "the disk is full: nothing of the log was changed; give room back and open it anew";
                (ErrorKind::Full, format!("{message} ({error})"))
            } else {
                (ErrorKind::Unavailable, "the first checkpoint could not be written".to_owned())
            };
            Error::new(kind, message).with_source(error)
        })?;
        let engine = Arc::new(engine);
        let mut threads = Threads { lock, ..Threads::default() };
        if runner == Runner::Threads {
            let worker = Arc::clone(&engine);
            threads.writer = Some(start("ottla-journal", move || worker.write_all())?);
            let worker = Arc::clone(&engine);
            match start("ottla-compactor", move || worker.tend_all()) {
                Ok(thread) => threads.background = Some(thread),
                Err(error) => {
                    core.end(error.clone());
                    join(threads.writer.take());
                    return Err(error);
                }
            }
        }
        Ok(Self { core, engine, pool, threads: Mutex::new(threads), closed: AtomicBool::new(false) })
    }

    /// What it has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> DiskStats {
        let counts = &self.engine.counts;
        DiskStats {
            groups: counts.groups.load(Ordering::Relaxed),
            syncs: counts.syncs.load(Ordering::Relaxed),
            journal_bytes: counts.journal_bytes.load(Ordering::Relaxed),
            compacted_bytes: counts.compacted_bytes.load(Ordering::Relaxed),
            checkpoints: counts.checkpoints.load(Ordering::Relaxed),
            checkpoint_bytes: counts.checkpoint_bytes.load(Ordering::Relaxed),
            reads: self.engine.shelf.reads.load(Ordering::Relaxed),
            read_bytes: self.engine.shelf.read_bytes.load(Ordering::Relaxed),
            tail_bytes: self.core.tail.used(),
        }
    }

    /// What failed, once a write or a sync has: nothing more is acknowledged until the directory is opened anew, which
    /// can be done when this is closed or dropped.
    #[must_use]
    pub fn poisoned(&self) -> Option<Error> {
        self.engine.poisoned()
    }

    /// Whether it takes anything.
    #[cfg(feature = "testing")]
    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && self.core.check().is_ok()
    }

    /// Waits until something was submitted since it was last driven. One may wait at a time. Cancel-safe.
    #[cfg(feature = "testing")]
    pub(super) async fn submitted(&self) {
        self.core.queue.notify.notified().await;
    }

    /// Its process is no more: nothing that waits is written, and nobody is told that it was.
    #[cfg(feature = "testing")]
    pub(super) fn die(&self) {
        self.closed.store(true, Ordering::Release);
        self.core.poison(&Core::closed());
    }

    /// Does on the calling thread what the threads would do; says whether anything was written.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn drive(&self) -> bool {
        let any = self.engine.write_pending();
        if let Err(error) = self.engine.tend() {
            tracing::warn!(%error, "the background work of the storage failed");
        }
        any
    }

    /// What the tests of the parts work on.
    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Arc<Core>, &Arc<Engine>) {
        (&self.core, &self.engine)
    }

    /// Writes what waits, and nothing else.
    #[cfg(test)]
    pub(super) fn write_now(&self) -> bool {
        self.engine.write_pending()
    }

    /// One round of background work, which must succeed.
    #[cfg(test)]
    pub(super) fn tend_now(&self) {
        self.engine.tend().unwrap();
    }

    /// One round of background work.
    #[cfg(test)]
    pub(super) fn tend(&self) -> std::io::Result<()> {
        self.engine.tend()
    }

    /// Takes a checkpoint.
    #[cfg(test)]
    pub(super) fn checkpoint_now(&self) -> std::io::Result<()> {
        self.engine.checkpoint(false)
    }

    /// How many checkpoints' worth was written since the last.
    #[cfg(test)]
    pub(super) fn checkpoints_due(&self) -> u64 {
        self.engine.since_checkpoint() / self.engine.options.file_bytes
    }

    /// The epoch that a log was opened at last.
    #[cfg(test)]
    pub(super) fn epoch_of(&self, key: Key) -> ottla_broker_core::LeaderEpoch {
        self.core.get(key).map_or(ottla_broker_core::LeaderEpoch::NONE, |log| log.saved().epoch)
    }

    /// Ends the threads. With `graceful` what waits is written and a last checkpoint taken.
    fn finish(core: &Core, engine: &Engine, pool: &Pool, mut threads: Threads, graceful: bool) -> Result<(), Error> {
        let poisoned = core.queue.ended().filter(|error| error.kind() != ErrorKind::Closed);
        if threads.writer.is_some() {
            join(threads.writer.take());
        } else {
            engine.write_pending();
        }
        engine.end();
        join(threads.background.take());
        let after = core.queue.ended().filter(|error| error.kind() != ErrorKind::Closed);
        let outcome = match poisoned.or(after) {
            Some(error) => Err(error),
            None if graceful => engine.close().map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    "the last checkpoint could not be written: the next opening reads the journal",
                )
                .with_source(error)
            }),
            None => Ok(()),
        };
        pool.end();
        core.tail.clear();
        core.cold.clear();
        engine.shelf.buffers.clear();
        for log in core.logs() {
            log.wake(core);
        }
        // Last: nobody may open the directory before.
        drop(threads.lock);
        outcome
    }

    fn take_threads(&self) -> Threads {
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A piece is small enough to be in the cache of the core that read it when it is checked, and large enough that asking
/// for it costs nothing beside. What is read ahead keeps both threads busy while a reader works on a megabyte.
pub(super) const fn cold_limits(budget: usize) -> ColdLimits {
    ColdLimits { piece: 512 << 10, gap: 16 << 10, ahead: 4 << 20, budget, kept: budget / 8 }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| Error::new(ErrorKind::Unavailable, "a thread could not be started").with_source(error))
}

/// Runs `work` on a thread of its own: it blocks, and the caller's runtime must not.
pub(super) async fn off_runtime<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    // Whoever asked may have given up.
    start(name, move || drop(reply.send(work())))?;
    answer.await.map_err(|_| Error::new(ErrorKind::Unavailable, format!("the thread {name} panicked")))
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a thread of the storage panicked");
    }
}

#[async_trait]
impl LogStorage for DiskStorage {
    fn durability(&self) -> Durability {
        self.core.durability
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
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.core.end(Core::closed());
        let threads = self.take_threads();
        if threads.writer.is_none() {
            return Self::finish(&self.core, &self.engine, &self.pool, threads, true);
        }
        // On a thread: joining and syncing would block the runtime.
        let (core, engine, pool) = (Arc::clone(&self.core), Arc::clone(&self.engine), Arc::clone(&self.pool));
        off_runtime("ottla-close", move || Self::finish(&core, &engine, &pool, threads, true)).await?
    }
}

impl Drop for DiskStorage {
    fn drop(&mut self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.core.end(Core::closed());
            let threads = self.take_threads();
            let (core, engine, pool) = (Arc::clone(&self.core), Arc::clone(&self.engine), Arc::clone(&self.pool));
            let waited_for = threads.lock.as_ref().is_some_and(Lock::tells);
            let finish: Finish = Box::new(move || {
                // What was acknowledged is in the journal; the next opening reads it from there.
                if let Err(error) = Self::finish(&core, &engine, &pool, threads, false) {
                    tracing::warn!(%error, "the storage was dropped");
                }
            });
            // Where no thread can be had it is done here: the lock must not go before the writer.
            let work = Arc::new(Mutex::new(Some(finish)));
            let run = |work: &Mutex<Option<_>>| {
                let finish = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                finish.into_iter().for_each(|finish: Finish| finish());
            };
            let theirs = Arc::clone(&work);
            if !waited_for || start("ottla-drop", move || run(&theirs)).is_err() {
                run(&work);
            }
        }
    }
}
