//! What was sent, acknowledged and read, and what must never be among it.
//!
//! After Jepsen's Kafka workload: values are unique, an answer that says "perhaps" is taken as perhaps, and one pass finds
//! lost writes, duplicates, two values at one offset, reads of what was refused, reads that skip or go back, and writes
//! of one producer out of order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla::testing::World;

use super::cast::Cast;
use super::consumed::Consumed;
use super::groups::Groups;
use super::stats::Stats;

/// The most violations that are kept: the first says it all.
const KEPT: usize = 20;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not answered yet, or nobody can say.
    Perhaps,
    Acked,
    /// Certainly not written.
    Refused,
}

#[derive(Debug)]
struct Value {
    producer: u32,
    partition: usize,
    fate: Fate,
    /// Where it was acknowledged or seen.
    offset: Option<i64>,
}

#[derive(Debug, Default)]
struct Log {
    /// What is known to have been at each offset.
    truth: BTreeMap<i64, u64>,
    /// Before this, records may have been deleted.
    trimmed: i64,
    /// The greatest end and start that were told.
    latest: i64,
    earliest: i64,
}

#[derive(Debug, Default)]
struct Inner {
    values: Vec<Value>,
    logs: Vec<Log>,
    /// Offsets in the order of reading, by reader and partition.
    reads: BTreeMap<(u32, usize), Vec<i64>>,
    violations: Vec<String>,
    stats: Stats,
    groups: Groups,
    /// By the group's place in the cast.
    consumed: Vec<Consumed>,
    hash: u64,
    told: Option<String>,
}

/// Shared by all actors of a run.
#[derive(Clone, Debug)]
pub(super) struct History {
    world: World,
    inner: Arc<Mutex<Inner>>,
}

