//! What a batch's deliveries wait for: one shared completion, one wake of all.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use ottla_broker_core::api::Appended;
use ottla_broker_core::{Offset, TopicPartition};

use super::error::Error;
use super::metadata::RecordMetadata;
use super::reports::Reports;
use super::shared::Shared;

/// Set in [`Completion::dropped`] once the outcome is known.
const DONE: u32 = 1 << 31;

/// The common fate of records that were enqueued together. A batch that is split has one part for each
/// piece; the completion is done when every part is.
#[derive(Debug)]
pub(super) struct Completion {
    /// The number of deliveries that were dropped before they were answered, and [`DONE`].
    dropped: AtomicU32,
    outcome: OnceLock<Vec<Part>>,
    waiting: Mutex<Waiting>,
    awaited: AtomicBool,
    reports: Arc<Reports>,
    /// Whom to ask when someone waits for a batch that has not gone.
    producer: Weak<Shared>,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<Waker>,
    parts: Vec<Part>,
    answered: u32,
    /// `None` until the last record is in.
    records: Option<u32>,
}

/// The fate of a run of the completion's records.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) result: Result<Receipt, Error>,
}

/// Where a run of records went.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) partition: TopicPartition,
    pub(super) appended: Appended,
    /// The place of the run's first record in the batch that was written.
    pub(super) first_delta: u32,
}

impl Completion {
    pub(super) fn new(reports: Arc<Reports>, producer: Weak<Shared>) -> Self {
        Self {
            dropped: AtomicU32::new(0),
            outcome: OnceLock::new(),
            waiting: Mutex::default(),
            awaited: AtomicBool::new(false),
            reports,
            producer,
        }
    }

    /// Whether someone waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// Sends what can go at once, and the rest of it as soon as it can.
    pub(super) fn someone_waits(&self) {
        self.awaited.store(true, Ordering::Release);
        if let Some(producer) = self.producer.upgrade() {
            producer.submit_now();
            producer.turns.settle();
        }
    }

    /// Says how many records there are, once no more can join.
    pub(super) fn seal(&self, records: u32) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.records = Some(records);
        self.finish_if_complete(waiting);
    }

    /// Settles a run of records; the last run wakes everyone.
    pub(super) fn answer(&self, part: Part) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.answered += part.count;
        waiting.parts.push(part);
        self.finish_if_complete(waiting);
    }

    fn finish_if_complete(&self, mut waiting: std::sync::MutexGuard<'_, Waiting>) {
        if waiting.records != Some(waiting.answered) {
            return;
        }
        let parts = std::mem::take(&mut waiting.parts);
        let failure = parts.iter().find_map(|part| part.result.as_ref().err().cloned());
        if self.outcome.set(parts).is_err() {
            return;
        }
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        // From here on a delivery that is dropped reports itself.
        let dropped = self.dropped.fetch_or(DONE, Ordering::AcqRel);
        if let (Some(_), Some(parts)) = (failure, self.outcome.get()) {
            self.report_dropped(dropped, parts);
        }
        for waker in wakers {
            waker.wake();
        }
    }

    /// With parts of different fates nobody knows which deliveries were dropped: the failed ones count,
    /// as far as there were that many.
    fn report_dropped(&self, dropped: u32, parts: &[Part]) {
        let failed: u32 = parts.iter().filter(|part| part.result.is_err()).map(|part| part.count).sum();
        let first = parts.iter().find_map(|part| part.result.as_ref().err());
        if let Some(first) = first {
            self.reports.add(u64::from(dropped.min(failed)), first);
        }
    }

    /// The answer for one record, or a wake-up when it is there. `slot` remembers where the waker is.
    pub(super) fn poll(
        &self,
        index: u32,
        slot: &mut Option<usize>,
        timestamp_ms: i64,
        cx: &Context<'_>,
    ) -> Poll<Result<RecordMetadata, Error>> {
        if let Some(answer) = self.peek(index, timestamp_ms) {
            return Poll::Ready(answer);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have come in between; the outcome is set under this lock.
        if self.outcome.get().is_none() {
            match slot.and_then(|slot| waiting.wakers.get_mut(slot)) {
                Some(waker) => waker.clone_from(cx.waker()),
                None => {
                    *slot = Some(waiting.wakers.len());
                    waiting.wakers.push(cx.waker().clone());
                }
            }
            return Poll::Pending;
        }
        drop(waiting);
        self.peek(index, timestamp_ms).map_or(Poll::Pending, Poll::Ready)
    }

    /// The answer for one record, if it is there.
    pub(super) fn peek(&self, index: u32, timestamp_ms: i64) -> Option<Result<RecordMetadata, Error>> {
        let parts = self.outcome.get()?;
        let part = parts.iter().find(|part| (part.first..part.first + part.count).contains(&index));
        Some(match part.map(|part| (part.first, &part.result)) {
            Some((first, Ok(receipt))) => Ok(receipt.metadata(index - first, timestamp_ms)),
            Some((_, Err(error))) => Err(error.clone()),
            // Only a record that never joined has no part.
            None => Err(Error::Closed { in_doubt: false }),
        })
    }

    /// A delivery that was never answered goes away.
    pub(super) fn abandon(&self, index: u32) {
        if self.dropped.fetch_add(1, Ordering::AcqRel) & DONE == 0 {
            return;
        }
        if let Some(Err(error)) = self.peek(index, 0) {
            self.reports.add(1, &error);
        }
    }
}

impl Receipt {
    fn metadata(&self, nth: u32, timestamp_ms: i64) -> RecordMetadata {
        let delta = i64::from(self.first_delta + nth);
        RecordMetadata {
            topic: self.partition.topic.clone(),
            partition: self.partition.partition,
            offset: self.appended.base_offset.map(|base: Offset| base.plus(delta)),
            timestamp_ms: self.appended.log_append_time_ms.unwrap_or(timestamp_ms),
            durability: self.appended.durability,
            replicas: self.appended.replicas,
        }
    }
}
