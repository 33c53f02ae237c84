//! Closing, dropping, starting again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::{At, Env, Error, Record, producer};
use ottla_broker_core::env::{BoxFuture, Spawn, Task};

use super::*;

/// Counts the tasks that run.
#[derive(Clone, Debug, Default)]
pub(super) struct Counting(Arc<AtomicUsize>);

impl Counting {
    pub(super) fn running(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Spawn for Counting {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        self.0.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.0));
        Task::new(tokio::spawn(async move {
            let _running = running;
            future.await;
        }))
    }
}

pub(super) async fn a_closed_client_says_so(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    let mut reader = client.reader().topic("t").build().await.unwrap();
    client.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
    assert!(client.is_closed());
    assert!(reader.next().await.unwrap().is_none());
    let error = producer.send(Record::to("t").value("v")).await.unwrap_err();
    assert!(matches!(error, producer::Error::Closed { in_doubt: false }), "{error}");
    assert!(matches!(client.producer().build().await, Err(producer::Error::Closed { .. })));
    for error in [
        client.reader().topic("t").build().await.unwrap_err(),
        client.admin().list_topics().await.unwrap_err(),
        client.admin().create_topic(NewTopic::new("u")).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Closed { .. }) && error.is_fatal());
        assert!(error.to_string().starts_with("the client is closed: connect a new one to "), "{error}");
    }
}

pub(super) async fn close_delivers_what_was_enqueued(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().linger(Duration::from_secs(20)).build().await.unwrap();
    let delivery = producer.enqueue(Record::to("t").value("7")).await.unwrap();
    client.close(PATIENCE).await.unwrap();
    assert_eq!(delivery.await.unwrap().offset, Some(ottla::Offset(0)));
    assert_eq!(values(&place.connect().await, "t", 0, At::Earliest).await, [7]);
}

pub(super) async fn dropping_everything_leaves_no_task<P: Place>(place: &P) {
    let counting = Counting::default();
    let env = Env::system().with_spawner(Arc::new(counting.clone()));
    let client = place.builder().await.env(env).connect().await.unwrap();
    client.admin().ensure_topic(NewTopic::new("t").partitions(1_000)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let mut reader = client.reader().topic("t").build().await.unwrap();
    producer.send(Record::to("t").value("7")).await.unwrap();
    assert_eq!(number(&reader.next().await.unwrap().unwrap()), 7);
    // The broker's keeper and the producer's; none for a reader, none for a partition.
    assert!(counting.0.load(Ordering::SeqCst) <= 2 + BROKER_TASKS + P::STORAGE_TASKS, "{counting:?}");
    drop((client, producer, reader));
    while counting.0.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
}

/// What a broker may run for itself.
const BROKER_TASKS: usize = 1;

pub(super) async fn a_restart_keeps_the_records(place: &impl Place) {
    for round in 0..3_i64 {
        let client = place.connect().await;
        client.admin().ensure_topic(NewTopic::new("t").partitions(2)).await.unwrap();
        assert_eq!(values(&client, "t", 1, At::Earliest).await, (0..round * 10).collect::<Vec<_>>());
        let producer = client.producer().build().await.unwrap();
        produce(&producer, "t", 1, round * 10..round * 10 + 10).await;
        client.close(PATIENCE).await.unwrap();
    }
}
