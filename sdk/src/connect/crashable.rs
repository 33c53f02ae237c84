//! Storage that loses what it had not made durable: what `testing` runs its brokers on.

use std::sync::Arc;

use ottla_backends::decorators::{Fault, Faults, FaultyMetadataLog, FaultySnapshots, FaultyStorage, Operation};
use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::env::{Env, Rng};
use ottla_broker_core::log::{Backend, Durability, Error, ErrorKind};
#[cfg(feature = "disk")]
use {
    ottla_backends::disk::testing::{CrashDisk, Left},
    ottla_backends::disk::{DiskBackend, DiskOptions},
};

use crate::testing::{StorageFault, Survives};

/// What brokers are to run on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Memory that says that it reaches this.
    Memory(Durability),
    /// The disk backend, over files that can crash.
    #[cfg(feature = "disk")]
    Disk(DiskOptions),
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
    pub(crate) fn new(env: &Env, kind: Kind, capacity_bytes: Option<usize>) -> Self {
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
        };
        Self { medium, faults: Faults::new(env.clone()) }
    }

    /// Opens it once more.
    ///
    /// # Errors
    /// A disk that cannot be recovered.
    pub(crate) async fn session(&self) -> Result<Session, Error> {
        let open = match &self.medium {
            Medium::Memory(memory) => Open::Memory(memory.reopen()),
            #[cfg(feature = "disk")]
            Medium::Disk(disk) => Open::Disk(Arc::clone(disk), disk.open().await?),
        };
        Ok(Session { open, faults: self.faults.clone() })
    }

    /// Whether all brokers on it are one machine, which crashes as a whole. Memory has each broker's pending writes
    /// apart.
    pub(crate) const fn is_one_machine(&self) -> bool {
        !matches!(self.medium, Medium::Memory(_))
    }

    /// Waits for something to commit.
    pub(crate) async fn appended(&self) {
        match &self.medium {
            Medium::Memory(memory) => memory.logs.appended().await,
            #[cfg(feature = "disk")]
            Medium::Disk(disk) => disk.submitted().await,
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
        }
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
        }
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
        }
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
