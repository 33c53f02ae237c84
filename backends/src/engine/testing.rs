//! What the tests of the parts share.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::log::{Durability, Error};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use super::chunk::{item_bytes, item_head};
use super::{Applied, ColdLimits, Core, Extent, Key, Limits, Log, Medium, Piece, Space, Stretch};

pub(super) const EPOCH: LeaderEpoch = LeaderEpoch(1);

/// Pieces of a few batches, when they are of some 100 bytes.
pub(super) const COLD: ColdLimits = ColdLimits { piece: 1000, gap: 0, ahead: 4000, budget: 16_000, kept: 4000 };

/// A medium of one byte string for each file; file 0 is none.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) files: Mutex<Vec<Option<Vec<u8>>>>,
    pub(super) reads: Mutex<usize>,
    /// What happens before the next read: somebody moves batches, say.
    pub(super) meanwhile: Mutex<Option<Meanwhile>>,
}

/// Done once, before the next read.
pub(super) struct Meanwhile(pub(super) Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

#[async_trait]
impl Medium for Memory {
    async fn read(&self, stretch: Stretch) -> Result<Option<Piece>, Error> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(Meanwhile(act)) = meanwhile {
            act();
        }
        *self.reads.lock().unwrap() += 1;
        let files = self.files.lock().unwrap();
        let Some(Some(content)) = files.get(stretch.file() as usize) else { return Ok(None) };
        let content = content.get(stretch.position() as usize..).unwrap_or_default();
        let bytes = Bytes::copy_from_slice(&content[..stretch.bytes().min(content.len())]);
        Ok(Some(stretch.take_apart(&bytes)))
    }
}

impl Memory {
    /// Appends the batch's item to a file; says where it lies.
    pub(super) fn put(&self, key: &Key, file: u64, batch: &Batch) -> Extent {
        let mut files = self.files.lock().unwrap();
        if files.len() <= file as usize {
            files.resize(file as usize + 1, None);
        }
        let content = files[file as usize].get_or_insert_default();
        let position = content.len() as u64;
        content.extend_from_slice(&item_head(key, batch));
        content.extend_from_slice(batch.body());
        extent(batch, file, position)
    }
}

pub(super) fn core_over(medium: &Arc<Memory>, tail_bytes: usize) -> Core {
    let limits = Limits { group_bytes: 4 << 20, pending_bytes: 32 << 20, tail_bytes, cold: COLD };
    Core::new(Durability::Fsync, limits, Arc::clone(medium) as _)
}

pub(super) fn core(tail_bytes: usize) -> Core {
    core_over(&Arc::default(), tail_bytes)
}

pub(super) fn key(partition: i32) -> Key {
    Key { space: Space::Records, id: PartitionId { topic: TopicId(Uuid::from_u128(7)), partition } }
}

/// A log that is open for writing.
pub(super) fn log(core: &Core, partition: i32) -> Arc<Log> {
    let log = core.get_or_create(key(partition));
    drop(log.open(core, EPOCH).unwrap());
    log.apply(core, [Applied::Open(EPOCH)]);
    core.queue.drain();
    log
}

/// One record of `bytes` bytes.
pub(super) fn batch(base: i64, bytes: usize) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(1_000 + base, None, Some(&vec![base as u8; bytes]), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(Offset(base), EPOCH)
}

pub(super) fn extent(batch: &Batch, file: u64, position: u64) -> Extent {
    Extent {
        base: batch.base_offset(),
        next: batch.next_offset(),
        file,
        position,
        bytes: item_bytes(batch) as u32,
        max_timestamp: batch.max_timestamp(),
    }
}
