//! Brokers on one memory, clients, trouble, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ottla_backends::decorators::{Fault, Faults, FaultyStorage, Operation};
use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::api::{Acks, InitProducerId, IsolationLevel, OffsetSpec, ProducePartition, ProduceRequest};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{Env, SplitMix64};
use ottla_broker_core::log::{Backend, ErrorKind};
use ottla_broker_core::record::{Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{Offset, PartitionId, TopicId};
use rustc_hash::FxHasher;

use super::super::support::*;
use super::client::{Client, Sending, Sent, is_expected};

const PARTITIONS: i32 = 2;
const CLIENTS: usize = 2;
const WALL_MS: i64 = 1_900_000_000_000;

/// How often each kind of trouble was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn met(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// A run that never reached an interesting state proves nothing.
    pub(super) fn assert_all_met(&self) {
        for what in [
            "acknowledged",
            "answer lost",
            "append failed",
            "crash",
            "second broker",
            "refused by the older broker",
            "duplicate answered",
            "gap refused",
            "trim",
            "read",
            "time found",
        ] {
            assert!(self.0.get(what).is_some_and(|count| *count > 0), "`{what}` was never met: {self:?}");
        }
    }
}

pub(super) struct World {
    env: Env,
    clock: Arc<Clockwork>,
    memory: MemoryBackend,
    faults: Faults,
    broker: Arc<Broker>,
    older: Option<Arc<Broker>>,
    topic: TopicId,
    clients: Vec<Client>,
    /// By partition and offset: what an acknowledgement, or a reader, has shown there. It must stay.
    shown: BTreeMap<(i32, i64), String>,
    /// By value: where it is. Never in two places.
    places: BTreeMap<String, (i32, i64)>,
    /// The greatest high watermark and start that anybody was shown, by partition.
    bounds: BTreeMap<i32, (i64, i64)>,
    /// For who looks into a failure.
    last_refusal: String,
    pub(super) counts: Counts,
    trace: FxHasher,
}

