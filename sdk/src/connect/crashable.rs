//! Storage that loses what it had not made durable: what `testing` runs its brokers on.

use std::sync::Arc;
use std::time::Duration;

use ottla_backends::decorators::{Fault, Faults, FaultyMetadataLog, FaultySnapshots, FaultyStorage, Operation};
use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::env::{Env, Rng};
use ottla_broker_core::log::{Backend, Durability, Error, ErrorKind};
#[cfg(feature = "object-store")]
use {
    ottla_backends::bucket::testing::{self, FaultyBucket, Way},
    ottla_backends::bucket::{BucketBackend, BucketOptions, OpenError},
    std::sync::atomic::{AtomicU64, Ordering},
};
#[cfg(feature = "disk")]
use {
    ottla_backends::disk::testing::{CrashDisk, Left},
    ottla_backends::disk::{DiskBackend, DiskOptions},
};

#[cfg(feature = "object-store")]
pub use ottla_backends::bucket::testing::BucketTrouble;

use crate::testing::{StorageFault, Survives};

/// Where a bucket has the log.
#[cfg(feature = "object-store")]
const PREFIX: &str = "log";

/// What brokers are to run on.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Memory that says that it reaches this.
    Memory(Durability),
    /// The disk backend, over files that can crash.
    #[cfg(feature = "disk")]
    Disk(DiskOptions),
    /// The bucket backend, over a bucket whose answers get lost; it is in memory unless it is given.
    #[cfg(feature = "object-store")]
    Bucket(Box<BucketOptions>, Option<super::bucket::Objects>),
}

/// The medium, which outlives every broker on it.
#[derive(Debug)]
pub(crate) struct Crashable {
    medium: Medium,
    pub(crate) faults: Faults,
}

#[derive(Debug)]
enum Medium {
    Memory(MemoryBackend),
    #[cfg(feature = "disk")]
    Disk(Arc<CrashDisk>),
    #[cfg(feature = "object-store")]
    Bucket(Bucket),
}

#[cfg(feature = "object-store")]
#[derive(Debug)]
struct Bucket {
    bucket: Arc<FaultyBucket>,
    options: BucketOptions,
    /// Processes that have opened it.
    opened: AtomicU64,
}

/// The medium as one broker has it open.
#[derive(Debug)]
pub(crate) struct Session {
    open: Open,
    faults: Faults,
}

#[derive(Debug)]
enum Open {
    Memory(MemoryBackend),
    #[cfg(feature = "disk")]
    Disk(Arc<CrashDisk>, DiskBackend),
    #[cfg(feature = "object-store")]
    Bucket(Arc<Way>, BucketBackend),
}

/// Chance from an [`Env`].
#[derive(Debug)]
struct Chance(Env);

impl Rng for Chance {
    fn next_u64(&self) -> u64 {
        self.0.random_u64()
    }
}

impl Crashable {
    /// A write takes up to `commit_delay`, as far as the medium itself says when it is durable.
    #[cfg_attr(not(feature = "object-store"), expect(unused_variables, reason = "only a bucket does"))]
    pub(crate) fn new(env: &Env, kind: Kind, capacity_bytes: Option<usize>, commit_delay: Duration) -> Self {
        let medium = match kind {
            Kind::Memory(durability) => {
                let commit = Commit::Manual;
                let options = MemoryOptions { commit, durability, capacity_bytes, ..MemoryOptions::default() };
                Medium::Memory(MemoryBackend::new(options))
            }
            #[cfg(feature = "disk")]
            Kind::Disk(options) => {
                let capacity = capacity_bytes.map(|bytes| bytes as u64);
                Medium::Disk(Arc::new(CrashDisk::new(options, capacity, env)))
            }
            #[cfg(feature = "object-store")]
            Kind::Bucket(options, objects) => {
                // There, and back.
                let travel = commit_delay / 2;
                let bucket = match objects {
                    Some(objects) => FaultyBucket::over(objects, env.clone(), travel),
                    None => FaultyBucket::new(env.clone(), travel),
                };
                Medium::Bucket(Bucket { bucket, options: *options, opened: AtomicU64::new(0) })
            }
        };
        Self { medium, faults: Faults::new(env.clone()) }
    }

    /// Opens it once more, for a process that lives in `env`. A bucket that somebody has is robbed if `takes_over`.
    ///
    /// # Errors
    /// A disk that cannot be recovered; a bucket that does not answer, or is in use.
    #[cfg_attr(not(feature = "object-store"), expect(unused_variables, reason = "only a bucket has an owner"))]
    pub(crate) async fn session(&self, env: &Env, takes_over: bool) -> Result<Session, Error> {
        let open = match &self.medium {
            Medium::Memory(memory) => Open::Memory(memory.reopen()),
            #[cfg(feature = "disk")]
            Medium::Disk(disk) => Open::Disk(Arc::clone(disk), disk.open().await?),
            #[cfg(feature = "object-store")]
            Medium::Bucket(bucket) => bucket.open(env, takes_over).await?,
        };
        Ok(Session { open, faults: self.faults.clone() })
    }

