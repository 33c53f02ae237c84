//! The logs of snapshots, for [`LogSnapshots`](crate::engine::over_log::LogSnapshots).

use std::sync::Arc;

use async_trait::async_trait;
use ottla_broker_core::PartitionId;
use ottla_broker_core::log::{Error, PartitionLog};

use super::storage::DiskStorage;
use crate::engine::over_log::SnapshotLogs;
use crate::engine::{Key, Space};

#[derive(Debug)]
pub(super) struct Logs(pub(super) Arc<DiskStorage>);

#[async_trait]
impl SnapshotLogs for Logs {
    async fn open(&self, id: PartitionId, create: bool) -> Result<Option<Arc<dyn PartitionLog>>, Error> {
        self.0.own_log(Key { space: Space::Snapshots, id }, create)
    }

    async fn remove(&self, id: PartitionId) -> Result<(), Error> {
        self.0.remove_keys(std::iter::once(Key { space: Space::Snapshots, id })).await
    }
}