impl World {
    pub(super) async fn new(seed: u64) -> Self {
        let (env, clock) = Clockwork::env(seed, WALL_MS);
        let memory = MemoryBackend::new(MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() });
        let faults = Faults::new(env.clone());
        let broker = start_faulty(&memory, &faults, &env).await;
        create(&broker, "events", PARTITIONS).await;
        let topic = describe(&broker, "events").await.unwrap().id;
        let mut clients = Vec::new();
        for id in 0..CLIENTS {
            let identity = broker.init_producer_id(InitProducerId::default()).await.unwrap();
            for partition in 0..PARTITIONS {
                clients.push(Client { id, partition, identity, next: 0, is_known: false, queue: [].into() });
            }
        }
        Self {
            env,
            clock,
            memory,
            faults,
            broker,
            older: None,
            topic,
            clients,
            shown: BTreeMap::new(),
            places: BTreeMap::new(),
            bounds: BTreeMap::new(),
            last_refusal: String::new(),
            counts: Counts::default(),
            trace: FxHasher::default(),
        }
    }

    pub(super) fn trace(&self) -> u64 {
        self.trace.finish()
    }

    fn note(&mut self, what: &str) {
        self.trace.write(what.as_bytes());
    }

    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.env.random_below(u64::try_from(bound).unwrap())).unwrap()
    }

    fn id(&self, partition: i32) -> PartitionId {
        PartitionId { topic: self.topic, partition }
    }

    pub(super) async fn step(&mut self) {
        self.clock.advance(Duration::from_millis(7));
        let partition = i32::try_from(self.below(2)).unwrap();
        match self.below(100) {
            0..40 => self.send().await,
            40..60 => {
                let count = 1 + self.below(4);
                self.memory.logs.commit_partition(self.id(partition), count);
                self.listen().await;
            }
            60..68 => self.listen().await,
            68..76 => self.lose_an_answer(),
            76..84 => self.read(partition).await,
            84..88 => self.look_a_time_up(partition).await,
            88..90 => self.trim(partition).await,
            90..93 => {
                let fault = [
                    Fault::Before(ErrorKind::Unavailable),
                    Fault::After(ErrorKind::Unavailable),
                    Fault::Refuse(ErrorKind::Full),
                ][self.below(3)];
                self.faults.next(Operation::Append, fault);
                self.counts.met("append failed");
                self.note(&format!("fault {fault:?}"));
            }
            93..97 => self.env.sleep(Duration::from_millis(50)).await,
            97 => self.crash().await,
            98 => self.start_second().await,
            _ => self.broker.save_checkpoints().await,
        }
    }

    /// Sends a new batch or one that is in doubt, mostly to the newer broker.
    async fn send(&mut self) {
        let at = self.below(self.clients.len());
        let (count, to_older) = (1 + self.below(3), self.below(4) == 0);
        let client = &mut self.clients[at];
        if client.due().is_none() && client.has_room() {
            let (first, count) = (client.next, i32::try_from(count).unwrap());
            client.next += count;
            let mut builder = Builder::new(BuilderOptions::default());
            for number in first..first + count {
                // Times go back and forth.
                let timestamp = WALL_MS + i64::from(number) * 10 - i64::from(number % 4) * 25;
                let value = value(client.id, client.partition, number);
                builder.append(timestamp, None, Some(value.as_bytes()), &[]).unwrap();
            }
            let (id, epoch) = (client.identity.id, client.identity.epoch);
            let batch =
                builder.finish(Some(ProducerStamp { id, epoch, base_sequence: first }), Flags::default()).unwrap();
            client.queue.push_back(Sent { first, count, batch, sending: Sending::Due, tries: 0 });
        }
        let broker = self.older.as_ref().filter(|_| to_older).unwrap_or(&self.broker);
        let Some(due) = client.due() else { return };
        let partition = partition("events", client.partition);
        let sent = &mut client.queue[due];
        let request = ProduceRequest {
            acks: if sent.first % 2 == 0 { Acks::All } else { Acks::Leader },
            timeout: Duration::from_secs(600),
            partitions: vec![ProducePartition { partition, batch: sent.batch.clone() }],
        };
        sent.sending = Sending::UnderWay(broker.produce(request));
        sent.tries += 1;
        let told = format!("send {at} {} to older: {to_older}", sent.first);
        self.note(&told);
        self.listen_to(at, due).await;
    }

    /// Takes the answers that have come.
    async fn listen(&mut self) {
        for at in 0..self.clients.len() {
            for sent in 0..self.clients[at].queue.len() {
                self.listen_to(at, sent).await;
            }
            self.clients[at].advance();
        }
    }

    async fn listen_to(&mut self, at: usize, index: usize) {
        let client = &mut self.clients[at];
        let (id, partition) = (client.id, client.partition);
        let sent = &mut client.queue[index];
        let Sending::UnderWay(answer) = &mut sent.sending else { return };
        let Some(answer) = answer.now_or_never() else { return };
        match answer.map(|mut answers| answers.remove(0)) {
            Ok(Ok(appended)) => {
                let (first, count, tries) = (sent.first, sent.count, sent.tries);
                let base = appended.base_offset.unwrap().0;
                sent.sending = Sending::Acknowledged;
                client.is_known = true;
                self.counts.met("acknowledged");
                if tries > 1 && self.places.contains_key(&value(id, partition, first)) {
                    self.counts.met("duplicate answered");
                }
                for number in first..first + count {
                    self.show(partition, base + i64::from(number - first), value(id, partition, number));
                }
                self.note(&format!("acknowledged {id} {partition} {first} at {base}"));
            }
            Ok(Err(error)) | Err(error) => {
                assert!(is_expected(&error), "{:?}: {error}", error.code);
                sent.sending = Sending::Due;
                let first = sent.first;
                self.last_refusal = error.to_string();
                if error.message.contains("is next") {
                    self.counts.met("gap refused");
                }
                if error.message.contains("started again on the same storage") || error.message.contains("newer than") {
                    self.counts.met("refused by the older broker");
                }
                self.note(&format!("refused {id} {partition} {first}: {:?}", error.code));
            }
        }
    }

    /// Invariants 1, 2 and 4: what was shown at an offset stays there, and is nowhere else.
    fn show(&mut self, partition: i32, offset: i64, value: String) {
        let place = (partition, offset);
        if let Some(before) = self.places.insert(value.clone(), place) {
            assert_eq!(before, place, "invariant 3: `{value}` is in two places");
        }
        if let Some(before) = self.shown.insert(place, value.clone()) {
            assert_eq!(before, value, "invariant 2: offset {offset} of partition {partition} names two records");
        }
    }

    fn lose_an_answer(&mut self) {
        let at = self.below(self.clients.len());
        let lost = self.below(5);
        if let Some(sent) = self.clients[at].queue.get_mut(lost)
            && matches!(sent.sending, Sending::UnderWay(_))
        {
            sent.sending = Sending::Due;
            self.counts.met("answer lost");
            self.note(&format!("lost {at} {lost}"));
        }
    }

    async fn read(&mut self, number: i32) {
        let (_, start) = self.bounds.get(&number).copied().unwrap_or_default();
        let from = start + i64::try_from(self.below(40)).unwrap();
        let max_bytes = [0, 1, 300, 1 << 20][self.below(4)];
        let mut wanted = wanted(partition("events", number), from);
        wanted.max_bytes = max_bytes;
        let Ok(fetched) = self.broker.fetch(fetch_request(vec![wanted], Duration::ZERO)).await.unwrap().remove(0)
        else {
            return;
        };
        let (hw, log_start) = (fetched.high_watermark.0, fetched.log_start_offset.0);
        let (seen_hw, seen_start) = self.bounds.entry(number).or_default();
        assert!(hw >= *seen_hw, "invariant 5: the high watermark went from {seen_hw} back to {hw}");
        assert!(log_start >= *seen_start, "invariant 5: the log start went from {seen_start} back to {log_start}");
        (*seen_hw, *seen_start) = (hw, log_start);
        let mut next = from;
        for batch in &fetched.batches {
            batch.verify_crc().expect("invariant 9");
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                assert!(record.offset.0 < hw, "invariant 4: {} is beyond the high watermark {hw}", record.offset);
                if record.offset.0 < from {
                    continue;
                }
                assert_eq!(record.offset.0, next, "a record was skipped");
                next += 1;
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                self.show(number, record.offset.0, value);
            }
        }
        assert!(from >= hw || !fetched.batches.is_empty(), "nothing from {from} on, below {hw}");
        self.counts.met("read");
        self.note(&format!("read {number} {from} to {next} of {hw}"));
    }

    /// The first record at or after a time, against a look at every record.
    async fn look_a_time_up(&mut self, number: i32) {
        let spec = OffsetSpec::Timestamp(WALL_MS + i64::try_from(self.below(1_500)).unwrap());
        let wanted = vec![(partition("events", number), spec)];
        let listed = self.broker.list_offsets(IsolationLevel::ReadUncommitted, wanted).await.unwrap().remove(0);
        let Ok(listed) = listed else { return };
        let OffsetSpec::Timestamp(at) = spec else { return };
        let earliest = vec![(partition("events", number), OffsetSpec::Earliest)];
        let Ok(start) = self.broker.list_offsets(IsolationLevel::ReadUncommitted, earliest).await.unwrap().remove(0)
        else {
            return;
        };
        let fetched = fetch(&self.broker, partition("events", number), start.offset.unwrap().0).await;
        let Ok(fetched) = fetched else { return };
        let first = fetched
            .batches
            .iter()
            .flat_map(|batch| batch.records().unwrap().map(Result::unwrap))
            .find(|record| record.timestamp_ms >= at && record.offset >= start.offset.unwrap());
        assert_eq!(listed.offset, first.map(|record| record.offset), "the first record of {number} at or after {at}");
        if listed.offset.is_some() {
            self.counts.met("time found");
        }
        self.note(&format!("time {number} {at} {:?}", listed.offset));
    }

    async fn trim(&mut self, number: i32) {
        let (hw, _) = self.bounds.get(&number).copied().unwrap_or_default();
        // All that is committed, or up to anywhere.
        let part = Offset(i64::try_from(self.below(usize::try_from(hw).unwrap() + 1)).unwrap());
        let before = if self.below(2) == 0 { Offset::MAX } else { part };
        let deleted = self.broker.delete_records(vec![(partition("events", number), before)]).await.unwrap().remove(0);
        if let Ok(deleted) = deleted {
            assert!(deleted.low_watermark >= if before == Offset::MAX { Offset(hw) } else { before });
            self.counts.met("trim");
            self.note(&format!("trim {number} {before}"));
        }
    }

    /// Both brokers go, and with them what was not durable, or only the answers.
    async fn crash(&mut self) {
        self.memory.logs.crash(&Keep::Random(Arc::new(SplitMix64::new(self.env.random_u64()))));
        self.older = None;
        self.memory = self.memory.reopen();
        self.broker = start_faulty(&self.memory, &self.faults, &self.env).await;
        self.counts.met("crash");
        self.note("crash");
    }

    /// Another broker of the same id: the one before does not know of it yet.
    async fn start_second(&mut self) {
        self.memory = self.memory.reopen();
        let newer = start_faulty(&self.memory, &self.faults, &self.env).await;
        self.older = Some(std::mem::replace(&mut self.broker, newer));
        self.counts.met("second broker");
        self.note("second broker");
    }

    /// No more trouble: everything that was sent gets acknowledged, and the logs hold what they must.
    pub(super) async fn heal_and_check(&mut self) {
        self.faults.heal();
        self.older = None;
        for _ in 0..10_000 {
            self.memory.logs.commit();
            self.listen().await;
            if self.clients.iter().all(|client| client.queue.is_empty()) {
                break;
            }
            self.env.sleep(Duration::from_millis(20)).await;
            self.send().await;
        }
        let left: usize = self.clients.iter().map(|client| client.queue.len()).sum();
        assert_eq!(left, 0, "batches are not acknowledged although all is well, but: {}", self.last_refusal);
        for number in 0..PARTITIONS {
            self.check_log(number).await;
        }
    }

    async fn check_log(&mut self, number: i32) {
        let wanted = vec![(partition("events", number), OffsetSpec::Earliest)];
        let earliest = self.broker.list_offsets(IsolationLevel::ReadUncommitted, wanted).await.unwrap().remove(0);
        let start = earliest.unwrap().offset.unwrap().0;
        let fetched = fetch(&self.broker, partition("events", number), start).await.unwrap();
        let mut log = BTreeMap::new();
        for batch in fetched.batches {
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                if record.offset.0 >= start {
                    assert!(log.insert(record.offset.0, value).is_none());
                }
            }
        }
        let once: BTreeSet<_> = log.values().collect();
        assert_eq!(once.len(), log.len(), "invariant 3: a record is there twice");
        for ((_, offset), value) in self.shown.range((number, start)..(number + 1, i64::MIN)) {
            assert_eq!(log.get(offset), Some(value), "invariant 1: what was acknowledged at {offset} is gone");
        }
        for client in self.clients.iter().filter(|client| client.partition == number) {
            let of_client = format!("{}-", client.id);
            let numbers: Vec<i32> = log
                .values()
                .filter(|value| value.starts_with(&of_client))
                .map(|value| value.rsplit('-').next().unwrap().parse().unwrap())
                .collect();
            assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "invariant 3: out of order: {numbers:?}");
            assert!(numbers.last().is_none_or(|last| last + 1 == client.next), "the last ones are missing");
        }
        let told = format!("{log:?}");
        self.note(&told);
    }
}

fn value(client: usize, partition: i32, number: i32) -> String {
    format!("{client}-{partition}-{number}")
}

async fn start_faulty(memory: &MemoryBackend, faults: &Faults, env: &Env) -> Arc<Broker> {
    let logs = Arc::new(FaultyStorage::new(memory.backend().logs, faults.clone()));
    Broker::start(BrokerConfig::default(), Backend { logs, ..memory.backend() }, env.clone()).await.unwrap()
}
