//! Our SDK's clients, with settings fit for tests.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla::consumer::{Builder, Handle};
use ottla::{At, Client, Message, Producer, Record};

/// Long enough for any machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the brokers at `bootstrap`: hosts and ports with commas between.
pub async fn client(bootstrap: &str) -> Client {
    Client::connect(format!("kafka://{bootstrap}")).await.unwrap()
}

/// A member of a group that is quick enough for a test.
#[must_use]
pub fn consumer(client: &Client, group: &str, topic: &str) -> Builder {
    client
        .consumer(group)
        .topics([topic])
        .heartbeat_interval(Duration::from_millis(50))
        .max_wait(Duration::from_millis(50))
        .metadata_refresh(Duration::from_millis(500))
}

/// Sends numbers to a partition, many at a time.
pub async fn send(producer: &Producer, topic: &'static str, partition: i32, values: std::ops::Range<i64>) {
    let mut deliveries = Vec::new();
    for value in values {
        let record = Record::to(topic).partition(partition).value(value.to_string());
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

/// The messages of a partition, from its begin to its end.
pub async fn messages(client: &Client, topic: &str, partition: i32) -> Vec<Message> {
    let reader = client.reader().partition(topic, partition).start(At::Earliest).to_end();
    let mut reader = reader.build().await.unwrap();
    let mut messages = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        messages.push(message);
    }
    messages
}

/// The number that a message holds.
#[must_use]
pub fn number(value: Option<&[u8]>) -> i64 {
    std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap()
}

/// The numbers of a partition, from its begin to its end.
pub async fn numbers(client: &Client, topic: &str, partition: i32) -> Vec<i64> {
    let messages = messages(client, topic, partition).await;
    messages.iter().map(|message| number(message.value().map(|value| &value[..]))).collect()
}

/// The partitions of which a member is told that they are its own.
#[must_use]
pub fn assignment(handle: &Handle) -> BTreeSet<i32> {
    handle.assignment().into_iter().map(|partition| partition.partition).collect()
}
