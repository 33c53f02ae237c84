//! Memory that loses what it had not made durable: what `testing` runs its brokers on.

use std::sync::Arc;

use ottla_backends::decorators::{Fault, Faults, FaultyMetadataLog, FaultySnapshots, FaultyStorage, Operation};
use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::env::{Env, Rng};
use ottla_broker_core::log::{Backend, Durability, ErrorKind};

use crate::testing::{StorageFault, Survives};

/// The medium, which outlives every broker on it.
#[derive(Debug)]
pub(crate) struct Crashable {
    memory: MemoryBackend,
    pub(crate) faults: Faults,
}

/// The medium as one broker has it open.
#[derive(Debug)]
pub(crate) struct Session {
    memory: MemoryBackend,
    faults: Faults,
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
    pub(crate) fn new(env: &Env, durability: Durability, capacity_bytes: Option<usize>) -> Self {
        let options = MemoryOptions { commit: Commit::Manual, durability, capacity_bytes, ..MemoryOptions::default() };
        Self { memory: MemoryBackend::new(options), faults: Faults::new(env.clone()) }
    }

    /// Opens it once more.
    pub(crate) fn session(&self) -> Session {
        Session { memory: self.memory.reopen(), faults: self.faults.clone() }
    }

    /// Waits for something to commit.
    pub(crate) async fn appended(&self) {
        self.memory.logs.appended().await;
    }

    /// Makes all durable; says how many batches.
    pub(crate) fn commit(&self) -> usize {
        self.memory.logs.commit()
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
        let Backend { logs, metadata, snapshots } = self.memory.backend();
        Backend {
            logs: Arc::new(FaultyStorage::new(logs, self.faults.clone())),
            metadata: Arc::new(FaultyMetadataLog::new(metadata, self.faults.clone())),
            snapshots: Arc::new(FaultySnapshots::new(snapshots, self.faults.clone())),
        }
    }

    /// Returns how many bytes were lost.
    pub(crate) fn crash(&self, survives: Survives, env: &Env) -> u64 {
        let before = self.memory.logs.used_bytes();
        self.memory.logs.crash(&match survives {
            Survives::Nothing => Keep::Nothing,
            Survives::All => Keep::All,
            Survives::Chance => Keep::Random(Arc::new(Chance(env.clone()))),
        });
        before.saturating_sub(self.memory.logs.used_bytes()) as u64
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
