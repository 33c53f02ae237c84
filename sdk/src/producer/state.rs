//! Everything of a producer that is under its one lock: topics, partitions, and who has something to send.

mod epochs;
mod topics;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};

use ottla_broker_core::api::{self, ProducerIdentity};
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Builder, HeaderRef};
use ottla_broker_core::{BrokerId, TopicId, TopicName, TopicPartition};
use rustc_hash::FxHashMap;

use super::barrier::Barrier;
use super::batch::{Content, Pending, Settlement};
use super::budget::Budget;
use super::buffers::Buffers;
use super::completion::Completion;
use super::error::Error;
use super::gather::Outlook;
use super::partition::{Effects, Partition, Taken};
use super::reports::Reports;
use super::settings::Config;
use super::shared::Shared;
use super::unacknowledged::Unacknowledged;
use crate::cluster::Cluster;
use crate::partitioner::{Choice, Partitioner};
use crate::record::Record;

/// Names a partition within one producer.
pub(super) type Index = usize;

/// What a producer needs to make batches, and what never changes.
pub(super) struct Parts {
    pub(super) env: Env,
    pub(super) config: Config,
    pub(super) partitioner: Arc<dyn Partitioner>,
    pub(super) reports: Arc<Reports>,
    pub(super) barrier: Arc<Barrier>,
    pub(super) budget: Arc<Budget>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) producer: Weak<Shared>,
}

impl Parts {
    /// What a partition that gathers has to know of the broker's side. Others need not ask.
    fn outlook(&self, partition: &Partition, now: Moment) -> Outlook {
        match partition.leader.filter(|_| partition.gathers()) {
            Some(leader) => Outlook {
                next_write: self.cluster.next_write_in(leader).map(|remaining| now + remaining),
                pressed: self.budget.free() < self.budget.limit() / 2,
            },
            None => Outlook::default(),
        }
    }
}

#[derive(Default)]
pub(super) struct State {
    topics: FxHashMap<TopicName, Topic>,
    partitions: Vec<Partition>,
    /// Partitions with something to send, by their leader; a partition is in one list at most.
    lists: BTreeMap<BrokerId, VecDeque<Index>>,
    /// Brokers that have no room: their lists wait.
    gated: BTreeSet<BrokerId>,
    /// Partitions to look at, by time. An entry may be too early, never too late.
    timers: BTreeSet<(Moment, Index)>,
    pub(super) identity: Option<ProducerIdentity>,
    /// Partitions that wait for a new epoch.
    renewing: Vec<Index>,
    /// Topics whose metadata is out of date.
    pub(super) stale: BTreeSet<TopicName>,
    /// The sender has something new to look at.
    pub(super) news: bool,
    /// The sender waits for something to be listed.
    pub(super) listening: bool,
    /// Something was listed that is not to wait for the sender's pace.
    pub(super) urgent: bool,
    pub(super) buffers: Buffers,
    /// When something was last taken to be sent.
    pub(super) last_taken: Moment,
    /// Records that were enqueued since a task that enqueues let others run.
    pub(super) in_a_row: usize,
    /// A batch became full.
    pub(super) full: bool,
    /// A partition that has more full batches than it needs.
    pub(super) crowded: Option<Index>,
    /// Topics that records have begun to wait for.
    pub(super) wanted: Vec<TopicName>,
    /// Why no further record is taken. Those that are here go on until it is [`over`](Self::over).
    pub(super) ended: Option<Error>,
    /// All that was here has its answer.
    over: bool,
    /// The sender has nothing left to do.
    pub(super) stopped: bool,
    /// Records that wait for their topic's metadata.
    loading: BTreeMap<String, Vec<Loading>>,
}

struct Topic {
    name: TopicName,
    id: TopicId,
    /// Every partition that it ever had; one that comes back goes on with its sequences.
    partitions: Vec<Index>,
    /// How many it has.
    count: usize,
    available: Vec<i32>,
    sticky: i32,
    ordinal: u64,
}

/// A record that was enqueued before its topic was known.
struct Loading {
    record: Record,
    reserved: usize,
    timestamp_ms: i64,
    completion: Arc<Completion>,
    number: u64,
}

/// A record's place: where its answer will be.
pub(super) struct Placed {
    pub(super) completion: Arc<Completion>,
    pub(super) index: u32,
    /// Its batch, by its number in the barrier.
    batch: u64,
}

impl State {
    pub(super) fn new(identity: Option<ProducerIdentity>) -> Self {
        Self { identity, ..Self::default() }
    }