    /// Whether all brokers on it are one machine, which crashes as a whole. Memory has each broker's pending writes
    /// apart, and to a bucket each has a way of its own.
    pub(crate) const fn is_one_machine(&self) -> bool {
        match self.medium {
            Medium::Memory(_) => false,
            #[cfg(feature = "disk")]
            Medium::Disk(_) => true,
            #[cfg(feature = "object-store")]
            Medium::Bucket(_) => false,
        }
    }

    /// Waits for something to commit.
    pub(crate) async fn appended(&self) {
        match &self.medium {
            Medium::Memory(memory) => memory.logs.appended().await,
            #[cfg(feature = "disk")]
            Medium::Disk(disk) => disk.submitted().await,
            // It needs nobody.
            #[cfg(feature = "object-store")]
            Medium::Bucket(_) => std::future::pending().await,
        }
    }

    /// Makes all durable.
    pub(crate) fn commit(&self) {
        match &self.medium {
            Medium::Memory(memory) => {
                memory.logs.commit();
            }
            #[cfg(feature = "disk")]
            Medium::Disk(disk) => {
                disk.drive();
            }
            #[cfg(feature = "object-store")]
            Medium::Bucket(_) => {}
        }
    }

    /// Keeps what is written from becoming durable, where nobody else says when it does.
    #[cfg_attr(not(feature = "object-store"), expect(unused_variables, reason = "only a bucket is held here"))]
    pub(crate) fn hold(&self, held: bool) {
        #[cfg(feature = "object-store")]
        if let Medium::Bucket(Bucket { bucket, .. }) = &self.medium {
            bucket.hold(held);
        }
    }

    /// No more trouble.
    pub(crate) fn heal(&self) {
        self.faults.heal();
        self.hold(false);
        #[cfg(feature = "object-store")]
        self.requests_by_chance(0);
    }

    /// The next write to its files fails, if it has files.
    #[cfg(feature = "disk")]
    pub(crate) fn fail_next_write(&self) {
        if let Medium::Disk(disk) = &self.medium {
            disk.fail_next_write();
        }
    }

    /// How often it was opened on what a crash had left half-done.
    pub(crate) fn recoveries(&self) -> u64 {
        match &self.medium {
            Medium::Memory(_) => 0,
            #[cfg(feature = "disk")]
            Medium::Disk(disk) => disk.recoveries(),
            #[cfg(feature = "object-store")]
            Medium::Bucket(_) => 0,
        }
    }

    /// Of a thousand requests to the bucket, if there is one, so many go wrong.
    #[cfg(feature = "object-store")]
    pub(crate) fn requests_by_chance(&self, in_thousand: u32) {
        if let Medium::Bucket(Bucket { bucket, .. }) = &self.medium {
            bucket.go_wrong(in_thousand);
        }
    }

    /// What was met on the way to the bucket.
    #[cfg(feature = "object-store")]
    pub(crate) fn trouble(&self) -> BucketTrouble {
        match &self.medium {
            Medium::Bucket(Bucket { bucket, .. }) => bucket.trouble(),
            _ => BucketTrouble::default(),
        }
    }

    /// What is wrong with the objects in the bucket, after who comes next has cleaned up.
    ///
    /// # Errors
    /// A bucket that cannot be opened, or looked at.
    #[cfg(feature = "object-store")]
    pub(crate) async fn audit(&self, env: &Env) -> Result<Vec<String>, Error> {
        let Medium::Bucket(Bucket { bucket, .. }) = &self.medium else { return Ok(Vec::new()) };
        let report = bucket.audit(PREFIX, env).await.map_err(refused)?;
        let damage = report.damage.into_iter().map(|what| format!("damaged: {what}"));
        let unreachable = report.unreachable.into_iter().map(|name| format!("`{name}` is of no use to anybody"));
        let held = (!report.released).then(|| "the lease was not given back".to_owned());
        Ok(damage.chain(unreachable).chain(held).collect())
    }

    pub(crate) fn by_chance(&self, fault: StorageFault, in_thousand: u32) {
        for (operation, fault) in calls(fault) {
            self.faults.by_chance(*operation, in_thousand, fault);
        }
    }

    pub(crate) fn next(&self, fault: StorageFault) {
        if let Some((operation, fault)) = calls(fault).next() {
            self.faults.next(*operation, fault);
        }
    }

