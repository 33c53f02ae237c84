//! Helpers of the tests.

use std::sync::Arc;

use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, OpenPartition, PartitionLog};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};

pub(crate) fn partition(n: i32) -> PartitionId {
    PartitionId { topic: TopicId(Env::seeded(99).uuid()), partition: n }
}

/// One record at `base`.
pub(crate) fn batch(base: i64, epoch: i32) -> Batch {
    let mut builder = Builder::new(BuilderOptions { capacity: 128, ..BuilderOptions::default() });
    builder.append(1000 + base, None, Some(format!("value {base:04}").as_bytes()), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(Offset(base), LeaderEpoch(epoch))
}

pub(crate) async fn open(storage: &dyn LogStorage, id: PartitionId, epoch: i32) -> Arc<dyn PartitionLog> {
    storage.open_many(&[OpenPartition { id, epoch: LeaderEpoch(epoch) }]).await.remove(0).unwrap()
}

pub(crate) async fn append(log: &dyn PartitionLog, batch: Batch) {
    log.append(batch).unwrap().await.unwrap();
}