    pub(super) fn known(&self) -> Vec<TopicName> {
        self.topics.keys().cloned().collect()
    }

    pub(super) fn knows(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Encodes a record into its partition's open batch; `None` if its topic is not known yet.
    pub(super) fn append(
        &mut self,
        record: &Record,
        reserved: usize,
        timestamp_ms: i64,
        parts: &Parts,
    ) -> Result<Option<Placed>, Error> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        match self.choose(record, parts)? {
            Some(index) => self.put(index, record, reserved, timestamp_ms, parts, None).map(Some),
            None => Ok(None),
        }
    }

    fn choose(&mut self, record: &Record, parts: &Parts) -> Result<Option<Index>, Error> {
        let Some(topic) = self.topics.get_mut(record.topic.as_str()) else { return Ok(None) };
        let count = i32::try_from(topic.count).unwrap_or(i32::MAX);
        let partition = match record.partition {
            Some(partition) => partition,
            None => parts.partitioner.partition(&Choice {
                topic: &topic.name,
                key: record.key.as_deref(),
                value_size: record.value.as_ref().map_or(0, bytes::Bytes::len),
                partitions: count,
                available: &topic.available,
                sticky: topic.sticky,
                ordinal: topic.ordinal,
                env: &parts.env,
            }),
        };
        topic.ordinal += 1;
        let place = usize::try_from(partition).ok().filter(|place| *place < topic.count);
        let index = place.and_then(|place| topic.partitions.get(place)).copied();
        index.map(Some).ok_or_else(|| match partition {
            -1 if record.partition.is_none() => Error::NoPartition { topic: topic.name.clone() },
            _ => Error::UnknownPartition { topic: topic.name.clone(), partition, partitions: count },
        })
    }

    fn put(
        &mut self,
        index: Index,
        record: &Record,
        reserved: usize,
        timestamp_ms: i64,
        parts: &Parts,
        loaded: Option<&Loading>,
    ) -> Result<Placed, Error> {
        let config = &parts.config;
        let Some(partition) = self.partitions.get_mut(index) else { return Err(Error::Closed { in_doubt: false }) };
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        // Most records have few headers: theirs are lent without an allocation.
        let mut few = [HeaderRef::new("", None); 8];
        let many: Vec<HeaderRef<'_>>;
        let headers: &[HeaderRef<'_>] = if let Some(slots) = few.get_mut(..record.headers.len()) {
            for (slot, (name, value)) in slots.iter_mut().zip(&record.headers) {
                *slot = HeaderRef::new(name, value.as_deref());
            }
            slots
        } else {
            many = record.headers.iter().map(|(name, value)| HeaderRef::new(name, value.as_deref())).collect();
            &many
        };
        let size = Builder::record_size(key, value, headers);
        let mut news = false;
        if partition.open.as_ref().is_some_and(|open| open.size_in_bytes() + size > config.batch_bytes) {
            partition.seal_open();
            news = true;
            self.full = true;
            if partition.is_crowded(parts.env.now()) {
                self.crowded = Some(index);
            }
        }
        let fresh = partition.open.is_none();
        if fresh {
            let own = Arc::new(Completion::new(Arc::clone(&parts.reports), Weak::clone(&parts.producer)));
            let guess = partition.guess(config).clamp(size + 128, config.batch_bytes + 128);
            // A record that waited for its topic lends the batch its number: to whoever flushes, it still has no answer.
            // It is the first that the partition's batches hear of, so their numbers go on growing.
            let waited = loaded.filter(|_| !is_planted("flush-forgets-who-waited"));
            let number = waited.map_or_else(|| parts.barrier.add(), |loading| loading.number);
            let buffer = (self.buffers.take(guess), guess);
            partition.open = Some(Pending::open(number, own, config, buffer, parts.env.now()));
            news = true;
        }
        let Some(open) = &mut partition.open else { return Err(Error::Closed { in_doubt: false }) };
        let Content::Open(builder) = &mut open.content else { return Err(Error::Closed { in_doubt: false }) };
        if let Err(source) = builder.append(timestamp_ms, key, value, headers) {
            let TopicPartition { topic, partition } = partition.name.clone();
            return Err(Error::Batch { topic, partition, source });
        }
        let place = match loaded {
            Some(loading) => Placed { completion: Arc::clone(&loading.completion), index: 0, batch: open.order.0 },
            None => Placed { completion: Arc::clone(&open.own), index: open.own_count, batch: open.order.0 },
        };
        open.own_count += u32::from(loaded.is_none());
        // It has lingered already, and someone who flushed meanwhile may wait for it.
        open.forced |= loaded.is_some();
        open.join(&place.completion, place.index, reserved);
        if news {
            self.look_at(index, parts);
        }
        Ok(place)
    }

