//! Metadata and snapshots that take their time.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Entry, Error, MetadataLog, Position, Snapshot, SnapshotStore};

use ottla_broker_core::env::Env;

use super::timing::{Delays, Timing};
use crate::decorators::Operation;

/// A [`MetadataLog`] that takes its time.
#[derive(Debug)]
pub struct DelayedMetadataLog {
    inner: Arc<dyn MetadataLog>,
    timing: Timing,
}

impl DelayedMetadataLog {
    /// `inner`, decorated.
    #[must_use]
    pub fn new(inner: Arc<dyn MetadataLog>, env: Env, delays: Delays) -> Self {
        Self { inner, timing: Timing { env, delays } }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MetadataLog for DelayedMetadataLog {
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error> {
        self.timing.wait(Operation::MetadataAppend).await;
        self.inner.append_at(position, commands).await
    }

    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error> {
        self.timing.wait(Operation::MetadataRead).await;
        self.inner.read(from, max_entries).await
    }

    async fn end(&self) -> Result<Position, Error> {
        self.timing.wait(Operation::MetadataEnd).await;
        self.inner.end().await
    }

    async fn watch(&self, position: Position) -> Result<Position, Error> {
        self.timing.wait(Operation::MetadataWatch).await;
        self.inner.watch(position).await
    }

    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error> {
        self.timing.wait(Operation::MetadataSaveSnapshot).await;
        self.inner.save_snapshot(position, state).await
    }

    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        self.timing.wait(Operation::MetadataLatestSnapshot).await;
        self.inner.latest_snapshot().await
    }

    async fn trim(&self, before: Position) -> Result<(), Error> {
        self.timing.wait(Operation::MetadataTrim).await;
        self.inner.trim(before).await
    }
}

/// A [`SnapshotStore`] that takes its time.
#[derive(Debug)]
pub struct DelayedSnapshots {
    inner: Arc<dyn SnapshotStore>,
    timing: Timing,
}

impl DelayedSnapshots {
    /// `inner`, decorated.
    #[must_use]
    pub fn new(inner: Arc<dyn SnapshotStore>, env: Env, delays: Delays) -> Self {
        Self { inner, timing: Timing { env, delays } }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SnapshotStore for DelayedSnapshots {
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error> {
        self.timing.wait(Operation::SnapshotSave).await;
        self.inner.save(partition, snapshot).await
    }

    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error> {
        self.timing.wait(Operation::SnapshotLatest).await;
        self.inner.latest(partition).await
    }

    async fn remove(&self, partition: PartitionId) -> Result<(), Error> {
        self.timing.wait(Operation::SnapshotRemove).await;
        self.inner.remove(partition).await
    }
}
