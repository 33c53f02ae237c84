//! A load by seed that makes everything happen: rolls, compactions, checkpoints, restarts.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::noop_waker_ref;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Error, LogStorage, OpenPartition, PartitionLog, TrimBase};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use super::model::{Change, History, Model};
use crate::disk::files::crash::CrashFiles;
use crate::disk::storage::{DiskStorage, Runner};
use crate::disk::{DiskOptions, Level};
use crate::engine::{Key, Space};

type Pending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// So small that everything happens within a few hundred appends.
pub(in crate::disk::tests) fn options(level: Level) -> DiskOptions {
    DiskOptions {
        level,
        journal_bytes: 64 << 10,
        file_bytes: 32 << 10,
        tail_bytes: 4 << 10,
        cold_bytes: 64 << 10,
        pending_bytes: 1 << 20,
        group_bytes: 8 << 10,
    }
}

pub(in crate::disk::tests) fn open(files: &CrashFiles, level: Level) -> Result<Arc<DiskStorage>, Error> {
    let name = Env::seeded(1).uuid();
    DiskStorage::open(Arc::new(files.clone()), options(level), name, None, Runner::Caller).map(Arc::new)
}

/// The logs that there may be, of every space.
pub(in crate::disk::tests) fn keys() -> Vec<Key> {
    let key =
        |space, topic, partition| Key { space, id: PartitionId { topic: TopicId(Uuid::from_u128(topic)), partition } };
    let records = (0..4).map(|n| key(Space::Records, 7 + n / 3, (n % 3) as i32));
    records.chain([key(Space::Snapshots, 7, 0), key(Space::Metadata, 0, 0)]).collect()
}

/// A batch whose bytes no other has.
pub(in crate::disk::tests) fn batch(base: Offset, records: u32, bytes: usize, epoch: LeaderEpoch, salt: u64) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for n in 0..records {
        let mut value = format!("{salt} of {base} + {n}, epoch {epoch}").into_bytes();
        value.resize(value.len().max(bytes), salt as u8);
        builder.append(1_700_000_000_000 + base.0, None, Some(&value), &[]).unwrap();
    }
    builder.finish(None, Flags::default()).unwrap().stamped(base, epoch)
}

/// Opens a log for writing at an epoch of its own.
pub(in crate::disk::tests) async fn open_log(
    storage: &DiskStorage,
    key: Key,
    epoch: LeaderEpoch,
) -> Result<Arc<dyn PartitionLog>, Error> {
    if key.space != Space::Records {
        return storage.core.own_log(key, true).map(|log| log.unwrap());
    }
    storage.open_many(&[OpenPartition { id: key.id, epoch }]).await.pop().unwrap()
}

/// Runs `future` to its end; does the storage's work where it waits.
pub(in crate::disk::tests) fn run<T>(storage: &DiskStorage, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    for _ in 0..100 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            return output;
        }
        storage.write_now();
    }
    panic!("it waits for something that never comes");
}

#[derive(Debug)]
struct Subject {
    key: Key,
    handle: Option<Arc<dyn PartitionLog>>,
    model: Model,
}

pub(in crate::disk::tests) struct Workload {
    pub(in crate::disk::tests) files: CrashFiles,
    pub(in crate::disk::tests) history: History,
    level: Level,
    storage: Arc<DiskStorage>,
    subjects: Vec<Subject>,
    pending: Vec<(u64, usize, Pending)>,
    random: Env,
    epoch: i32,
}

impl Workload {
    pub(in crate::disk::tests) fn run(seed: u64, level: Level, steps: usize) -> Self {
        let files = CrashFiles::new();
        let storage = open(&files, level).unwrap();
        let subjects = keys().into_iter().map(|key| Subject { key, handle: None, model: Model::default() }).collect();
        let (history, pending) = (History::default(), Vec::new());
        let random = Env::seeded(seed);
        let mut load = Self { files, history, level, storage, subjects, pending, random, epoch: 0 };
        for _ in 0..steps {
            load.step();
        }
        load.write();
        load
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.random_u64() % bound
    }

    fn step(&mut self) {
        let which = self.below(self.subjects.len() as u64) as usize;
        match self.below(100) {
            0..60 => self.append(which),
            60..74 => self.write(),
            74..84 => self.storage.tend_now(),
            84..89 => self.trim(which),
            89..93 => self.truncate(which),
            93..95 => self.reset(which),
            95..96 => self.remove(which),
            96..98 => self.reopen(which),
            _ => self.restart(),
        }
    }

    /// Submits a change: what `future` does when it is polled for the first time.
    fn submit(&mut self, which: usize, change: Change, mut future: Pending) {
        let subject = &mut self.subjects[which];
        let first = future.as_mut().poll(&mut Context::from_waker(noop_waker_ref()));
        assert!(first.is_pending(), "{change:?} of {} is not written: {first:?}", subject.key);
        subject.model.apply(&change);
        let number = self.history.push(subject.key, change);
        self.pending.push((number, which, future));
    }

