//! A log whose durability, failures and crashes the tests hold in their hands, and what else they need.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Origin, Partition, PartitionSpec, Read};
use crate::api::{Error as ApiError, Fetched, IsolationLevel};
use crate::config::TopicConfig;
use crate::env::{BoxFuture, Clock, Env, Moment};
use crate::ids::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, TopicName, TopicPartition};
use crate::log::{
    Bounds, BoundsCell, Durability, Error, ErrorKind, PartitionLog, PartitionReader, Resolver, Snapshot, SnapshotStore,
    Ticket, TrimBase,
};
use crate::producer::Budget;
use crate::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};

pub(super) const NOW: i64 = 1_800_000_000_000;

/// What outlives a handle.
#[derive(Debug, Default)]
struct Medium {
    batches: Vec<Batch>,
    start: Offset,
    base: TrimBase,
    epoch: i32,
}

/// A handle of the medium.
#[derive(Debug)]
pub(super) struct TestLog {
    id: PartitionId,
    epoch: LeaderEpoch,
    medium: Arc<Mutex<Medium>>,
    cell: Arc<BoundsCell>,
    state: Mutex<Handle>,
    pub(super) bytes_read: AtomicUsize,
}

#[derive(Debug, Default)]
struct Handle {
    /// Tickets resolve when the test says so, not at once.
    deferred: bool,
    pending: VecDeque<(Offset, Resolver)>,
    ended: Option<ErrorKind>,
    refuse_next: Option<ErrorKind>,
}

impl TestLog {
    pub(super) fn defer(&self) {
        self.state.lock().unwrap().deferred = true;
    }

    pub(super) fn refuse_next(&self, kind: ErrorKind) {
        self.state.lock().unwrap().refuse_next = Some(kind);
    }

    /// Makes the `n` oldest pending appends durable.
    pub(super) fn release(&self, n: usize) {
        for _ in 0..n {
            let (end, resolver) = self.state.lock().unwrap().pending.pop_front().unwrap();
            self.cell.update(|bounds| bounds.durable_end = end);
            resolver.resolve(Ok(()));
        }
    }

    /// How many appends are pending.
    pub(super) fn pending(&self) -> usize {
        self.state.lock().unwrap().pending.len()
    }

    /// Fails every pending append and the handle. The `written` oldest of them are in the medium all the same.
    pub(super) fn fail(&self, kind: ErrorKind, written: usize) {
        let mut state = self.state.lock().unwrap();
        state.ended = Some(kind);
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        let durable = self.cell.get().durable_end;
        let end = pending.iter().take(written).next_back().map_or(durable, |(end, _)| *end);
        self.medium.lock().unwrap().batches.retain(|batch| batch.next_offset() <= end);
        for (_, resolver) in pending {
            resolver.resolve(Err(Error::new(kind, "the test failed it")));
        }
        self.cell.wake();
    }

    /// Breaks the contract: the durable end goes back.
    pub(super) fn forget_durability(&self, to: Offset) {
        self.cell.update(|bounds| bounds.durable_end = to);
    }