    /// Lists the partition if it has something to send now, and sees that it is looked at later if not.
    fn look_at(&mut self, index: Index, parts: &Parts) {
        let Some(partition) = self.partitions.get_mut(index) else { return };
        let now = parts.env.now();
        let outlook = parts.outlook(partition, now);
        let mut news = false;
        if partition.can_renew() && !self.renewing.contains(&index) {
            self.renewing.push(index);
            news = true;
        }
        if !partition.listed
            && partition.sendable(now, outlook, &parts.config)
            && let Some(leader) = partition.leader
        {
            partition.listed = true;
            self.urgent |= partition.is_urgent() || parts.barrier.is_awaited();
            self.lists.entry(leader).or_default().push_back(index);
            // What is full is sent by whoever filled it.
            news |= !self.full && std::mem::take(&mut self.listening);
        }
        let pausing = partition.retry_at.is_some_and(|at| at > now);
        if partition.leader.is_none()
            && partition.has_waiting()
            && !pausing
            && self.stale.insert(partition.name.topic.clone())
        {
            news = true;
        }
        let next = partition.next_look(now, outlook, &parts.config);
        if let Some(next) = next
            && partition.timer.is_none_or(|timer| next < timer)
        {
            if let Some(timer) = partition.timer.replace(next) {
                self.timers.remove(&(timer, index));
            }
            news |= self.timers.first().is_none_or(|&(first, _)| next < first);
            self.timers.insert((next, index));
        }
        self.news |= news;
    }

    /// When something has to be looked at next.
    pub(super) fn next_timer(&self) -> Option<Moment> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// Looks at every partition whose time has come.
    pub(super) fn fire(&mut self, now: Moment, parts: &Parts) -> Vec<Settlement> {
        let mut settled = Vec::new();
        while let Some(&(at, index)) = self.timers.first().filter(|&&(at, _)| at <= now) {
            self.timers.remove(&(at, index));
            if let Some(partition) = self.partitions.get_mut(index) {
                partition.timer = None;
                let effects = partition.expire(now, &parts.config, parts.env.random_u64());
                self.apply(index, effects, &mut settled, parts);
            }
        }
        settled
    }

    /// Every broker with something to send (with `sealed`, a batch that takes no more records) and room for it.
    pub(super) fn ready_brokers(&self, sealed: bool) -> Vec<BrokerId> {
        let has_sealed = |&index: &Index| self.partitions.get(index).is_some_and(|p| !p.queue.is_empty());
        let ready = self.lists.iter().filter(|(id, list)| {
            !self.gated.contains(id) && if sealed { list.iter().any(has_sealed) } else { !list.is_empty() }
        });
        ready.map(|(&id, _)| id).collect()
    }

    /// Partitions with something to send to this broker.
    pub(super) fn listed_with(&self, broker: BrokerId) -> usize {
        self.lists.get(&broker).map_or(0, VecDeque::len)
    }

    /// A broker with something to send and room for it.
    pub(super) fn next_broker(&self) -> Option<BrokerId> {
        self.lists.iter().find(|(id, list)| !list.is_empty() && !self.gated.contains(id)).map(|(&id, _)| id)
    }

    /// Takes one batch of every partition that is listed with `broker`, up to `max_bytes` together.
    pub(super) fn take(&mut self, broker: BrokerId, max_bytes: usize, parts: &Parts) -> Vec<(Index, Taken)> {
        let now = parts.env.now();
        let mut taken = Vec::new();
        let mut bytes = 0;
        let mut list = self.lists.remove(&broker).unwrap_or_default();
        let mut again = Vec::new();
        while bytes < max_bytes
            && let Some(index) = list.pop_front()
        {
            let Some(partition) = self.partitions.get_mut(index) else { continue };
            partition.listed = false;
            let outlook = parts.outlook(partition, now);
            if partition.leader != Some(broker) || !partition.sendable(now, outlook, &parts.config) {
                again.push(index);
                continue;
            }
            // A request of acks=all ends with its slowest batch, so a partition is in it once.
            let Some(batch) = partition.take(now, self.identity) else { continue };
            let (topic, number) = (partition.name.topic.clone(), partition.name.partition);
            self.last_taken = now;
            bytes += batch.bytes;
            taken.push((index, batch));
            again.push(index);
            if let Some(topic) = self.topics.get_mut(&topic)
                && topic.sticky == number
            {
                topic.move_on(&parts.env);
            }
        }
        if !list.is_empty() {
            self.lists.insert(broker, list);
        }
        for index in again {
            self.look_at(index, parts);
        }
        taken
    }

