//! What a storage does for a broker by its logs alone.

use std::sync::Arc;

use async_trait::async_trait;
use ottla_broker_core::log::{Error, ErrorKind, OpenPartition, PartitionLog, PartitionReader, Ticket};
use ottla_broker_core::{LeaderEpoch, PartitionId, TopicId};
use uuid::Uuid;

use super::core::Core;
use super::handle::{Reader, Writer};
use super::key::{Key, Space};
use super::log::Log;
use super::over_log::{LogMetadata, LogSnapshots, SnapshotLogs};

impl Core {
    /// See [`LogStorage::open_many`](ottla_broker_core::log::LogStorage::open_many).
    pub(crate) async fn open_many(
        self: &Arc<Self>,
        partitions: &[OpenPartition],
    ) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        // All are submitted before the first is waited for: they are one group.
        let opened: Vec<_> = partitions.iter().map(|wanted| self.open_one(wanted)).collect();
        let mut handles = Vec::with_capacity(opened.len());
        for opened in opened {
            handles.push(match opened {
                Ok((log, epoch, ticket)) => {
                    ticket.await.map(|()| Arc::new(Writer::new(Arc::clone(self), log, epoch)) as Arc<dyn PartitionLog>)
                }
                Err(error) => Err(error),
            });
        }
        handles
    }

    fn open_one(&self, wanted: &OpenPartition) -> Result<(Arc<Log>, LeaderEpoch, Ticket), Error> {
        self.check()?;
        let log = self.get_or_create(Key { space: Space::Records, id: wanted.id });
        let ticket = log.open(self, wanted.epoch)?;
        Ok((log, wanted.epoch, ticket))
    }

    /// See [`LogStorage::open_reader`](ottla_broker_core::log::LogStorage::open_reader).
    pub(crate) fn open_reader(self: &Arc<Self>, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        self.check_readable()?;
        let missing = || Error::new(ErrorKind::Closed, format!("the log of {id} does not exist"));
        let log = self.get(Key { space: Space::Records, id }).ok_or_else(missing)?;
        Ok(Arc::new(Reader::new(Arc::clone(self), log)))
    }

    /// See [`LogStorage::list`](ottla_broker_core::log::LogStorage::list).
    pub(crate) fn list(&self) -> Result<Vec<PartitionId>, Error> {
        self.check_readable()?;
        Ok(self.keys(Space::Records).into_iter().map(|key| key.id).collect())
    }

    /// Removes logs; see [`LogStorage::remove`](ottla_broker_core::log::LogStorage::remove).
    pub(crate) async fn remove_keys(&self, keys: impl Iterator<Item = Key> + Send) -> Result<(), Error> {
        self.check()?;
        let mut tickets = Vec::new();
        for key in keys {
            // It stays among the logs until this is written: what was submitted before has to be written to it.
            if let Some(log) = self.get(key)
                && let Some(ticket) = log.remove(self)?
            {
                tickets.push(ticket);
            }
        }
        for ticket in tickets {
            ticket.await?;
        }
        Ok(())
    }

    /// A log of the engine's own: the medium keeps other writers out, and no epoch is needed.
    pub(crate) fn own_log(self: &Arc<Self>, key: Key, create: bool) -> Result<Option<Arc<dyn PartitionLog>>, Error> {
        self.check()?;
        let log = if create { Some(self.get_or_create(key)) } else { self.get(key) };
        let Some(log) = log else { return Ok(None) };
        let epoch = log.open_own()?;
        Ok(Some(Arc::new(Writer::new(Arc::clone(self), log, epoch))))
    }

    /// The cluster's metadata.
    pub(crate) async fn open_metadata(self: &Arc<Self>) -> Result<LogMetadata, Error> {
        let own = |partition| {
            let id = PartitionId { topic: TopicId(Uuid::nil()), partition };
            let log = self.own_log(Key { space: Space::Metadata, id }, true)?;
            log.ok_or_else(|| Error::new(ErrorKind::Closed, "the metadata's log is gone"))
        };
        LogMetadata::open(own(0)?, own(1)?).await
    }

    /// The partitions' snapshots.
    pub(crate) fn snapshots(self: &Arc<Self>) -> LogSnapshots {
        LogSnapshots::new(Arc::new(OwnLogs(Arc::clone(self))))
    }
}

/// The logs of snapshots.
#[derive(Debug)]
struct OwnLogs(Arc<Core>);

#[async_trait]
impl SnapshotLogs for OwnLogs {
    async fn open(&self, id: PartitionId, create: bool) -> Result<Option<Arc<dyn PartitionLog>>, Error> {
        self.0.own_log(Key { space: Space::Snapshots, id }, create)
    }

    async fn remove(&self, id: PartitionId) -> Result<(), Error> {
        self.0.remove_keys(std::iter::once(Key { space: Space::Snapshots, id })).await
    }
}