    fn check(&self) -> Result<(), Error> {
        let ended = self.state.lock().unwrap().ended;
        let fenced = self.medium.lock().unwrap().epoch > self.epoch.0;
        match ended.or(fenced.then_some(ErrorKind::Fenced)) {
            Some(kind) => Err(Error::new(kind, "the handle has ended")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl PartitionReader for TestLog {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        &self.cell
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.check().or_else(|error| if error.kind() == ErrorKind::Poisoned { Ok(()) } else { Err(error) })?;
        let bounds = self.cell.get();
        if from < bounds.start || from > bounds.end {
            return Err(Error::new(ErrorKind::OutOfRange, format!("{from} is not in {bounds:?}")));
        }
        let (mut found, mut bytes): (Vec<Batch>, usize) = (Vec::new(), 0);
        for batch in &self.medium.lock().unwrap().batches {
            if batch.last_offset() < from {
                continue;
            }
            bytes += batch.size_in_bytes();
            if batch.next_offset() > until || (bytes > max_bytes && !found.is_empty()) {
                break;
            }
            found.push(batch.clone());
        }
        self.bytes_read.fetch_add(found.iter().map(Batch::size_in_bytes).sum(), Ordering::Relaxed);
        Ok(found)
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        self.check()?;
        let medium = self.medium.lock().unwrap();
        Ok(medium.batches.iter().find(|batch| batch.max_timestamp() >= timestamp_ms).map(Batch::base_offset))
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        Ok(self.medium.lock().unwrap().base.clone())
    }
}

#[async_trait]
impl PartitionLog for TestLog {
    fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    async fn ready(&self, _bytes: usize) -> Result<(), Error> {
        self.check()
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        self.check()?;
        let mut state = self.state.lock().unwrap();
        if let Some(kind) = state.refuse_next.take() {
            return Err(Error::new(kind, "the test refused it"));
        }
        if batch.base_offset() < self.cell.get().end || batch.leader_epoch() > self.epoch {
            return Err(Error::new(ErrorKind::OutOfRange, "it does not follow the end"));
        }
        let end = batch.next_offset();
        self.medium.lock().unwrap().batches.push(batch);
        if state.deferred {
            let (resolver, ticket) = Ticket::pending();
            state.pending.push_back((end, resolver));
            self.cell.update(|bounds| bounds.end = end);
            return Ok(ticket);
        }
        self.cell.update(|bounds| (bounds.end, bounds.durable_end) = (end, end));
        Ok(Ticket::ready(Ok(())))
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        self.check()?;
        assert!(before <= self.cell.get().durable_end, "trimmed beyond the durable end");
        let mut medium = self.medium.lock().unwrap();
        medium.batches.retain(|batch| batch.next_offset() > before);
        (medium.start, medium.base) = (before, base);
        drop(medium);
        self.cell.update(|bounds| bounds.start = before);
        Ok(())
    }

    async fn reset_to(&self, _at: Offset, _base: TrimBase) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Unavailable, "no test of a leader resets its log"))
    }

    async fn close(&self) -> Result<(), Error> {
        if let Some(kind) = self.state.lock().unwrap().ended {
            return Err(Error::new(kind, "the handle has ended"));
        }
        let pending = self.state.lock().unwrap().pending.len();
        self.release(pending);
        self.state.lock().unwrap().ended = Some(ErrorKind::Closed);
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct TestSnapshots(pub(super) Mutex<BTreeMap<PartitionId, Snapshot>>);

#[async_trait]
impl SnapshotStore for TestSnapshots {
    async fn save(&self, partition: PartitionId, snapshot: Snapshot) -> Result<(), Error> {
        self.0.lock().unwrap().insert(partition, snapshot);
        Ok(())
    }

    async fn latest(&self, partition: PartitionId) -> Result<Option<Snapshot>, Error> {
        Ok(self.0.lock().unwrap().get(&partition).cloned())
    }

    async fn remove(&self, partition: PartitionId) -> Result<(), Error> {
        self.0.lock().unwrap().remove(&partition);
        Ok(())
    }
}

/// A wall clock that stands still unless it is moved.
#[derive(Debug)]
pub(super) struct TestClock {
    real: Env,
    pub(super) wall_ms: AtomicI64,
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        self.real.now()
    }

    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let real = self.real.clone();
        Box::pin(async move { real.sleep_until(deadline).await })
    }
}

/// A medium, and the partition that is opened on it again and again.
#[derive(Debug)]
pub(super) struct World {
    id: PartitionId,
    medium: Arc<Mutex<Medium>>,
    pub(super) snapshots: Arc<TestSnapshots>,
    pub(super) clock: Arc<TestClock>,
    pub(super) env: Env,
    pub(super) config: TopicConfig,
    pub(super) budget: Arc<Budget>,
}

impl World {
    pub(super) fn new() -> Self {
        let real = Env::seeded(1);
        let clock = Arc::new(TestClock { real: real.clone(), wall_ms: AtomicI64::new(NOW) });
        Self {
            id: PartitionId { topic: TopicId(uuid::Uuid::from_u128(7)), partition: 3 },
            medium: Arc::default(),
            snapshots: Arc::default(),
            env: real.with_clock(Arc::clone(&clock) as Arc<dyn Clock>),
            clock,
            config: TopicConfig::default(),
            budget: Budget::new(1_000),
        }
    }

