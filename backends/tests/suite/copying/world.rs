//! A source made by chance, and what a backend holds, for comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_backends::memory::{Commit, MemoryBackend, MemoryOptions};
use ottla_broker_core::copy::{self, Options, Progress, Report, Stage};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Backend, OpenPartition, PartitionLog, Snapshot, TrimBase};
use ottla_broker_core::metadata::{Command, Election, Registration, TopicElections, Writer};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, TopicName};

/// The leader epoch of the source's partitions.
pub(super) const EPOCH: i32 = 3;
pub(super) const TOPICS: [(&str, i32); 3] = [("orders", 3), ("__consumer_offsets", 2), ("empty", 1)];

pub(super) fn memory() -> MemoryBackend {
    MemoryBackend::new(MemoryOptions::default())
}

pub(super) fn manual() -> MemoryBackend {
    MemoryBackend::new(MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() })
}

/// Small pages, so that there is much to interrupt.
pub(super) fn small(verify: bool) -> Options {
    Options { verify, page_bytes: 200, partitions_at_once: 3 }
}

pub(super) fn topic_id(name: &str) -> TopicId {
    let at = TOPICS.iter().position(|(known, _)| *known == name).unwrap_or(TOPICS.len());
    TopicId(Env::seeded(1_000 + at as u64).uuid())
}

pub(super) fn id(topic: &str, partition: i32) -> PartitionId {
    PartitionId { topic: topic_id(topic), partition }
}

pub(super) async fn commit(backend: &Backend, commands: Vec<Command>) {
    let end = backend.metadata.end().await.unwrap();
    let commands = commands.iter().map(|command| command.encode().unwrap()).collect();
    backend.metadata.append_at(end, commands).await.unwrap();
}

pub(super) fn create(name: &str, partitions: i32) -> Command {
    Command::CreateTopic {
        name: TopicName::new(name).unwrap(),
        id: topic_id(name),
        replication_factor: 1,
        configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        replicas: vec![vec![BrokerId(0)]; partitions as usize],
    }
}

pub(super) fn elect(name: &str, partitions: std::ops::Range<i32>, epoch: i32) -> Command {
    let election = |partition| Election {
        partition,
        leader: Some(BrokerId(0)),
        epoch: LeaderEpoch(epoch),
        isr: vec![BrokerId(0)],
    };
    let topic = TopicElections { topic: topic_id(name), elections: partitions.map(election).collect() };
    Command::ElectLeaders { topics: vec![topic] }
}

/// A cluster's first commands.
pub(super) fn cluster(id: &str) -> Vec<Command> {
    let registration =
        Registration { id: BrokerId(0), incarnation: Env::seeded(5).uuid(), host: String::new(), port: 0, rack: None };
    vec![Command::CreateCluster { id: id.to_owned() }, Command::RegisterBroker(registration)]
}

pub(super) async fn open(backend: &Backend, id: PartitionId, epoch: i32) -> Arc<dyn PartitionLog> {
    backend.logs.open_many(&[OpenPartition { id, epoch: LeaderEpoch(epoch) }]).await.remove(0).unwrap()
}

pub(super) fn batch(env: &Env, base: i64, epoch: i32, records: u64, control: bool) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for n in 0..records {
        let value = vec![env.random_u64() as u8; 10 + env.random_below(60) as usize];
        builder.append(1_000 * base + n as i64, Some(b"key"), Some(&value), &[]).unwrap();
    }
    let stamp = (control || env.random_below(2) == 0).then(|| ProducerStamp {
        id: ProducerId(env.random_below(40) as i64),
        epoch: ProducerEpoch(2),
        base_sequence: base as i32,
    });
    let flags = Flags { transactional: control, control };
    builder.finish(stamp, flags).unwrap().stamped(Offset(base), LeaderEpoch(epoch))
}

/// Appends batches with gaps and epochs that grow; returns the end.
pub(super) async fn fill(env: &Env, log: &dyn PartitionLog, batches: u64, epoch: i32) {
    let mut base = log.bounds().end.0;
    for n in 0..batches {
        base += if env.random_below(4) == 0 { env.random_below(20) as i64 } else { 0 };
        let epoch = if n < batches / 2 { epoch - 1 } else { epoch };
        let batch = batch(env, base, epoch, 1 + env.random_below(5), env.random_below(8) == 0);
        base = batch.next_offset().0;
        log.append(batch).unwrap().await.unwrap();
    }
}