    /// How many calls were made to fail as `fault` says.
    pub(crate) fn count(&self, fault: StorageFault) -> u64 {
        calls(fault).map(|(operation, fault)| self.faults.count_of(*operation, fault)).sum()
    }
}

impl Session {
    pub(crate) fn backend(&self) -> Backend {
        let Backend { logs, metadata, snapshots } = match &self.open {
            Open::Memory(memory) => memory.backend(),
            #[cfg(feature = "disk")]
            Open::Disk(_, disk) => disk.backend(),
            #[cfg(feature = "object-store")]
            Open::Bucket(_, bucket) => bucket.backend(),
        };
        Backend {
            logs: Arc::new(FaultyStorage::new(logs, self.faults.clone())),
            metadata: Arc::new(FaultyMetadataLog::new(metadata, self.faults.clone())),
            snapshots: Arc::new(FaultySnapshots::new(snapshots, self.faults.clone())),
        }
    }

    /// Returns how many bytes were lost.
    pub(crate) fn crash(&self, survives: Survives, env: &Env) -> u64 {
        match &self.open {
            Open::Memory(memory) => {
                let before = memory.logs.used_bytes();
                memory.logs.crash(&match survives {
                    Survives::Nothing => Keep::Nothing,
                    Survives::All => Keep::All,
                    Survives::Chance => Keep::Random(Arc::new(Chance(env.clone()))),
                });
                before.saturating_sub(memory.logs.used_bytes()) as u64
            }
            #[cfg(feature = "disk")]
            Open::Disk(disk, _) => disk.crash(match survives {
                Survives::Nothing => Left::Nothing,
                Survives::All => Left::All,
                Survives::Chance => Left::Any(env.random_u64()),
            }),
            #[cfg(feature = "object-store")]
            Open::Bucket(way, _) => way.kill(match survives {
                Survives::Nothing => testing::Left::Nothing,
                Survives::All => testing::Left::All,
                Survives::Chance => testing::Left::Any,
            }),
        }
    }

    /// Why it takes nothing more until it is opened anew.
    pub(crate) fn poisoned(&self) -> Option<Error> {
        match &self.open {
            Open::Memory(_) => None,
            #[cfg(feature = "disk")]
            Open::Disk(_, disk) => disk.logs().poisoned(),
            #[cfg(feature = "object-store")]
            Open::Bucket(_, bucket) => bucket.logs().poisoned(),
        }
    }
}

#[cfg(feature = "object-store")]
impl Bucket {
    async fn open(&self, env: &Env, takes_over: bool) -> Result<Open, Error> {
        let way = self.bucket.way();
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let options = BucketOptions {
            owner: format!("broker {number} of the test"),
            take_over: takes_over || self.options.take_over,
            ..self.options.clone()
        };
        let backend = BucketBackend::open(Arc::clone(&way) as _, PREFIX, options, env).await.map_err(refused)?;
        Ok(Open::Bucket(way, backend))
    }
}

#[cfg(feature = "object-store")]
fn refused(error: OpenError) -> Error {
    match error {
        OpenError::Log { source, .. } => source,
        in_use => Error::new(ErrorKind::Unavailable, in_use.to_string()),
    }
}

/// The calls of storage that a fault concerns, the main one first.
fn calls(fault: StorageFault) -> impl Iterator<Item = (&'static Operation, Fault)> {
    use Operation as Op;
    let (operations, fault): (&[Operation], Fault) = match fault {
        StorageFault::Full => (&[Op::Append], Fault::Refuse(ErrorKind::Full)),
        StorageFault::FailAppend => (&[Op::Append], Fault::Before(ErrorKind::Unavailable)),
        StorageFault::LoseAppendAnswer => (&[Op::Append], Fault::After(ErrorKind::Unavailable)),
        StorageFault::FailRead => {
            (&[Op::Read, Op::OffsetForTimestamp, Op::TrimBase], Fault::Before(ErrorKind::Unavailable))
        }
        StorageFault::FlipBit => (&[Op::Read], Fault::FlipBit),
        StorageFault::FailOpen => (&[Op::Open, Op::Remove, Op::List], Fault::Before(ErrorKind::Unavailable)),
        StorageFault::LoseTrimAnswer => (&[Op::TrimPrefix], Fault::After(ErrorKind::Unavailable)),
        StorageFault::FailMetadata => {
            (&[Op::MetadataAppend, Op::MetadataRead, Op::MetadataEnd], Fault::Before(ErrorKind::Unavailable))
        }
        StorageFault::LoseMetadataAnswer => (&[Op::MetadataAppend], Fault::After(ErrorKind::Unavailable)),
        StorageFault::FailSnapshot => (&[Op::SnapshotSave, Op::SnapshotLatest], Fault::Before(ErrorKind::Unavailable)),
    };
    operations.iter().map(move |operation| (operation, fault))
}
