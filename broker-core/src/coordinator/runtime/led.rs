//! A partition that this broker leads, as a shard's log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::log::{Commit, ShardAppend, ShardLog};
use crate::api::{Acks, Error, ErrorCode, IsolationLevel};
use crate::env::Env;
use crate::ids::Offset;
use crate::partition::{FetchLimits, Origin, Partition, Read, Status, Wanted, fetch};
use crate::record::Batch;

/// A partition of `__consumer_offsets` as a [`ShardLog`]: appended to with `acks=all`.
///
/// A [`Partition`] that has ended never serves again. So [`reopen`](ShardLog::reopen) then refuses, and the shard
/// stays at `COORDINATOR_LOAD_IN_PROGRESS`, until the broker has opened the partition anew and
/// [leads](super::GroupCoordinator::lead) with that, or [resigns](super::GroupCoordinator::resign).
#[derive(Debug)]
pub struct LedPartition {
    partition: Arc<Partition>,
    env: Env,
}

/// How long one look for the high watermark waits; then there is another.
const LOOK: Duration = Duration::from_secs(10);

impl LedPartition {
    /// Wraps a partition to which nobody else appends.
    #[must_use]
    pub const fn new(partition: Arc<Partition>, env: Env) -> Self {
        Self { partition, env }
    }

    const fn read_from(from: Offset, max_bytes: usize, as_replica: bool) -> Read {
        let isolation = IsolationLevel::ReadUncommitted;
        Read { from, max_bytes, isolation, as_replica, current_leader_epoch: None }
    }
}

#[async_trait]
impl ShardLog for LedPartition {
    fn start(&self) -> Offset {
        self.partition.bounds().start
    }

    fn end(&self) -> Offset {
        self.partition.bounds().end
    }

    fn max_batch_bytes(&self) -> usize {
        self.partition.config().max_message_bytes
    }

    fn append(&self, batch: Batch) -> Result<ShardAppend, Error> {
        // Nobody else appends, so this is where the batch goes.
        let base_offset = self.partition.bounds().end;
        let pending = self.partition.append(batch, Acks::All, Origin::Trusted)?;
        let commit = match pending.try_take() {
            Ok(answer) => Commit::new(std::future::ready(answer.map(|_| ()))),
            Err(pending) => Commit::new(async move { pending.await.map(|_| ()) }),
        };
        Ok(ShardAppend { base_offset, commit })
    }

    async fn committed(&self, end: Offset) -> Result<(), Error> {
        loop {
            let from = self.partition.high_watermark();
            if from >= end {
                return Ok(());
            }
            // A consumer's long poll is what wakes when the high watermark moves or the partition ends.
            let wanted = Wanted { partition: Arc::clone(&self.partition), read: Self::read_from(from, 1, false) };
            let limits = FetchLimits { max_wait: LOOK, min_bytes: 1, max_bytes: 1, first: 0 };
            for answer in fetch(&[wanted], limits, &self.env).await {
                answer?;
            }
        }
    }

    async fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        Ok(self.partition.read(&Self::read_from(from, max_bytes, true)).await?.batches)
    }

    async fn trim(&self, before: Offset) -> Result<(), Error> {
        self.partition.delete_records(before).await.map(|_| ())
    }

    async fn reopen(&self) -> Result<(), Error> {
        match self.partition.status() {
            Status::Leading => Ok(()),
            ended => Err(Error::new(
                ErrorCode::NotCoordinator,
                format!("partition {} has ended ({ended:?}): the broker opens it anew", self.partition.name()),
            )),
        }
    }
}
