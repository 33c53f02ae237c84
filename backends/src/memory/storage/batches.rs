//! A partition's batches in order, found by offset or timestamp in logarithmic time.

use std::collections::VecDeque;

use ottla_broker_core::Offset;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;

/// Batches by offset. Appending and dropping at either end touch one batch.
///
/// Each carries the greatest timestamp of itself and all before it, which never falls from one to the
/// next: so the first batch that is late enough is found by bisection, although timestamps come in any order.
#[derive(Debug, Default)]
pub(super) struct Batches {
    held: VecDeque<Held>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    batch: Batch,
    /// The greatest `max_timestamp` up to here.
    latest: i64,
}

impl Batches {
    /// The sizes of all batches.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, batch: Batch) {
        let before = self.held.back().map_or(i64::MIN, |last| last.latest);
        self.bytes += batch.size_in_bytes();
        self.held.push_back(Held { latest: before.max(batch.max_timestamp()), batch });
    }

    /// What [`PartitionReader::read`](ottla_broker_core::log::PartitionReader::read) promises, within bounds
    /// that the caller has checked.
    pub(super) fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Vec<Batch> {
        let first = self.held.partition_point(|held| held.batch.next_offset() <= from);
        let mut size = 0_usize;
        self.held
            .range(first..)
            .map(|held| &held.batch)
            .take_while(|batch| {
                let is_first = size == 0;
                size = size.saturating_add(batch.size_in_bytes());
                let within_until = batch.next_offset() <= until || is_planted("memory-read-beyond-until");
                within_until && (is_first || size <= max_bytes)
            })
            .cloned()
            .collect()
    }

    /// The base offset of the first batch whose max timestamp is at or after `timestamp_ms`.
    pub(super) fn offset_for_timestamp(&self, timestamp_ms: i64) -> Option<Offset> {
        let at = self.held.partition_point(|held| held.latest < timestamp_ms);
        self.held.get(at).map(|held| held.batch.base_offset())
    }

    /// Drops the batches that end at or before `before`.
    pub(super) fn drop_before(&mut self, before: Offset) {
        while let Some(held) = self.held.pop_front_if(|held| held.batch.next_offset() <= before) {
            self.bytes -= held.batch.size_in_bytes();
        }
        self.forget_older_timestamps();
        self.shrink();
    }

    /// Drops the batches that end after `end`; says where the first of them began.
    pub(super) fn drop_after(&mut self, end: Offset) -> Option<Offset> {
        let mut first_dropped = None;
        while let Some(held) = self.held.pop_back_if(|held| held.batch.next_offset() > end) {
            self.bytes -= held.batch.size_in_bytes();
            first_dropped = Some(held.batch.base_offset());
        }
        self.shrink();
        first_dropped
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the timestamps of dropped batches out of the running maximum, as far as they reach: from the
    /// first batch that sets the maximum by itself on, nothing changes.
    fn forget_older_timestamps(&mut self) {
        let mut latest = i64::MIN;
        for held in &mut self.held {
            latest = latest.max(held.batch.max_timestamp());
            if held.latest == latest {
                break;
            }
            held.latest = latest;
        }
    }

    /// An idle partition keeps no room of its busier days.
    fn shrink(&mut self) {
        if self.held.len() < self.held.capacity() / 4 {
            self.held.shrink_to(self.held.len() * 2);
        }
    }
}