impl History {
    pub(super) fn new(world: &World, partitions: usize, cast: &Cast, tell: bool) -> Self {
        let logs = (0..partitions).map(|_| Log::default()).collect();
        let consumed = cast.groups.iter().map(|group| Consumed::new(group.name, group.promise)).collect();
        let inner =
            Inner { logs, consumed, hash: 0xcbf2_9ce4_8422_2325, told: tell.then(String::new), ..Inner::default() };
        Self { world: world.clone(), inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened: part of the trace.
    pub(super) fn event(&self, what: std::fmt::Arguments<'_>) {
        let now = self.world.elapsed();
        self.lock().event(now.as_micros(), what);
    }

    pub(super) fn count(&self, name: &'static str) {
        self.lock().stats.add(name, 1);
    }

    pub(super) fn add(&self, name: &'static str, count: u64) {
        self.lock().stats.add(name, count);
    }

    pub(super) fn violation(&self, what: String) {
        self.event(format_args!("VIOLATION {what}"));
        self.lock().violate(what);
    }

    /// A new value of `producer`, about to be sent to `partition`.
    pub(super) fn send(&self, producer: u32, partition: usize) -> u64 {
        let mut inner = self.lock();
        inner.values.push(Value { producer, partition, fate: Fate::Perhaps, offset: None });
        inner.values.len() as u64 - 1
    }

    pub(super) fn acked(&self, value: u64, offset: Option<i64>) {
        self.event(format_args!("acked {value} at {offset:?}"));
        let mut inner = self.lock();
        inner.stats.add("acked", 1);
        let known = &mut inner.values[usize::try_from(value).unwrap()];
        known.fate = Fate::Acked;
        let partition = known.partition;
        if let Some(offset) = offset {
            inner.place(partition, offset, value, "was acknowledged");
        }
    }

    pub(super) fn failed(&self, value: u64, perhaps: bool, why: &dyn std::fmt::Display) {
        self.event(format_args!("failed {value} perhaps={perhaps}: {why}"));
        let mut inner = self.lock();
        if perhaps {
            inner.stats.add("in doubt", 1);
            return;
        }
        let known = &mut inner.values[usize::try_from(value).unwrap()];
        known.fate = Fate::Refused;
        if let Some(offset) = known.offset {
            inner.violate(format!("value {value} was read at offset {offset} and then refused: {why}"));
        }
    }

    /// A reader got a record.
    pub(super) fn read(&self, reader: u32, partition: usize, offset: i64, value: Option<u64>) {
        self.event(format_args!("reader {reader} got {value:?} at {partition}/{offset}"));
        let mut inner = self.lock();
        inner.stats.add("read", 1);
        if !inner.see(&format_args!("reader {reader}"), partition, offset, value) {
            return;
        }
        let reads = inner.reads.entry((reader, partition)).or_default();
        if let Some(last) = reads.last().copied().filter(|last| *last >= offset) {
            inner.violate(format!("reader {reader} went from {partition}/{last} back to {offset}"));
            return;
        }
        reads.push(offset);
    }

    /// A consumer got a record.
    pub(super) fn consumed_value(&self, consumer: u32, partition: usize, offset: i64, value: Option<u64>) {
        self.event(format_args!("consumer {consumer} got {value:?} at {partition}/{offset}"));
        self.lock().see(&format_args!("consumer {consumer}"), partition, offset, value);
    }

    /// Records before `before` are about to be deleted.
    pub(super) fn trim(&self, partition: usize, before: i64) {
        self.event(format_args!("trim {partition} before {before}"));
        let mut inner = self.lock();
        let log = &mut inner.logs[partition];
        log.trimmed = log.trimmed.max(before);
    }

    /// How far a partition may have been trimmed.
    pub(super) fn trimmed(&self, partition: usize) -> i64 {
        self.lock().logs[partition].trimmed
    }

    /// The greatest offset that is known to be written.
    pub(super) fn known_end(&self, partition: usize) -> i64 {
        self.lock().logs[partition].truth.last_key_value().map_or(0, |(offset, _)| offset + 1)
    }

    /// The broker told where a partition starts and ends (invariant 5). Questions are asked one after the other.
    pub(super) fn bounds(&self, partition: usize, earliest: Option<i64>, latest: Option<i64>) {
        self.event(format_args!("bounds of {partition}: {earliest:?} {latest:?}"));
        let mut inner = self.lock();
        let log = &mut inner.logs[partition];
        let (was, is) = (log.latest, latest.unwrap_or(log.latest));
        let (had, has) = (log.earliest, earliest.unwrap_or(log.earliest));
        log.latest = was.max(is);
        log.earliest = had.max(has);
        if is < was {
            inner.violate(format!("invariant 5: the high watermark of {partition} went from {was} back to {is}"));
        }
        if has < had {
            inner.violate(format!("invariant 5: the start of {partition} went from {had} back to {has}"));
        }
    }

    pub(super) fn groups<T>(&self, change: impl FnOnce(&mut Groups) -> Result<T, String>) -> Option<T> {
        let mut inner = self.lock();
        match change(&mut inner.groups) {
            Ok(value) => Some(value),
            Err(what) => {
                inner.violate(what);
                None
            }
        }
    }

    /// Of the group at this place in the cast.
    pub(super) fn consumed<T>(
        &self,
        group: usize,
        change: impl FnOnce(&mut Consumed) -> Result<T, String>,
    ) -> Option<T> {
        let noted = change(&mut self.lock().consumed[group]);
        // So that the trace says when.
        noted.map_err(|what| self.violation(what)).ok()
    }

    /// The whole log of a partition as it is at the end, from its start to its end.
    pub(super) fn finish(&self, partition: usize, start: i64, end: i64, log: &BTreeMap<i64, u64>) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let mut found = Vec::new();
        let known = &inner.logs[partition];
        if start > known.trimmed {
            found
                .push(format!("invariant 1: {partition} starts at {start}, and was trimmed to {} only", known.trimmed));
        }
        if end < known.latest {
            found.push(format!("invariant 5: {partition} ends at {end}, and was told to end at {}", known.latest));
        }
        for (offset, value) in known.truth.range(start..) {
            if log.get(offset) != Some(value) {
                let fate = inner.values[usize::try_from(*value).unwrap()].fate;
                let rule = if fate == Fate::Acked { "invariant 1: acknowledged" } else { "invariant 4: read" };
                let now = log.get(offset);
                found.push(format!("{rule} value {value} at {partition}/{offset} is gone; there is {now:?} now"));
            }
        }
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        for (offset, value) in log {
            let known = &inner.values[usize::try_from(*value).unwrap()];
            if let Some(before) = newest.insert(known.producer, *value).filter(|before| before > value) {
                found.push(format!(
                    "invariant 3: value {value} at {partition}/{offset} comes after {before}, sent later"
                ));
            }
        }
        for (value, known) in inner.values.iter().enumerate().filter(|(_, known)| known.partition == partition) {
            if known.fate == Fate::Acked && known.offset.is_none() && !log.values().any(|v| *v == value as u64) {
                let trimmed = inner.logs[partition].trimmed;
                if trimmed == 0 {
                    found.push(format!("invariant 1: acknowledged value {value} of {partition} is nowhere"));
                }
            }
        }
        let known = &inner.logs[partition];
        for ((reader, _), reads) in inner.reads.iter().filter(|((_, read), _)| *read == partition) {
            let mut before = known.trimmed.max(reads.first().copied().unwrap_or(0)) - 1;
            for offset in reads.iter().copied().filter(|offset| *offset >= known.trimmed) {
                if let Some((skipped, value)) = known.truth.range(before + 1..offset.max(before + 1)).next() {
                    found.push(format!("reader {reader} skipped value {value} at {partition}/{skipped}"));
                }
                before = offset;
            }
        }
        for consumed in inner.consumed.iter().filter(|consumed| consumed.has_seen(partition)) {
            found.extend(consumed.finish(partition, known.trimmed, &known.truth));
        }
        for what in found {
            inner.violate(what);
        }
    }

    /// Values that are in no log and that nobody acknowledged.
    pub(super) fn count_lost(&self) {
        let mut inner = self.lock();
        let lost = inner.values.iter().filter(|value| value.fate == Fate::Perhaps && value.offset.is_none()).count();
        inner.stats.add("lost in a crash", lost as u64);
    }

    pub(super) fn counted(&self, name: &str) -> u64 {
        self.lock().stats.get(name)
    }

    pub(super) fn take(&self) -> (Vec<String>, Stats, u64, Option<String>) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.violations), std::mem::take(&mut inner.stats), inner.hash, inner.told.take())
    }
}

