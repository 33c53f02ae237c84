//! The storage's working parts.
//!
//! ```text
//!  queue ─► writer: several PUTs on their way, applied and acknowledged in order ─┐
//!                                                                                 ├─ Work: as of the last chunk applied
//!  keeper: compacts, takes checkpoints, deletes what is dead ─────────────────────┘
//! ```

mod compact;
mod keeper;
mod pace;
mod writer;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::path::Path;
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::log::{Error, ErrorKind};
use tokio::sync::Notify;
use uuid::Uuid;

use self::pace::Next;
use super::keys::{Keys, MOST_NUMBERS};
use super::lease::Lease;
use super::marks::Claim;
use super::options::BucketOptions;
use super::shelf::Shelf;
use super::store::Store;
use crate::engine::{Applied, Core, Group};

#[derive(Debug)]
pub(super) struct Engine {
    pub(super) core: Arc<Core>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) env: Env,
    pub(super) options: BucketOptions,
    pub(super) incarnation: u64,
    pub(super) claim: Claim,
    work: Mutex<Work>,
    /// The keeper has something to do.
    wanted: Notify,
    /// The writer has ended.
    written: AtomicBool,
    /// When the writer goes next.
    next: Next,
    lease: Lease,
}

/// Where the work stands.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Chunks below this are durable, and what they change is applied.
    applied: u64,
    /// The number of the next chunk that is written.
    next_chunk: u64,
    next_segment: u64,
    next_checkpoint: u64,
    /// Checkpoints that there may be besides the newest.
    older_checkpoints: Vec<Path>,
    last_checkpoint: Moment,
    /// Bytes and objects of the journal since the last checkpoint.
    since_bytes: u64,
    since_objects: u64,
    /// Something was trimmed: objects may be dead.
    trimmed: bool,
    /// Objects that no state from the last checkpoint on refers to.
    dead: Vec<Dead>,
}

/// Objects that may be deleted once chunk `after`, which was written when nothing referred to them any more, is known to
/// be durable: then this was still the owner, and whoever comes after finds the checkpoint without them.
#[derive(Debug)]
struct Dead {
    after: u64,
    paths: Vec<Path>,
}

impl Engine {
    pub(super) fn new(
        core: Arc<Core>,
        shelf: Arc<Shelf>,
        env: Env,
        options: BucketOptions,
        incarnation: u64,
        claim: Claim,
        lease: Lease,
    ) -> Self {
        let work = Work { applied: 1, next_chunk: 1, next_segment: 1, next_checkpoint: 1, ..Work::default() };
        Self {
            core,
            shelf,
            env,
            options,
            incarnation,
            claim,
            work: Mutex::new(work),
            wanted: Notify::new(),
            written: AtomicBool::new(false),
            next: Next::default(),
            lease,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> &Store {
        &self.shelf.store
    }

    fn keys(&self) -> &Keys {
        &self.shelf.keys
    }

    /// How long it is until the writer takes what waits by then, if that is known.
    pub(super) fn next_write_in(&self) -> Option<Duration> {
        self.next.remaining(self.env.now())
    }

    pub(super) fn storage(&self) -> Uuid {
        self.claim.storage
    }

    /// Takes in a chunk that is durable, as all before it are.
    fn settle(&self, group: Group, changes: Vec<Vec<Applied>>, number: u64, file: u64, bytes: u64) {
        let mut work = self.lock();
        self.shelf.add(file, bytes);
        let frees = |change: &Applied| !matches!(change, Applied::Batch(_) | Applied::Open(_));
        work.trimmed |= changes.iter().flatten().any(frees);
        for (part, changes) in group.parts.iter().zip(changes) {
            let removed = changes.iter().any(|change| matches!(change, Applied::Remove));
            part.log.apply(&self.core, changes);
            if removed {
                self.core.forget(&part.log);
            }
        }
        work.applied = number + 1;
        work.since_bytes += bytes;
        work.since_objects += 1;
        // Still under the lock: a checkpoint has a chunk whole or not at all.
        drop(work);
        self.wanted.notify_one();
        for part in &group.parts {
            let end = part.log.bounds().durable_end;
            self.core.tail.durable(&part.log, end);
        }
        self.core.room.give_back(group.bytes);
        group.resolver.resolve(Ok(()));
    }

    /// The number of the next chunk.
    fn take_number(&self) -> Result<(u64, u64), Error> {
        let mut work = self.lock();
        if work.next_chunk > MOST_NUMBERS {
            return Err(Error::new(ErrorKind::Poisoned, "the journal has run out of numbers: open the storage anew"));
        }
        work.next_chunk += 1;
        Ok((work.next_chunk - 1, work.applied))
    }

    /// Files that the index refers to.
    fn used(&self) -> BTreeSet<u64> {
        self.core.logs().iter().flat_map(|log| log.files()).collect()
    }

    /// Nothing more is acknowledged, for this reason.
    fn end(&self, error: &Error) {
        if error.kind() == ErrorKind::Fenced {
            tracing::error!(%error, "the storage was taken over");
        } else {
            tracing::error!(%error, "the storage has ended: it is to be opened anew");
        }
        self.core.poison(error);
        self.wanted.notify_one();
    }

    /// Whether the writer has come to its end.
    fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }
}
