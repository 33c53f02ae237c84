//! Random operations against a model that a reader can check by eye.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, assert_fails, assert_same, batch_at, open, partition, read_all, read_all_paged, soon, submit,
};
use crate::env::Env;
use crate::ids::Offset;
use crate::log::{Bounds, ErrorKind, LogStorage, PartitionLog, TrimBase};
use crate::record::Batch;

const SEEDS: u64 = 12;
const STEPS: u32 = 150;

/// What the log should hold.
#[derive(Debug, Default)]
struct Model {
    batches: Vec<Batch>,
    start: i64,
    end: i64,
    base: TrimBase,
}

impl Model {
    fn read(&self, from: i64, until: i64, max_bytes: usize) -> Vec<Batch> {
        let mut found = Vec::new();
        let mut size = 0;
        for batch in self.batches.iter().filter(|batch| batch.next_offset().0 > from) {
            size += batch.size_in_bytes();
            if batch.next_offset().0 > until || (size > max_bytes && !found.is_empty()) {
                break;
            }
            found.push(batch.clone());
        }
        found
    }

    fn offset_for_timestamp(&self, timestamp: i64) -> Option<Offset> {
        self.batches.iter().find(|batch| batch.max_timestamp() >= timestamp).map(Batch::base_offset)
    }
}

struct Run {
    env: Env,
    subject: Arc<dyn LogSubject>,
    storage: Arc<dyn LogStorage>,
    log: Arc<dyn PartitionLog>,
    epoch: i32,
    model: Model,
}

impl Run {
    fn below(&self, bound: i64) -> i64 {
        i64::try_from(self.env.random_below(u64::try_from(bound).unwrap())).unwrap()
    }

    /// An offset about the log, sometimes outside it.
    fn offset(&self) -> i64 {
        self.model.start - 2 + self.below(self.model.end - self.model.start + 5)
    }

    /// A batch that follows the model's end, perhaps after a gap.
    fn next_batch(&mut self) -> Batch {
        let gap = if self.below(4) == 0 { self.below(20) } else { 0 };
        let count = 1 + self.below(5) as i32;
        let batch = batch_at(self.model.end + gap, count, self.epoch, self.below(1000));
        self.model.end = batch.next_offset().0;
        self.model.batches.push(batch.clone());
        batch
    }

    async fn step(&mut self) {
        match self.below(100) {
            0..40 => self.appends().await,
            40..60 => self.reads().await,
            60..68 => self.looks_up().await,
            68..78 => self.trims().await,
            78..81 => self.resets().await,
            81..88 => self.truncates().await,
            88..92 => self.is_refused(),
            92..97 => self.takes_over().await,
            _ => self.restarts().await,
        }
        let (start, end) = (Offset(self.model.start), Offset(self.model.end));
        assert_eq!(self.log.bounds(), Bounds { start, durable_end: end, end });
    }

    async fn appends(&mut self) {
        let mut tickets = Vec::new();
        for _ in 0..1 + self.below(4) {
            let batch = self.next_batch();
            tickets.push(submit(&*self.log, batch).await);
        }
        for ticket in tickets {
            soon("a ticket", ticket).await.unwrap();
        }
    }

    async fn reads(&self) {
        let (from, until, max_bytes) = (self.offset(), self.offset(), self.below(2000) as usize);
        let result = soon("read", self.log.read(Offset(from), Offset(until), max_bytes)).await;
        let what = format!("a read from {from} until {until} of {max_bytes} bytes");
        if from < self.model.start || from > self.model.end {
            assert_fails(what, result, &[ErrorKind::OutOfRange]);
        } else {
            assert_same(what, &result.unwrap(), &self.model.read(from, until, max_bytes));
        }
    }

    async fn looks_up(&self) {
        let timestamp = self.below(1010);
        let found = self.log.offset_for_timestamp(timestamp).await.unwrap();
        assert_eq!(found, self.model.offset_for_timestamp(timestamp), "the first batch at or after {timestamp} ms");
    }

