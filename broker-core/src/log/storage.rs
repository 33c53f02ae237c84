//! The storage of all partitions of a broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::durability::Durability;
use super::error::Error;
use super::metadata_log::MetadataLog;
use super::partition_log::{PartitionLog, PartitionReader};
use super::snapshot::SnapshotStore;
use crate::ids::{LeaderEpoch, PartitionId};

/// A partition to open for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPartition {
    /// Which.
    pub id: PartitionId,
    /// The epoch of the leader that opens it. Opening fences every handle of a lower epoch.
    pub epoch: LeaderEpoch,
}

/// Keeps the logs of partitions, by topic *id*: a topic created again under an old name sees nothing of
/// the old one.
#[async_trait]
pub trait LogStorage: fmt::Debug + Send + Sync + 'static {
    /// What a resolved ticket of this storage has reached.
    fn durability(&self) -> Durability;

    /// How long it is until what is appended by then is written, if the storage writes at set times and the next one is
    /// known; zero while that is about to happen. Who has records to gather loses nothing by gathering until then.
    /// `None`, as for most: what is appended is written as soon as can be, or nobody knows when. Cheap: asked for
    /// each batch.
    fn next_write_in(&self) -> Option<Duration> {
        None
    }

    /// Opens partitions for writing, creating those that do not exist (empty, from offset 0), and fences
    /// their older writers. One call for many: ten thousand partitions are not ten thousand fencing
    /// writes. One result for each, in order; a partition that cannot be opened does not keep others from it.
    ///
    /// - MUST fail with `Fenced` at an epoch at or below one that the partition was opened at before.
    /// - Everything acknowledged by an earlier handle MUST be there; what was appended and not
    ///   acknowledged may be, as a prefix: no batch without those before it.
    /// - What is served from the new handle is durable: `durable_end == end` at first.
    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>>;

    /// Opens a partition for reading. Never fences; follows the writer's progress where storage is shared.
    ///
    /// # Errors
    /// `Closed` if there is no such log; `Unavailable`, `Corrupt`.
    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error>;

    /// Every partition that has a log, in order.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn list(&self) -> Result<Vec<PartitionId>, Error>;

    /// Deletes logs. Durable before it returns; handles of them are closed; an absent one is no error.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`, `Poisoned`.
    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error>;

    /// Closes every handle as [`PartitionLog::close`] does and releases what the storage holds (threads,
    /// files, locks). Idempotent.
    ///
    /// # Errors
    /// The first failure of an outstanding append.
    async fn close(&self) -> Result<(), Error>;
}

/// All that a broker stores into.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Partitions' logs.
    pub logs: Arc<dyn LogStorage>,
    /// The cluster's metadata.
    pub metadata: Arc<dyn MetadataLog>,
    /// Caches that shorten a replay.
    pub snapshots: Arc<dyn SnapshotStore>,
}