/// A cluster with all that a log may have: gaps, control batches, older epochs, a start in the midst of a batch, an
/// end behind the last one, one without any batch, and one that starts late and is empty.
pub(super) async fn source(seed: u64) -> MemoryBackend {
    let env = Env::seeded(seed);
    let memory = memory();
    let backend = memory.backend();
    let mut commands = cluster("original");
    for (name, partitions) in TOPICS {
        commands.push(create(name, partitions));
        commands.push(elect(name, 0..partitions, EPOCH));
    }
    let changes = BTreeMap::from([("log.retention.ms".to_owned(), Some("7".to_owned()))]);
    commands.push(Command::AlterBrokerConfigs { broker: BrokerId(0), changes });
    commands.push(Command::AllocateProducerIds { broker: BrokerId(0), first: 0, len: 1_000 });
    commit(&backend, commands).await;

    let base = |at: i64| TrimBase { start: Offset(at), state: Bytes::from(format!("state at {at}")) };
    let plain = open(&backend, id("orders", 0), EPOCH).await;
    fill(&env, plain.as_ref(), 30 + env.random_below(30), EPOCH).await;
    backend
        .snapshots
        .save(plain.id(), Snapshot { end: plain.bounds().end, state: Bytes::from_static(b"snapshot") })
        .await
        .unwrap();
    // Its start lies within a batch.
    let trimmed = open(&backend, id("orders", 1), EPOCH).await;
    fill(&env, trimmed.as_ref(), 10, EPOCH).await;
    let wide = batch(&env, trimmed.bounds().end.0, EPOCH, 5, false);
    let within = wide.base_offset().plus(2);
    trimmed.append(wide).unwrap().await.unwrap();
    fill(&env, trimmed.as_ref(), 10, EPOCH).await;
    trimmed.trim_prefix(within, base(within.0)).await.unwrap();
    // Its end lies behind its last batch.
    let gap = open(&backend, id("orders", 2), EPOCH).await;
    fill(&env, gap.as_ref(), 8, EPOCH).await;
    let end = gap.bounds().end.plus(3);
    gap.append(batch(&env, end.0 + 1, EPOCH, 2, false)).unwrap().await.unwrap();
    gap.truncate_suffix().unwrap().truncate_to(end).await.unwrap();
    assert_eq!(gap.bounds().end, end);
    let offsets = open(&backend, id("__consumer_offsets", 0), EPOCH).await;
    fill(&env, offsets.as_ref(), 10, EPOCH).await;
    let late = open(&backend, id("__consumer_offsets", 1), EPOCH).await;
    late.reset_to(Offset(77), base(77)).await.unwrap();
    // `empty` has no log at all.
    memory
}

/// A log as it can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    start: Offset,
    end: Offset,
    base: TrimBase,
    pub(super) batches: Vec<Bytes>,
}

/// Every log that is not as one that was never written.
pub(super) async fn contents(backend: &Backend) -> BTreeMap<PartitionId, Contents> {
    let mut all = BTreeMap::new();
    for id in backend.logs.list().await.unwrap() {
        let log = backend.logs.open_reader(id).await.unwrap();
        let bounds = log.bounds();
        let batches = log.read(bounds.start, bounds.end, usize::MAX).await.unwrap();
        let contents = Contents {
            start: bounds.start,
            end: bounds.durable_end,
            base: log.trim_base().await.unwrap(),
            batches: batches.iter().map(Batch::to_bytes).collect(),
        };
        if bounds.end > Offset::ZERO {
            all.insert(id, contents);
        }
    }
    all
}

/// Nothing is missing, nothing is added, nothing is other; and no epoch or producer id goes back.
pub(super) async fn assert_same(from: &Backend, to: &Backend) {
    assert_eq!(contents(from).await, contents(to).await);
    let image = |backend: &Backend| Writer::load(Arc::clone(&backend.metadata), Env::seeded(0), BrokerId(0));
    let (source, copied) = (image(from).await.unwrap().image(), image(to).await.unwrap().image());
    assert!(!copied.is_unfinished_copy());
    assert_eq!(source.cluster_id(), copied.cluster_id());
    assert_eq!(source.brokers(), copied.brokers());
    assert_eq!(source.broker_configs(BrokerId(0)), copied.broker_configs(BrokerId(0)));
    assert!(copied.next_producer_id() >= source.next_producer_id(), "a producer id would be given out again");
    assert_eq!(source.topics().len(), copied.topics().len());
    for (wanted, copied) in source.topics().zip(copied.topics()) {
        assert_eq!((&wanted.configs, &wanted.metadata.id), (&copied.configs, &copied.metadata.id));
        assert_eq!(wanted.metadata.name, copied.metadata.name);
        assert_eq!(wanted.metadata.partitions.len(), copied.metadata.partitions.len());
        for (wanted, copied) in wanted.metadata.partitions.iter().zip(copied.metadata.partitions.iter()) {
            assert!(copied.leader_epoch >= wanted.leader_epoch);
            assert_eq!((wanted.leader, &wanted.replicas, &wanted.isr), (copied.leader, &copied.replicas, &copied.isr));
        }
    }
}

/// Copies and holds the progress to its word.
pub(super) async fn copy(from: &Backend, to: &Backend, options: Options) -> Result<Report, copy::Error> {
    let seen = std::sync::Mutex::new(Vec::<Progress>::new());
    let result = copy::copy(from, to, &Env::seeded(9), options, &|progress| seen.lock().unwrap().push(progress)).await;
    let seen = seen.into_inner().unwrap();
    for pair in seen.windows(2) {
        assert!(pair[0].done <= pair[1].done && pair[0].bytes <= pair[1].bytes, "{pair:?}");
        assert!(pair[0].fraction() <= pair[1].fraction() && pair[0].total == pair[1].total, "{pair:?}");
    }
    assert!(seen.iter().all(|progress| progress.done <= progress.total));
    if let Ok(report) = &result {
        let last = seen.last().unwrap();
        assert_eq!((last.stage, last.done, last.partitions_done), (Stage::Finished, last.total, last.partitions));
        assert!(last.fraction() >= 1.0 && seen.iter().filter(|progress| progress.fraction() >= 1.0).count() == 1);
        assert_eq!((report.bytes, report.partitions), (last.bytes, last.partitions));
    }
    result
}
