//! Consumer groups.

mod assignments;
mod crowd;
mod delivery;
mod ending;
mod places;
mod rebalancing;

use std::sync::{Arc, Mutex};

use assignments::{Bell, balanced, say_assigned, until_heard};
use async_trait::async_trait;
pub(super) use crowd::*;
pub(super) use delivery::*;
pub(super) use ending::*;
use ottla::consumer::{Builder, Committer, Handle, Message, RebalanceListener};
use ottla::{Consumer, Record, TopicName, TopicPartition};
pub(super) use places::*;
pub(super) use rebalancing::*;
use tokio::sync::{mpsc, watch};

use super::*;

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), partition)
}

/// Quick enough for a test, and slow enough for any machine.
fn quick(client: &Client, group: &str) -> Builder {
    client
        .consumer(group)
        .topics(["t"])
        .heartbeat_interval(Duration::from_millis(20))
        .session_timeout(Duration::from_secs(30))
        .metadata_refresh(Duration::from_millis(50))
        .on_rebalance(Bell)
}

fn value(message: &Message) -> i64 {
    std::str::from_utf8(message.value().unwrap()).unwrap().parse().unwrap()
}

/// Notes what it hears.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

#[derive(Debug)]
struct Notes(mpsc::UnboundedSender<Heard>);

#[async_trait]
impl RebalanceListener for Notes {
    async fn assigned(&self, partitions: &[TopicPartition], _: &Handle) {
        say_assigned();
        let _ = self.0.send(Heard::Assigned(partitions.to_vec()));
    }

    async fn revoked(&self, partitions: &[TopicPartition], _: &Committer) {
        let _ = self.0.send(Heard::Revoked(partitions.to_vec()));
    }

    async fn lost(&self, partitions: &[TopicPartition]) {
        let _ = self.0.send(Heard::Lost(partitions.to_vec()));
    }
}

fn notes() -> (Notes, mpsc::UnboundedReceiver<Heard>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Notes(send), receive)
}

/// What the consumers of a group have handled, as it grows.
#[derive(Clone, Debug)]
struct Seen(Arc<Mutex<Vec<(usize, i32, i64)>>>, Arc<watch::Sender<usize>>);

impl Seen {
    fn new() -> Self {
        Self(Arc::default(), Arc::new(watch::channel(0).0))
    }

    fn add(&self, who: usize, partition: i32, value: i64) {
        let mut all = self.0.lock().unwrap();
        all.push((who, partition, value));
        self.1.send_replace(all.len());
    }

    fn all(&self) -> Vec<(usize, i32, i64)> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until what was seen is so.
    async fn until(&self, mut is: impl FnMut(&[(usize, i32, i64)]) -> bool) {
        let mut changes = self.1.subscribe();
        loop {
            changes.borrow_and_update();
            if is(&self.0.lock().unwrap()) {
                return;
            }
            changes.changed().await.unwrap();
        }
    }
}

/// Handles and acknowledges all that comes, until it ends.
fn run(who: usize, mut consumer: Consumer, seen: &Seen) -> tokio::task::JoinHandle<()> {
    let seen = seen.clone();
    tokio::spawn(async move {
        while let Some(message) = consumer.next().await.unwrap() {
            let (partition, value) = (message.partition(), value(&message));
            message.ack();
            seen.add(who, partition, value);
        }
    })
}

async fn send(producer: &Producer, partition: i32, value: i64) {
    producer.send(Record::to("t").partition(partition).value(value.to_string())).await.unwrap();
}

/// What the group has committed of each partition of `t`, 0 for nothing.
async fn committed(handle: &Handle, partitions: i32) -> Vec<i64> {
    let answers = handle.committed((0..partitions).map(|partition| tp("t", partition))).await.unwrap();
    answers.into_iter().map(|answer| answer.map_or(0, |committed| committed.offset.0)).collect()
}
