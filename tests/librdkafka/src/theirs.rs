//! librdkafka's clients, with settings fit for tests.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, ConsumerContext, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::util::Timeout;

/// Long enough for any machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What all clients have in common, and `settings`.
#[must_use]
pub fn config<'a>(bootstrap: &'a str, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("broker.address.family", "v4");
    for (name, value) in settings {
        config.set(name, value);
    }
    config
}

/// A producer that hardly waits for more, with `more` settings.
#[must_use]
pub fn producer(bootstrap: &str, more: &[(&str, &str)]) -> FutureProducer {
    let settings = [("linger.ms", "1")].into_iter().chain(more.iter().copied());
    config(bootstrap, settings).create().unwrap()
}

/// Those of a member of a group, which begins where the log begins and commits when told.
#[must_use]
pub const fn consumer_settings(group: &str) -> [(&str, &str); 6] {
    [
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("heartbeat.interval.ms", "50"),
        ("fetch.wait.max.ms", "50"),
        ("topic.metadata.refresh.interval.ms", "500"),
    ]
}

/// A member of a group, with `more` settings.
#[must_use]
pub fn consumer(bootstrap: &str, group: &str, more: &[(&str, &str)]) -> StreamConsumer {
    config(bootstrap, consumer_settings(group).into_iter().chain(more.iter().copied())).create().unwrap()
}

/// An administrator.
#[must_use]
pub fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    config(bootstrap, []).create().unwrap()
}

/// How long an administrator waits.
#[must_use]
pub fn patient() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

/// Makes a topic.
pub async fn create_topic(bootstrap: &str, name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let results = admin(bootstrap).create_topics([&topic], &patient()).await.unwrap();
    assert_eq!(results, [Ok(name.to_owned())]);
}

/// Sends numbers to a partition, many at a time, and returns their offsets.
pub async fn send(producer: &FutureProducer, topic: &str, partition: i32, values: std::ops::Range<i64>) -> Vec<i64> {
    let texts: Vec<_> = values.map(|value| value.to_string()).collect();
    let sends = texts.iter().map(|value| {
        let record = FutureRecord::<(), _>::to(topic).partition(partition).payload(value);
        producer.send(record, Timeout::After(PATIENCE))
    });
    let deliveries = futures::future::join_all(sends).await;
    deliveries.into_iter().map(|delivery| delivery.unwrap().offset).collect()
}

/// The number that a message holds.
pub fn number(message: &impl Message) -> i64 {
    std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap()
}

/// The partitions of which a member is told that they are its own.
pub fn assignment<C: ConsumerContext>(consumer: &impl Consumer<C>) -> BTreeSet<i32> {
    consumer.assignment().unwrap().elements().iter().map(TopicPartitionListElem::partition).collect()
}