    /// A handle of the log at the next epoch, which fences those before.
    pub(super) fn log(&self) -> Arc<TestLog> {
        let mut medium = self.medium.lock().unwrap();
        medium.epoch += 1;
        let end = medium.batches.last().map_or(medium.start, Batch::next_offset).max(medium.start);
        let bounds = Bounds { start: medium.start, durable_end: end, end };
        Arc::new(TestLog {
            id: self.id,
            epoch: LeaderEpoch(medium.epoch),
            medium: Arc::clone(&self.medium),
            cell: Arc::new(BoundsCell::new(bounds)),
            state: Mutex::default(),
            bytes_read: AtomicUsize::new(0),
        })
    }

    pub(super) async fn lead(&self, log: &Arc<TestLog>) -> Result<Arc<Partition>, ApiError> {
        let spec = PartitionSpec {
            id: self.id,
            name: TopicPartition::new(TopicName::new("t").unwrap(), 3),
            epoch: log.epoch,
            config: Arc::new(self.config.clone()),
            durability: Durability::Memory,
            producers: Arc::clone(&self.budget),
        };
        let (log, snapshots) = (Arc::clone(log), Arc::clone(&self.snapshots));
        Partition::open(spec, log, snapshots, &self.env).await
    }

    pub(super) async fn open(&self) -> (Arc<Partition>, Arc<TestLog>) {
        let log = self.log();
        (self.lead(&log).await.unwrap(), log)
    }

    /// Puts a batch into the medium as it is, offsets and all.
    pub(super) fn plant(&self, batch: Batch) {
        self.medium.lock().unwrap().batches.push(batch);
    }

    /// Takes the last `n` batches off the medium, as a crash may.
    pub(super) fn lose_tail(&self, n: usize) {
        let mut medium = self.medium.lock().unwrap();
        let keep = medium.batches.len() - n;
        medium.batches.truncate(keep);
    }

    pub(super) fn batches(&self) -> Vec<Batch> {
        self.medium.lock().unwrap().batches.clone()
    }

    /// A wrong bit in the byte `at` of the batch `nth`.
    pub(super) fn rot(&self, nth: usize, at: usize) {
        let batch = &mut self.medium.lock().unwrap().batches[nth];
        let mut bytes = batch.to_bytes().to_vec();
        bytes[at] ^= 1;
        *batch = Batch::parse(bytes.into()).unwrap();
    }

    pub(super) fn damage_base(&self) {
        self.medium.lock().unwrap().base.state = bytes::Bytes::from_static(b"damaged");
    }
}

/// A batch of records with these timestamps, in this order.
pub(super) fn timed(timestamps: &[i64], producer: Option<ProducerStamp>) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for timestamp in timestamps {
        builder.append(*timestamp, None, Some(b"value"), &[]).unwrap();
    }
    builder.finish(producer, Flags::default()).unwrap()
}

/// A batch of `n` records of no producer.
pub(super) fn plain(n: usize) -> Batch {
    timed(&vec![NOW; n], None)
}

/// A batch of `n` records of a producer.
pub(super) fn sequenced(id: i64, epoch: i16, base_sequence: i32, n: usize) -> Batch {
    let stamp = ProducerStamp { id: ProducerId(id), epoch: ProducerEpoch(epoch), base_sequence };
    timed(&vec![NOW; n], Some(stamp))
}

pub(super) const TRUSTED: Origin = Origin::Trusted;

/// A consumer's read without limits.
pub(super) fn from(offset: i64) -> Read {
    Read {
        from: Offset(offset),
        max_bytes: usize::MAX,
        isolation: IsolationLevel::ReadUncommitted,
        as_replica: false,
        current_leader_epoch: None,
    }
}

/// The base offsets of what was fetched.
pub(super) fn bases(fetched: &Fetched) -> Vec<i64> {
    fetched.batches.iter().map(|batch| batch.base_offset().0).collect()
}