    pub(super) fn gate(&mut self, broker: BrokerId) {
        self.gated.insert(broker);
    }

    pub(super) fn ungate(&mut self, broker: BrokerId) {
        self.gated.remove(&broker);
    }

    /// The broker cannot be reached: its partitions wait, and someone else may lead them.
    pub(super) fn unreachable(&mut self, broker: BrokerId, error: &Arc<api::Error>, parts: &Parts) {
        let now = parts.env.now();
        for index in self.lists.remove(&broker).unwrap_or_default() {
            if let Some(partition) = self.partitions.get_mut(index) {
                partition.listed = false;
                // What waits can say why, if it waits for too long.
                for batch in partition.queue.iter_mut().chain(&mut partition.open) {
                    batch.last = Some(Arc::clone(error)).filter(|_| !is_planted("unreachable-not-told"));
                }
                partition.unreachable(now, parts.env.random_u64());
                self.stale.insert(partition.name.topic.clone());
                self.news = true;
            }
            self.look_at(index, parts);
        }
    }

    pub(super) fn partition_mut(&mut self, index: Index) -> Option<&mut Partition> {
        self.partitions.get_mut(index)
    }

    /// Carries out what a partition decided.
    pub(super) fn apply(&mut self, index: Index, effects: Effects, settled: &mut Vec<Settlement>, parts: &Parts) {
        let Effects { settled: told, refresh, split, retried, fenced } = effects;
        settled.extend(told);
        if retried {
            metrics::counter!("ottla_producer_retries_total").increment(1);
        }
        if split {
            metrics::counter!("ottla_producer_splits_total").increment(1);
        }
        if refresh && let Some(partition) = self.partitions.get(index) {
            self.news = true;
            self.stale.insert(partition.name.topic.clone());
        }
        if let Some(source) = fenced
            && let Some(partition) = self.partitions.get(index)
        {
            let TopicPartition { topic, partition } = partition.name.clone();
            tracing::error!(%topic, partition, error = %source, "the producer is fenced and cannot go on");
            settled.extend(self.end(|_, in_doubt| Error::Fenced {
                topic: topic.clone(),
                partition,
                in_doubt,
                source: Arc::clone(&source),
            }));
            return;
        }
        self.look_at(index, parts);
    }

    /// Takes no more records; answers all that are here.
    pub(super) fn end(&mut self, error: impl Fn(Option<&TopicPartition>, bool) -> Error) -> Vec<Settlement> {
        self.ended.get_or_insert_with(|| error(None, false));
        self.over = true;
        let mut settled = Vec::new();
        for partition in &mut self.partitions {
            settled.extend(partition.stop(|name, in_doubt| error(Some(name), in_doubt)));
            partition.listed = false;
            partition.timer = None;
        }
        for loading in std::mem::take(&mut self.loading).into_values().flatten() {
            settled.push(loading.failed(error(None, false)));
        }
        self.lists.clear();
        self.timers.clear();
        self.renewing.clear();
        self.stale.clear();
        settled
    }

    /// Sends open batches without waiting for `linger`.
    pub(super) fn force(&mut self, parts: &Parts) {
        for index in 0..self.partitions.len() {
            let open = self.partitions.get_mut(index).and_then(|partition| partition.open.as_mut());
            if let Some(open) = open {
                open.forced = true;
                self.look_at(index, parts);
            }
        }
    }

    /// Which records have no answer.
    pub(super) fn left(&self) -> Vec<Unacknowledged> {
        let of = |partition: &Partition| {
            let sent = partition.in_flight.iter().filter(|sent| !sent.expired);
            let all = sent.chain(&partition.queue).chain(&partition.open);
            all.map(|batch| u64::from(batch.records)).sum::<u64>()
        };
        let placed = self.partitions.iter().map(|partition| Unacknowledged {
            topic: partition.name.topic.to_string(),
            partition: Some(partition.name.partition),
            records: of(partition),
        });
        let loading = self.loading.iter().map(|(topic, records)| Unacknowledged {
            topic: topic.clone(),
            partition: None,
            records: records.len() as u64,
        });
        placed.chain(loading).filter(|left| left.records > 0).collect()
    }
}