impl Inner {
    fn event(&mut self, micros: u128, what: std::fmt::Arguments<'_>) {
        let line = format!("{micros} {what}\n");
        // FNV-1a: order and every byte count.
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(told) = &mut self.told {
            let _ = told.write_str(&line);
        }
    }

    fn violate(&mut self, what: String) {
        if self.violations.len() < KEPT && !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// Somebody got a record. Says whether it is one.
    fn see(&mut self, who: &std::fmt::Arguments<'_>, partition: usize, offset: i64, value: Option<u64>) -> bool {
        let Some(value) = value.filter(|value| *value < self.values.len() as u64) else {
            self.violate(format!("invariant 9: what {who} got at {partition}/{offset} was never written"));
            return false;
        };
        let (home, fate) = {
            let known = &self.values[usize::try_from(value).unwrap()];
            (known.partition, known.fate)
        };
        if home != partition {
            self.violate(format!("value {value} was sent to partition {home} and read from {partition}"));
        }
        if fate == Fate::Refused {
            self.violate(format!("value {value} was refused and read all the same, at {partition}/{offset}"));
        }
        self.place(partition, offset, value, "was read");
        true
    }

    /// `value` is at `offset`, and neither is anywhere else.
    fn place(&mut self, partition: usize, offset: i64, value: u64, how: &str) {
        let before = self.logs[partition].truth.insert(offset, value);
        if let Some(other) = before.filter(|other| *other != value) {
            self.violate(format!("invariant 2: {partition}/{offset} held {other}, and now {value} {how} there"));
        }
        let known = &mut self.values[usize::try_from(value).unwrap()];
        let place = known.offset.replace(offset);
        if let Some(other) = place.filter(|other| *other != offset) {
            self.violate(format!("invariant 3: value {value} is at {partition}/{other}, and now {how} at {offset}"));
        }
    }
}
