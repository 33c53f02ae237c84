//! All logs of one storage, and what they share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::log::{Durability, Error, ErrorKind};

use super::cold::{ColdLimits, Pieces};
use super::key::{Key, Space};
use super::log::Log;
use super::medium::Medium;
use super::queue::{Group, Queue};
use super::tail::Tail;
use crate::room::Room;

/// How an engine behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of batches that a group takes at most, unless one batch alone is larger.
    pub(crate) group_bytes: usize,
    /// Bytes that may wait to become durable.
    pub(crate) pending_bytes: usize,
    /// Bytes of the newest batches that are kept in memory.
    pub(crate) tail_bytes: usize,
    /// What is read from the medium.
    pub(crate) cold: ColdLimits,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) durability: Durability,
    pub(crate) queue: Queue,
    pub(crate) room: Room,
    pub(crate) tail: Tail,
    pub(crate) cold: Pieces,
    logs: Mutex<BTreeMap<Key, Arc<Log>>>,
}

impl Core {
    pub(crate) fn new(durability: Durability, limits: Limits, medium: Arc<dyn Medium>) -> Self {
        Self {
            durability,
            queue: Queue::new(limits.group_bytes),
            room: Room::new(limits.pending_bytes),
            tail: Tail::new(limits.tail_bytes),
            cold: Pieces::new(medium, limits.cold),
            logs: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Log>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the storage takes nothing more, if so.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.queue.ended().map_or(Ok(()), Err)
    }

    /// What is durable can be read until the storage is closed, also when it takes nothing more.
    pub(crate) fn check_readable(&self) -> Result<(), Error> {
        match self.queue.ended() {
            Some(error) if error.kind() == ErrorKind::Closed => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<Arc<Log>> {
        self.lock().get(&key).cloned()
    }

    /// The log of `key`, created empty if there is none.
    pub(crate) fn get_or_create(&self, key: Key) -> Arc<Log> {
        Arc::clone(self.lock().entry(key).or_insert_with(|| Arc::new(Log::new(key))))
    }

    pub(crate) fn insert(&self, log: Log) {
        self.lock().insert(log.key, Arc::new(log));
    }

    /// Forgets a log that was removed, durably: until then a checkpoint has to hold it.
    pub(crate) fn forget(&self, log: &Arc<Log>) {
        let mut logs = self.lock();
        if logs.get(&log.key).is_some_and(|known| Arc::ptr_eq(known, log)) {
            logs.remove(&log.key);
        }
    }

    /// All logs, in order.
    pub(crate) fn logs(&self) -> Vec<Arc<Log>> {
        self.lock().values().cloned().collect()
    }

    /// The logs of one space, in order.
    pub(crate) fn keys(&self, space: Space) -> Vec<Key> {
        let logs = self.logs();
        logs.iter().filter(|log| log.key.space == space && !log.is_removed()).map(|log| log.key).collect()
    }

    /// A group was not written: its logs go back to what is durable, and its ticket fails.
    pub(crate) fn fail(&self, group: Group, error: &Error) {
        for part in &group.parts {
            part.log.fail(self, error);
        }
        self.room.give_back(group.bytes);
        group.resolver.resolve(Err(error.clone()));
    }

    /// Takes nothing more from now on, for this reason, and wakes everybody who waits.
    pub(crate) fn end(&self, reason: Error) {
        self.queue.end(reason);
        for log in self.logs() {
            log.wake(self);
        }
    }

    /// Nothing is written any more: what waits fails.
    pub(crate) fn poison(&self, error: &Error) {
        self.end(error.clone());
        for group in self.queue.drain() {
            self.fail(group, error);
        }
    }

    /// What a storage says that was closed.
    pub(crate) fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the storage is closed: open it anew")
    }
}