    /// Notes what is acknowledged by now.
    fn settle(&mut self) {
        let (files, subjects) = (&self.files, &self.subjects);
        self.pending.retain_mut(|(number, which, future)| {
            match future.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
                Poll::Pending => true,
                Poll::Ready(result) => {
                    result.unwrap_or_else(|error| panic!("{}: {error:?}", subjects[*which].key));
                    files.note(*number);
                    false
                }
            }
        });
    }

    fn write(&mut self) {
        self.storage.write_now();
        self.settle();
    }

    fn is_busy(&self, which: usize) -> bool {
        let bounds = self.subjects[which].handle.as_ref().map(|handle| handle.bounds_cell().get());
        bounds.is_some_and(|bounds| bounds.durable_end < bounds.end)
            || self.pending.iter().any(|(_, of, _)| *of == which) && self.below(2) == 0
    }

    fn handle(&mut self, which: usize) -> Arc<dyn PartitionLog> {
        if self.subjects[which].handle.is_none() {
            self.reopen(which);
        }
        Arc::clone(self.subjects[which].handle.as_ref().unwrap())
    }

    /// Opens it at a new epoch.
    fn reopen(&mut self, which: usize) {
        let key = self.subjects[which].key;
        self.epoch += 1;
        let epoch = LeaderEpoch(self.epoch);
        let number = (key.space == Space::Records).then(|| {
            let change = Change::Open(epoch);
            self.subjects[which].model.apply(&change);
            self.history.push(key, change)
        });
        let storage = Arc::clone(&self.storage);
        let handle = run(&storage, open_log(&storage, key, epoch)).unwrap();
        self.subjects[which].handle = Some(handle);
        self.settle();
        if let Some(number) = number {
            self.files.note(number);
        }
    }

    fn append(&mut self, which: usize) {
        let handle = self.handle(which);
        let bytes = match self.below(60) {
            0 => 40_000, // a file alone
            1..4 => 6_000,
            _ => self.below(500) as usize,
        };
        let records = if bytes > 1_000 { 1 } else { 1 + self.below(4) as u32 };
        let salt = self.random.random_u64();
        let batch = batch(self.subjects[which].model.end, records, bytes, handle.epoch(), salt);
        let ticket = handle.append(batch.clone()).unwrap();
        self.submit(which, Change::Append(batch), Box::pin(ticket));
    }

    fn base(&self, start: Offset) -> TrimBase {
        let state = Bytes::from(format!("state {}", self.random.random_u64()));
        TrimBase { start, state }
    }

    fn trim(&mut self, which: usize) {
        let handle = self.handle(which);
        let bounds = handle.bounds_cell().get();
        let start = self.subjects[which].model.start;
        if bounds.durable_end <= start || bounds.start != start {
            return;
        }
        let before = Offset(start.0 + 1 + self.below((bounds.durable_end.0 - start.0) as u64) as i64);
        let base = self.base(before);
        let change = Change::Trim(before, base.clone());
        self.submit(which, change, Box::pin(async move { handle.trim_prefix(before, base).await }));
    }

    fn truncate(&mut self, which: usize) {
        let handle = self.handle(which);
        if self.is_busy(which) {
            self.write();
        }
        let model = &self.subjects[which].model;
        let begins = model.batches.iter().map(|batch| batch.base_offset().max(model.start));
        let begins: Vec<_> = begins.rev().take(12).collect();
        if begins.is_empty() {
            return;
        }
        let end = begins[self.below(begins.len() as u64) as usize];
        let future = async move {
            let cut = handle.truncate_suffix().unwrap().truncate_to(end).await?;
            assert_eq!(cut, end);
            Ok(())
        };
        self.submit(which, Change::Truncate(end), Box::pin(future));
    }

    fn reset(&mut self, which: usize) {
        let handle = self.handle(which);
        if self.is_busy(which) {
            self.write();
        }
        let end = self.subjects[which].model.end.0;
        let at = Offset(if self.below(2) == 0 { end + 5 } else { self.below(end as u64 + 1) as i64 });
        let base = self.base(at);
        let change = Change::Reset(at, base.clone());
        self.submit(which, change, Box::pin(async move { handle.reset_to(at, base).await }));
    }

    fn remove(&mut self, which: usize) {
        let key = self.subjects[which].key;
        if key.space == Space::Metadata {
            return; // there always is one
        }
        drop(self.handle(which));
        let storage = Arc::clone(&self.storage);
        let future = async move { storage.core.remove_keys(std::iter::once(key)).await };
        self.submit(which, Change::Remove, Box::pin(future));
        if self.below(2) == 0 {
            self.storage.tend_now();
        }
        self.write();
        self.subjects[which].handle = None;
    }

    /// Ends the process, in order or not, and begins another on the same directory.
    fn restart(&mut self) {
        self.write();
        for subject in &mut self.subjects {
            subject.handle = None;
        }
        if self.below(2) == 0 {
            let storage = Arc::clone(&self.storage);
            run(&storage, storage.close()).unwrap();
        }
        self.storage = open(&self.files, self.level).unwrap();
    }
}
