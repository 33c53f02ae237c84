//! The shards' async shell: it appends what they decide, and answers when that is committed.

mod calls;
mod drive;
mod handle;
mod led;
mod log;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

pub use led::LedPartition;
pub use log::{Commit, ShardAppend, ShardLog};

use self::handle::{FIRST_ERA, ShardHandle};
use super::placement::partition_for;
use super::shard::Shard;
use crate::api::group::GroupId;
use crate::api::{Error, ErrorCode};
use crate::config::GroupConfig;
use crate::env::Env;
use crate::planted::is_planted;

/// Coordinates the groups of those partitions of `__consumer_offsets` that this broker leads.
///
/// It does nothing on its own: someone must keep [`run`](Self::run) going, which replays new shards, ends
/// sessions and trims the logs. Without it a shard stays at `COORDINATOR_LOAD_IN_PROGRESS`.
pub struct GroupCoordinator {
    env: Env,
    config: GroupConfig,
    partitions: i32,
    shards: RwLock<BTreeMap<i32, Arc<ShardHandle>>>,
    /// Wakes the driver: a shard has to be loaded, or a deadline has come closer.
    wake: Arc<Notify>,
}

impl fmt::Debug for GroupCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCoordinator").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

impl GroupCoordinator {
    /// A coordinator that leads nothing yet. `partitions` is how many `__consumer_offsets` has
    /// (`offsets.topic.num.partitions`): it must never change, as it says where a group lies.
    #[must_use]
    pub fn new(env: Env, config: GroupConfig, partitions: i32) -> Self {
        Self { env, config, partitions, shards: RwLock::default(), wake: Arc::new(Notify::new()) }
    }

    /// Takes over a partition of `__consumer_offsets`, by the log that this broker has opened for leading.
    /// The shard answers once [`run`](Self::run) has replayed it; at once if there is nothing to replay.
    pub fn lead(&self, partition: i32, log: Arc<dyn ShardLog>) {
        let is_empty = log.start() == log.end() || is_planted("groups-not-replayed-on-restart");
        let handle = ShardHandle::new(partition, log, self.env.clone(), self.config, Arc::clone(&self.wake));
        if is_empty {
            handle.loaded(FIRST_ERA, Ok(Shard::default()));
        }
        let before = self.write_shards().insert(partition, Arc::new(handle));
        if let Some(before) = before {
            before.resign();
        }
        self.wake.notify_one();
    }

    /// Gives a partition up: another broker leads it. Who waits is told to look for the new coordinator.
    pub fn resign(&self, partition: i32) {
        let before = self.write_shards().remove(&partition);
        if let Some(before) = before {
            before.resign();
        }
    }

    /// Which partition of `__consumer_offsets` keeps `group`.
    #[must_use]
    pub fn partition_of(&self, group: &GroupId) -> i32 {
        partition_for(group, self.partitions)
    }

    /// How many groups are in memory here.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.all_shards().iter().map(|shard| shard.group_count()).sum()
    }

    fn write_shards(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<i32, Arc<ShardHandle>>> {
        // No user code runs under the lock, so a poisoned one still holds a whole map.
        self.shards.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_shards(&self) -> Vec<Arc<ShardHandle>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn shard_of(&self, group: &GroupId) -> Result<Arc<ShardHandle>, Error> {
        let partition = self.partition_of(group);
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        shards.get(&partition).cloned().ok_or_else(|| {
            let why = format!("partition {partition} of __consumer_offsets, with group {group}, is led elsewhere");
            Error::new(ErrorCode::NotCoordinator, why)
        })
    }
}
