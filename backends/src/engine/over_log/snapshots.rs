//! The snapshot store: a log for each partition.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ottla_broker_core::log::{Error, ErrorKind, PartitionLog, Snapshot, SnapshotStore};
use ottla_broker_core::{Offset, PartitionId};

use super::errors::of_snapshots;
use super::newest;
use super::turns::Turns;

/// The logs that hold partitions' snapshots. Only [`LogSnapshots`] opens them: for one id one handle at a time,
/// dropped after one call. So it does not matter whether opening fences; it should be cheap and write nothing.
#[async_trait]
pub(crate) trait SnapshotLogs: fmt::Debug + Send + Sync + 'static {
    /// The log of this partition's snapshots, at an epoch above those that it was opened at before. Creates it if
    /// `create`; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`, `Corrupt`, `Poisoned`; `Full` if one would be created.
    async fn open(&self, id: PartitionId, create: bool) -> Result<Option<Arc<dyn PartitionLog>>, Error>;

    /// Deletes it. Durable before it returns; an absent one is no error.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`, `Poisoned`.
    async fn remove(&self, id: PartitionId) -> Result<(), Error>;
}

/// Keeps the newest snapshot of each partition in a log of its own. Holds no handle and no state of a partition
/// between calls.
#[derive(Debug)]
pub(crate) struct LogSnapshots {
    logs: Arc<dyn SnapshotLogs>,
    turns: Turns,
}

impl LogSnapshots {
    pub(crate) fn new(logs: Arc<dyn SnapshotLogs>) -> Self {
        Self { logs, turns: Turns::default() }
    }

    /// How many partitions cost memory now.
    #[cfg(test)]
    pub(super) fn busy(&self) -> usize {
        self.turns.busy()
    }

    /// The last saved, with its damage if there is any.
    async fn read(&self, partition: PartitionId, what: &str) -> Result<Option<Snapshot>, Error> {
        let Some(log) = self.logs.open(partition, false).await? else { return Ok(None) };
        let Some(at) = newest::places(&*log).next() else { return Ok(None) };
        let cell = newest::value_at(&*log, what, at).await?;
        Ok(cell.map(|cell| Snapshot { end: Offset(cell.number), state: cell.value }))
    }
}

fn name(partition: PartitionId) -> String {
    format!("the snapshots of {partition}")
}

#[async_trait]
impl SnapshotStore for LogSnapshots {
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error> {
        let what = name(partition);
        let _turn = self.turns.of(partition).await;
        let save = async {
            let log = self
                .logs
                .open(partition, true)
                .await?
                .ok_or_else(|| Error::new(ErrorKind::Unavailable, format!("the log of {what} was not created")))?;
            let (at, ticket) = newest::submit(&*log, &what, snapshot.end.0, &snapshot.state).await?;
            ticket.await?;
            newest::forget_older(&*log, at).await
        };
        save.await.map_err(|error| of_snapshots(&what, error))
    }

    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error> {
        let what = name(partition);
        let _turn = self.turns.of(partition).await;
        match self.read(partition, &what).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::warn!(%partition, %error, "a snapshot is damaged: its partition is replayed from the log");
                Ok(None)
            }
            read => read.map_err(|error| of_snapshots(&what, error)),
        }
    }

    async fn remove(&self, partition: PartitionId) -> Result<(), Error> {
        let _turn = self.turns.of(partition).await;
        self.logs.remove(partition).await.map_err(|error| of_snapshots(&name(partition), error))
    }
}
