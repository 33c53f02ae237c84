//! A client of a broker, in as few words as tests need.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::api::{
    Acks, Appended, CreateTopic, Error, FetchPartition, FetchRequest, Fetched, IsolationLevel, MetadataRequest,
    ProducePartition, ProduceRequest, ProducerIdentity, TopicMetadata, TopicsWanted,
};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{BoxFuture, Clock, Env, Moment};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{Offset, TopicName, TopicPartition};

pub(super) const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn memory() -> MemoryBackend {
    MemoryBackend::new(MemoryOptions::default())
}

pub(super) async fn start(memory: &MemoryBackend) -> Arc<Broker> {
    start_with(memory, BrokerConfig::default()).await
}

pub(super) async fn start_with(memory: &MemoryBackend, config: BrokerConfig) -> Arc<Broker> {
    Broker::start(config, memory.backend(), Env::system()).await.unwrap()
}

pub(super) fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

pub(super) fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(name(topic), partition)
}

pub(super) fn new_topic(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> CreateTopic {
    CreateTopic {
        name: name(topic),
        partitions: Some(partitions),
        replication_factor: None,
        configs: configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

pub(super) async fn create(broker: &Broker, topic: &str, partitions: i32) {
    broker.create_topics(vec![new_topic(topic, partitions, &[])], false).await.unwrap().remove(0).unwrap();
}

pub(super) async fn describe(broker: &Broker, topic: &str) -> Result<Arc<TopicMetadata>, Error> {
    let topics = TopicsWanted::Names(vec![name(topic)]);
    broker.metadata(MetadataRequest { topics, allow_auto_create: false }).await?.topics.remove(0)
}

pub(super) fn batch(values: &[&str], producer: Option<(ProducerIdentity, i32)>) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for value in values {
        builder.append(Env::system().wall_ms(), None, Some(value.as_bytes()), &[]).unwrap();
    }
    let stamp = producer.map(|(identity, sequence)| ProducerStamp {
        id: identity.id,
        epoch: identity.epoch,
        base_sequence: sequence,
    });
    builder.finish(stamp, Flags::default()).unwrap()
}

pub(super) fn request(to: TopicPartition, batch: Batch) -> ProduceRequest {
    ProduceRequest { acks: Acks::All, timeout: LIMIT, partitions: vec![ProducePartition { partition: to, batch }] }
}

pub(super) async fn produce(broker: &Broker, to: TopicPartition, batch: Batch) -> Result<Appended, Error> {
    broker.produce(request(to, batch)).await?.remove(0)
}

/// Sends again while the answer says that it may help.
pub(super) async fn produce_patiently(broker: &Broker, to: TopicPartition, batch: Batch) -> Result<Appended, Error> {
    let env = Env::system();
    for _ in 0..1_000 {
        match produce(broker, to.clone(), batch.clone()).await {
            Err(error) if error.is_retriable() => env.sleep(Duration::from_millis(5)).await,
            result => return result,
        }
    }
    panic!("{to} did not come back");
}

pub(super) fn wanted(from: TopicPartition, offset: i64) -> FetchPartition {
    FetchPartition { partition: from, offset: Offset(offset), max_bytes: 1 << 20, current_leader_epoch: None }
}

pub(super) fn fetch_request(partitions: Vec<FetchPartition>, max_wait: Duration) -> FetchRequest {
    FetchRequest {
        replica: None,
        max_wait,
        min_bytes: 1,
        max_bytes: 64 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        partitions,
    }
}

pub(super) async fn fetch(broker: &Broker, from: TopicPartition, offset: i64) -> Result<Fetched, Error> {
    broker.fetch(fetch_request(vec![wanted(from, offset)], Duration::ZERO)).await?.remove(0)
}

/// Every value of a partition with its offset.
pub(super) async fn read_all(broker: &Broker, from: TopicPartition) -> BTreeMap<i64, Bytes> {
    let fetched = fetch(broker, from, 0).await.unwrap();
    let mut values = BTreeMap::new();
    for batch in fetched.batches {
        for record in batch.records().unwrap() {
            let record = record.unwrap();
            assert!(values.insert(record.offset.0, record.value.unwrap()).is_none());
        }
    }
    values
}

pub(super) fn text(values: &BTreeMap<i64, Bytes>) -> Vec<String> {
    values.values().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

/// tokio's clock, and a wall clock that only tests move.
#[derive(Debug)]
pub(super) struct Clockwork {
    tokio: Env,
    wall_ms: AtomicI64,
}

impl Clockwork {
    /// A world of this seed under such a clock.
    pub(super) fn env(seed: u64, wall_ms: i64) -> (Env, Arc<Self>) {
        let tokio = Env::seeded(seed);
        let clock = Arc::new(Self { tokio: tokio.clone(), wall_ms: AtomicI64::new(wall_ms) });
        (tokio.with_clock(Arc::clone(&clock) as _), clock)
    }

    pub(super) fn advance(&self, by: Duration) {
        self.wall_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Clockwork {
    fn now(&self) -> Moment {
        self.tokio.now()
    }

    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let tokio = self.tokio.clone();
        Box::pin(async move { tokio.sleep_until(deadline).await })
    }
}
