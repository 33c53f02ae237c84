//! Metadata and snapshots whose calls are counted.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Entry, Error, MetadataLog, Position, Snapshot, SnapshotStore};

use super::counts::Counts;
use crate::decorators::Operation;

/// A [`MetadataLog`] that counts its calls in its [`Counts`].
#[derive(Debug)]
pub struct CountedMetadataLog {
    inner: Arc<dyn MetadataLog>,
    counts: Arc<Counts>,
}

impl CountedMetadataLog {
    /// `inner`, decorated.
    #[must_use]
    pub fn new(inner: Arc<dyn MetadataLog>, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MetadataLog for CountedMetadataLog {
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error> {
        self.counts.call(Operation::MetadataAppend);
        self.inner.append_at(position, commands).await
    }

    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error> {
        self.counts.call(Operation::MetadataRead);
        self.inner.read(from, max_entries).await
    }

    async fn end(&self) -> Result<Position, Error> {
        self.counts.call(Operation::MetadataEnd);
        self.inner.end().await
    }

    async fn watch(&self, position: Position) -> Result<Position, Error> {
        self.counts.call(Operation::MetadataWatch);
        self.inner.watch(position).await
    }

    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error> {
        self.counts.call(Operation::MetadataSaveSnapshot);
        self.inner.save_snapshot(position, state).await
    }

    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        self.counts.call(Operation::MetadataLatestSnapshot);
        self.inner.latest_snapshot().await
    }

    async fn trim(&self, before: Position) -> Result<(), Error> {
        self.counts.call(Operation::MetadataTrim);
        self.inner.trim(before).await
    }
}

/// A [`SnapshotStore`] that counts its calls in its [`Counts`].
#[derive(Debug)]
pub struct CountedSnapshots {
    inner: Arc<dyn SnapshotStore>,
    counts: Arc<Counts>,
}

impl CountedSnapshots {
    /// `inner`, decorated.
    #[must_use]
    pub fn new(inner: Arc<dyn SnapshotStore>, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SnapshotStore for CountedSnapshots {
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error> {
        self.counts.call(Operation::SnapshotSave);
        self.inner.save(partition, snapshot).await
    }

    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error> {
        self.counts.call(Operation::SnapshotLatest);
        self.inner.latest(partition).await
    }

    async fn remove(&self, partition: PartitionId) -> Result<(), Error> {
        self.counts.call(Operation::SnapshotRemove);
        self.inner.remove(partition).await
    }
}