    async fn trims(&mut self) {
        let before = self.offset();
        let base = TrimBase { start: Offset(before), state: format!("trimmed to {before}").into() };
        let result = soon("trim", self.log.trim_prefix(Offset(before), base.clone())).await;
        if before > self.model.end {
            return assert_fails(format!("a trim to {before}"), result, &[ErrorKind::OutOfRange]);
        }
        result.unwrap();
        if before > self.model.start {
            self.model.batches.retain(|batch| batch.next_offset().0 > before);
            self.model.start = before;
            self.model.base = base;
        }
    }

    async fn resets(&mut self) {
        let at = self.offset().max(0);
        let base = TrimBase { start: Offset(at), state: format!("reset to {at}").into() };
        soon("reset", self.log.reset_to(Offset(at), base.clone())).await.unwrap();
        self.model = Model { batches: Vec::new(), start: at, end: at, base };
    }

    async fn truncates(&mut self) {
        let end = self.offset();
        let Some(capability) = self.log.truncate_suffix() else { return };
        let result = soon("truncate", capability.truncate_to(Offset(end))).await;
        if end < self.model.start {
            return assert_fails(format!("a truncation to {end}"), result, &[ErrorKind::OutOfRange]);
        }
        let new_end = result.unwrap().0;
        let dropped = self.model.batches.iter().find(|batch| batch.next_offset().0 > end).map(Batch::base_offset);
        self.model.batches.retain(|batch| batch.next_offset().0 <= end);
        let kept_end = self.model.batches.last().map_or(self.model.start, |batch| batch.next_offset().0);
        let lowest = kept_end.max(self.model.start);
        let highest = dropped.map_or(self.model.end, |base| base.0).min(end).max(lowest);
        assert!((lowest..=highest).contains(&new_end), "a truncation to {end} ended at {new_end}");
        self.model.end = new_end;
    }

    fn is_refused(&self) {
        let below = self.model.end - 1 - self.below(5);
        let result = self.log.append(batch_at(below, 1, self.epoch, 0));
        assert_fails(format!("a batch at {below}"), result, &[ErrorKind::OutOfRange]);
    }

    async fn takes_over(&mut self) {
        self.epoch += 1;
        let new = open(&self.storage, partition(0), self.epoch).await;
        let old = std::mem::replace(&mut self.log, new);
        let result = old.append(batch_at(self.model.end, 1, self.epoch - 1, 0));
        assert_fails("an append by a fenced handle", result, &[ErrorKind::Fenced]);
        self.holds().await;
    }

    async fn restarts(&mut self) {
        if self.below(2) == 0 || !self.subject.crash().await {
            soon("close", self.storage.close()).await.unwrap();
        }
        self.storage = self.subject.open().await;
        self.epoch += 1;
        self.log = open(&self.storage, partition(0), self.epoch).await;
        self.holds().await;
    }

    async fn holds(&self) {
        assert_same("the log", &read_all(&*self.log).await, &self.model.batches);
        assert_same("the log in small reads", &read_all_paged(&*self.log, 300).await, &self.model.batches);
        assert_eq!(self.log.trim_base().await.unwrap(), self.model.base);
    }
}

/// Random operations, valid and not, leave the log as a simple model says. A failure names its seed.
pub async fn random_operations_match_a_model(subject: Arc<dyn LogSubject>) {
    for seed in 0..SEEDS {
        let storage = subject.open().await;
        let log = open(&storage, partition(0), 0).await;
        let env = Env::seeded(seed);
        let mut run = Run { env, subject: Arc::clone(&subject), storage, log, epoch: 0, model: Model::default() };
        for step in 0..STEPS {
            tracing::debug!(seed, step, "a step of the model");
            run.step().await;
        }
        append(&*run.log.clone(), run.next_batch()).await;
        run.holds().await;
        run.storage.remove(&[partition(0)]).await.unwrap();
        run.storage.close().await.unwrap();
    }
}
