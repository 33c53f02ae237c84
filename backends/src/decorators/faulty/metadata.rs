//! Metadata and snapshots whose calls fail.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Entry, Error, MetadataLog, Position, Snapshot, SnapshotStore};

use super::faults::Faults;
use crate::decorators::Operation;

/// A [`MetadataLog`] that fails as its [`Faults`] say.
#[derive(Debug)]
pub struct FaultyMetadataLog {
    inner: Arc<dyn MetadataLog>,
    faults: Faults,
}

impl FaultyMetadataLog {
    /// `inner`, decorated.
    #[must_use]
    pub fn new(inner: Arc<dyn MetadataLog>, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MetadataLog for FaultyMetadataLog {
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error> {
        self.faults.around(Operation::MetadataAppend, self.inner.append_at(position, commands)).await
    }

    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error> {
        self.faults.around(Operation::MetadataRead, self.inner.read(from, max_entries)).await
    }

    async fn end(&self) -> Result<Position, Error> {
        self.faults.around(Operation::MetadataEnd, self.inner.end()).await
    }

    async fn watch(&self, position: Position) -> Result<Position, Error> {
        self.faults.around(Operation::MetadataWatch, self.inner.watch(position)).await
    }

    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error> {
        self.faults.around(Operation::MetadataSaveSnapshot, self.inner.save_snapshot(position, state)).await
    }

    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        self.faults.around(Operation::MetadataLatestSnapshot, self.inner.latest_snapshot()).await
    }

    async fn trim(&self, before: Position) -> Result<(), Error> {
        self.faults.around(Operation::MetadataTrim, self.inner.trim(before)).await
    }
}

/// A [`SnapshotStore`] that fails as its [`Faults`] say.
#[derive(Debug)]
pub struct FaultySnapshots {
    inner: Arc<dyn SnapshotStore>,
    faults: Faults,
}

impl FaultySnapshots {
    /// `inner`, decorated.
    #[must_use]
    pub fn new(inner: Arc<dyn SnapshotStore>, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SnapshotStore for FaultySnapshots {
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error> {
        self.faults.around(Operation::SnapshotSave, self.inner.save(partition, snapshot)).await
    }

    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error> {
        self.faults.around(Operation::SnapshotLatest, self.inner.latest(partition)).await
    }

    async fn remove(&self, partition: PartitionId) -> Result<(), Error> {
        self.faults.around(Operation::SnapshotRemove, self.inner.remove(partition)).await
    }
}
