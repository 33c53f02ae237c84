//! What partitions cost when nobody uses them, and how long many of them take: a broker on memory.
//!
//! ```text
//! cargo bench -p ottla-tests --bench partitions [-- PARTITIONS …]
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: a panic is the verdict, and it asks the machine for the time"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::api::{
    Acks, CreateTopic, FetchPartition, FetchRequest, InitProducerId, IsolationLevel, ProducePartition, ProduceRequest,
    ProducerIdentity,
};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{BoxFuture, Env, Spawn, Task};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{Offset, TopicName, TopicPartition};
use ottla_tests::counting::{Counting, live_bytes};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Partitions that one request may create, and that one produces or reads here.
const AT_ONCE: usize = 10_000;
/// ARCHITECTURE's aim.
const AIM: usize = 8 << 10;

#[derive(Debug, Default)]
struct CountingSpawn(AtomicUsize);

impl Spawn for CountingSpawn {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        self.0.fetch_add(1, Ordering::Relaxed);
        Task::new(tokio::spawn(future))
    }
}

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![1_000, 10_000, 100_000] } else { asked };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!(
        "{:>10} {:>10} {:>12} {:>12} {:>12} {:>9} {:>9} {:>9} {:>9} {:>6}",
        "partitions",
        "bytes each",
        "written",
        "of a record",
        "with a producer",
        "create",
        "write",
        "read",
        "restart",
        "tasks"
    );
    for partitions in sizes {
        runtime.block_on(measure(partitions));
    }
}

async fn measure(partitions: usize) {
    let spawned = Arc::new(CountingSpawn::default());
    let env = Env::seeded(1).with_spawner(Arc::clone(&spawned) as _);
    let memory = MemoryBackend::new(MemoryOptions::default());
    let broker = Broker::start(BrokerConfig::default(), memory.backend(), env.clone()).await.unwrap();

    let before = live_bytes();
    let began = Instant::now();
    let topics = partitions.div_ceil(AT_ONCE);
    for topic in 0..topics {
        let count = AT_ONCE.min(partitions - topic * AT_ONCE);
        let topic = CreateTopic {
            name: name(topic),
            partitions: Some(i32::try_from(count).unwrap()),
            replication_factor: None,
            configs: std::iter::empty().collect(),
        };
        broker.create_topics(vec![topic], false).await.unwrap().remove(0).unwrap();
    }
    let created = began.elapsed();
    let idle = (live_bytes() - before) / partitions;

    let began = Instant::now();
    write(&broker, partitions, &batch(None)).await;
    let written = began.elapsed();
    let with_record = (live_bytes() - before) / partitions;

    let began = Instant::now();
    read(&broker, partitions).await;
    let read = began.elapsed();

    let producer = broker.init_producer_id(InitProducerId::default()).await.unwrap();
    write(&broker, partitions, &batch(Some(producer))).await;
    let with_producer = (live_bytes() - before) / partitions;
    let record = batch(None).size_in_bytes();

    broker.close(Duration::from_secs(60)).await.unwrap();
    drop(broker);
    let began = Instant::now();
    let broker = Broker::start(BrokerConfig::default(), memory.reopen().backend(), env).await.unwrap();
    let restarted = began.elapsed();
    let tasks = spawned.0.load(Ordering::Relaxed);
    println!(
        "{partitions:>10} {idle:>10} {with_record:>12} {record:>12} {with_producer:>15} {:>9} {:>9} {:>9} {:>9} {tasks:>6}",
        seconds(created),
        seconds(written),
        seconds(read),
        seconds(restarted)
    );
    assert_eq!(tasks, 0, "there is a task for partitions that nobody uses");
    assert!(idle < AIM, "an idle partition costs {idle} bytes, and is to stay under {AIM}");
    drop(broker);
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn name(topic: usize) -> TopicName {
    TopicName::new(format!("topic-{topic}")).unwrap()
}

fn partition(at: usize) -> TopicPartition {
    TopicPartition::new(name(at / AT_ONCE), i32::try_from(at % AT_ONCE).unwrap())
}

/// One record of 100 bytes. In a buffer of its own for each partition, as producers would send it.
fn batch(producer: Option<ProducerIdentity>) -> Batch {
    let mut builder = Builder::new(BuilderOptions { capacity: 180, ..BuilderOptions::default() });
    builder.append(Env::system().wall_ms(), None, Some(&[7; 100]), &[]).unwrap();
    let stamp = producer.map(|identity| ProducerStamp { id: identity.id, epoch: identity.epoch, base_sequence: 0 });
    builder.finish(stamp, Flags::default()).unwrap()
}

async fn write(broker: &Broker, partitions: usize, sent: &Batch) {
    let producer =
        sent.has_producer().then(|| ProducerIdentity { id: sent.producer_id(), epoch: sent.producer_epoch() });
    for from in (0..partitions).step_by(AT_ONCE) {
        let to = (from + AT_ONCE).min(partitions);
        let entries = (from..to).map(|at| ProducePartition { partition: partition(at), batch: batch(producer) });
        let request =
            ProduceRequest { acks: Acks::All, timeout: Duration::from_secs(60), partitions: entries.collect() };
        for answer in broker.produce(request).await.unwrap() {
            answer.unwrap();
        }
    }
}

async fn read(broker: &Broker, partitions: usize) {
    for from in (0..partitions).step_by(AT_ONCE) {
        let to = (from + AT_ONCE).min(partitions);
        let entries = (from..to).map(|at| FetchPartition {
            partition: partition(at),
            offset: Offset(0),
            max_bytes: 1 << 20,
            current_leader_epoch: None,
        });
        let request = FetchRequest {
            replica: None,
            max_wait: Duration::ZERO,
            min_bytes: 1,
            max_bytes: usize::MAX,
            isolation: IsolationLevel::ReadUncommitted,
            partitions: entries.collect(),
        };
        let fetched = broker.fetch(request).await.unwrap();
        assert_eq!(fetched.len(), to - from);
        for fetched in fetched {
            assert_eq!(fetched.unwrap().batches[0].record_count(), 1);
        }
    }
}
