//! A storage that does nothing by itself: the test says when something is written, and what lies in which file.

use std::sync::Arc;

use ottla_broker_core::log::Ticket;
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use crate::disk::DiskOptions;
use crate::disk::files::Files;
use crate::disk::files::crash::CrashFiles;
use crate::disk::storage::{DiskStorage, Runner};
use crate::engine::{Key, Log, Space};

pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(1);

/// Small files; nothing stays in memory.
pub(crate) const SMALL: DiskOptions = DiskOptions {
    level: crate::disk::Level::Fsync,
    journal_bytes: 16 << 20,
    file_bytes: 272 << 10,
    tail_bytes: 0,
    cold_bytes: 0,
    pending_bytes: 32 << 20,
    group_bytes: 4 << 20,
};

pub(crate) struct Driven {
    pub(crate) storage: DiskStorage,
    pub(crate) files: CrashFiles,
}

pub(crate) fn key(partition: i32) -> Key {
    Key { space: Space::Records, id: PartitionId { topic: TopicId(Uuid::from_u128(7)), partition } }
}

/// One record of `bytes` bytes.
pub(crate) fn batch(base: i64, bytes: usize) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    let value: Vec<u8> = (0..bytes).map(|n| (n as i64 * 31 + base) as u8).collect();
    builder.append(1_000 + base, None, Some(&value), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(Offset(base), EPOCH)
}

impl Driven {
    pub(crate) fn new(options: DiskOptions) -> Self {
        Self::over(CrashFiles::new(), options)
    }

    pub(crate) fn over(files: CrashFiles, options: DiskOptions) -> Self {
        let shared: Arc<dyn Files> = Arc::new(files.clone());
        let storage = DiskStorage::open(shared, options, Uuid::from_u128(1), None, Runner::Caller).unwrap();
        Self { storage, files }
    }

    /// A log that is open for writing.
    pub(crate) fn log(&self, partition: i32) -> Arc<Log> {
        let (core, _) = self.storage.parts();
        let log = core.get_or_create(key(partition));
        if log.check_writer(EPOCH).is_err() {
            drop(log.open(core, EPOCH).unwrap());
        }
        log
    }

    /// Submits one record; nothing is written yet.
    pub(crate) fn append(&self, partition: i32, base: i64, bytes: usize) {
        drop(self.submit(partition, base, bytes));
    }

    /// The same, with its ticket.
    pub(crate) fn submit(&self, partition: i32, base: i64, bytes: usize) -> Ticket {
        let log = self.log(partition);
        log.append(self.storage.parts().0, EPOCH, batch(base, bytes)).unwrap()
    }

    /// Writes what was submitted, as one chunk, and nothing else.
    pub(crate) fn write(&self) {
        self.storage.parts().1.write_pending();
    }

    /// Has the next chunk begin a file: what is submitted here fills the one that is written.
    pub(crate) fn fill(&self, partition: i32) {
        let log = self.log(partition);
        let full = self.current();
        while self.current() == full {
            self.append(partition, log.bounds().end.0, 8 << 10);
            self.write();
        }
    }

    /// The number of the file that is written.
    fn current(&self) -> Option<u64> {
        let all = self.storage.parts().1.shelf.all();
        all.iter().rev().find(|(_, about)| about.bytes > 0 && !about.closed).map(|(number, _)| *number)
    }

    /// The offsets that a reader sees from `from` on, asking for little at a time.
    pub(crate) async fn offsets(&self, partition: i32, from: i64) -> Result<Vec<i64>, ottla_broker_core::log::Error> {
        let (core, log) = (self.storage.parts().0, self.log(partition));
        let end = log.bounds().durable_end;
        let mut next = Offset(from);
        let mut seen = Vec::new();
        while next < end {
            let batches = log.read(core, next, end, 1).await?;
            let last = batches.last().expect("a read below the end finds something");
            next = last.next_offset();
            seen.extend(batches.iter().map(|batch| batch.base_offset().0));
        }
        Ok(seen)
    }
}
