//! Caches that shorten a replay.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::Error;
use crate::ids::{Offset, PartitionId};

/// State derived from a partition's log up to an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The first offset that the state does not cover.
    pub end: Offset,
    /// The state; opaque to storage.
    pub state: Bytes,
}

/// Keeps the newest snapshot of each partition.
///
/// A snapshot is a cache: losing one loses nothing. What is returned MUST be exactly what was saved (a
/// damaged one is `None`), and a reader MUST check it against the log: it may be ahead of a log that lost its tail.
#[async_trait]
pub trait SnapshotStore: fmt::Debug + Send + Sync + 'static {
    /// Replaces the partition's snapshot.
    ///
    /// # Errors
    /// `Unavailable`, `Full`, `Closed`: the old one may or may not be left.
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error>;

    /// The newest snapshot; `None` if there is none that is whole.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error>;

    /// Forgets the partition's snapshot; none is no error.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn remove(&self, partition: PartitionId) -> Result<(), Error>;
}
