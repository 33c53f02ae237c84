//! Closing a client, in a world of its own time: what `close` says, how long it takes, and what is left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use ottla_broker_core::TopicPartition;
use ottla_broker_core::env::{BoxFuture, Clock, Env, Moment};

use super::*;
use crate::consumer::{Committer, RebalanceListener};
use crate::producer::{self, Producer};
use crate::testing::{Call, Fault, StorageFault, TestCluster, World, run};
use crate::{NewTopic, Record};

const LIMIT: Duration = Duration::from_secs(5);

async fn started(world: &World) -> (TestCluster, Client) {
    let cluster = TestCluster::start(world).await.unwrap();
    let client = cluster.client().await.unwrap();
    for topic in ["t", "u"] {
        client.admin().create_topic(NewTopic::new(topic).partitions(2)).await.unwrap();
    }
    (cluster, client)
}

/// Gives a record up after so many seconds.
fn impatient(client: &Client, seconds: u64) -> ProducerBuilder {
    let limit = Duration::from_secs(seconds);
    client.producer().request_timeout(limit).delivery_timeout(limit)
}

/// Enqueues, and waits for no answer.
async fn forget(producer: &Producer, topic: &'static str, partition: i32, records: i64) {
    for value in 0..records {
        let record = Record::to(topic).partition(partition).value(value.to_string());
        drop(producer.enqueue(record).await.unwrap());
    }
}

#[test]
fn close_names_what_was_not_written() {
    run(1, async |world| {
        let (cluster, client) = started(&world).await;
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").value("written")).await.unwrap();
        cluster.storage_by_chance(StorageFault::Full, 1000);
        forget(&producer, "t", 1, 3).await;
        forget(&producer, "u", 0, 2).await;
        let error = client.close(LIMIT).await.unwrap_err();
        let Error::Producer(producer::Error::LeftBehind { records: 5, left, earlier: None, .. }) = &error else {
            panic!("{error}");
        };
        let mut left: Vec<_> = left.iter().map(ToString::to_string).collect();
        left.sort();
        assert_eq!(left, ["2 for u-0", "3 for t-1"]);
        assert!(error.to_string().contains("5 records") && error.to_string().contains("3 for t-1"), "{error}");
    });
}

#[test]
fn close_tells_failures_that_nobody_heard_of() {
    run(2, async |world| {
        let (cluster, client) = started(&world).await;
        let impatient = impatient(&client, 1).build().await.unwrap();
        cluster.storage_by_chance(StorageFault::Full, 1000);
        forget(&impatient, "t", 1, 3).await;
        world.env().sleep(LIMIT).await;
        cluster.heal();
        let error = client.close(LIMIT).await.unwrap_err();
        let undelivered = matches!(&error, Error::Producer(producer::Error::Undelivered { failed: 3, .. }));
        assert!(undelivered && error.to_string().contains("t-1"), "{error}");
    });
}

#[test]
fn close_hides_no_failure_behind_another() {
    run(3, async |world| {
        let (cluster, client) = started(&world).await;
        let impatient = impatient(&client, 1).build().await.unwrap();
        let patient = client.producer().build().await.unwrap();
        // Its owner was told: the client says nothing of it.
        let closed = client.producer().build().await.unwrap();
        closed.close(LIMIT).await.unwrap();
        let mut consumer = client.consumer("g").topics(["u"]).on_rebalance(Hangs).build().await.unwrap();
        patient.send(Record::to("u").partition(1).value("v")).await.unwrap();
        let message = consumer.next().await.unwrap().unwrap();
        cluster.storage_by_chance(StorageFault::Full, 1000);
        forget(&impatient, "t", 0, 4).await;
        world.env().sleep(LIMIT).await;
        forget(&patient, "t", 1, 2).await;
        let error = client.close(LIMIT).await.unwrap_err();
        let Error::Several { errors } = &error else { panic!("{error}") };
        let kinds: Vec<_> = errors
            .iter()
            .map(|error| match error {
                Error::Producer(producer::Error::Undelivered { failed: 4, .. }) => "failed",
                Error::Producer(producer::Error::LeftBehind { records: 2, .. }) => "left behind",
                Error::Consumer(consumer::Error::NotClosed { .. }) => "consumer",
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(kinds, ["failed", "left behind", "consumer"]);
        let said = error.to_string();
        assert!(["3 things", "t-0", "2 for t-1", "u-1"].iter().all(|part| said.contains(part)), "{said}");
        drop(message);
    });
}

#[test]
fn one_producer_tells_what_failed_before_and_what_was_left() {
    run(4, async |world| {
        let (cluster, client) = started(&world).await;
        let producer = impatient(&client, 8).build().await.unwrap();
        cluster.storage_by_chance(StorageFault::Full, 1000);
        forget(&producer, "t", 0, 4).await;
        world.env().sleep(Duration::from_secs(10)).await;
        forget(&producer, "t", 1, 2).await;
        let error = client.close(LIMIT).await.unwrap_err();
        let Error::Producer(producer::Error::LeftBehind { records: 2, earlier: Some(earlier), .. }) = &error else {
            panic!("{error}");
        };
        assert!(matches!(**earlier, producer::Error::Undelivered { failed: 4, .. }), "{earlier}");
        assert!(error.to_string().contains("4 records whose deliveries were dropped"), "{error}");
    });
}

/// Never returns from a revocation.
#[derive(Debug)]
struct Hangs;

#[async_trait]
impl RebalanceListener for Hangs {
    async fn revoked(&self, _: &[TopicPartition], _: &Committer) {
        std::future::pending().await
    }
}

#[test]
fn nothing_that_hangs_holds_a_close_beyond_its_limit() {
    run(5, async |world| {
        let (cluster, client) = started(&world).await;
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").partition(0).value("v")).await.unwrap();
        let mut consumer = client.consumer("g").topics(["t"]).on_rebalance(Hangs).build().await.unwrap();
        // A handler that never finishes has it, and the consumer.
        let message = consumer.next().await.unwrap().unwrap();
        // No answer comes to what is written either.
        cluster.by_chance(Call::Produce, 1000, Fault::Silence);
        forget(&producer, "t", 0, 1).await;
        let began = world.elapsed();
        let error = client.close(LIMIT).await.unwrap_err();
        let took = world.elapsed() - began;
        // The millisecond that the cluster has even when no time is left.
        assert!(took <= LIMIT + Duration::from_millis(2), "{took:?} for a close within {LIMIT:?}: {error}");
        drop((message, consumer, producer, client));
        cluster.heal();
        cluster.shutdown().await.unwrap();
        drop(cluster);
        world.assert_no_tasks().await;
    });
}

/// Counts the sleeps that someone waits for.
#[derive(Debug)]
struct CountedClock {
    of: Env,
    sleeping: Arc<AtomicUsize>,
}

struct Sleeping(Arc<AtomicUsize>);

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clock for CountedClock {
    fn now(&self) -> Moment {
        self.of.now()
    }

    fn wall_ms(&self) -> i64 {
        self.of.wall_ms()
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        let (of, sleeping) = (self.of.clone(), Sleeping(Arc::clone(&self.sleeping)));
        Box::pin(async move {
            let _sleeping = sleeping;
            of.sleep_until(deadline).await;
        })
    }
}

/// Everything that a client can make, in the middle of its work.
async fn all_that_a_client_makes(client: &Client) -> impl Sized + use<> {
    let producer = client.producer().linger(LIMIT).build().await.unwrap();
    let delivery = producer.enqueue(Record::to("t").partition(0).value("v")).await.unwrap();
    delivery.await.unwrap();
    let mut consumer = client.consumer("g").topics(["t"]).build().await.unwrap();
    let message = consumer.next().await.unwrap().unwrap();
    let streams = client.consumer("h").topics(["t"]).build().await.unwrap().partitions();
    let assigned = client.consumer("none").assign([("t", 0)]).build().await.unwrap();
    let mut reader = client.reader().topic("t").build().await.unwrap();
    reader.next().await.unwrap().unwrap();
    assert!(reader.try_next().unwrap().is_none(), "it waits for more, with a timer");
    (producer, consumer, message, streams, assigned, reader)
}

#[test]
fn no_task_no_timer_and_no_connection_is_left_after_close_or_drop() {
    for close in [false, true] {
        run(6, async |world| {
            let cluster = TestCluster::start(&world).await.unwrap();
            let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let names: BTreeSet<_> = world.tasks().live().into_keys().collect();
            let sleeping = Arc::new(AtomicUsize::new(0));
            let clock = CountedClock { of: world.env(), sleeping: Arc::clone(&sleeping) };
            let connection = cluster.cluster();
            let alone = Arc::strong_count(&connection);
            let env = world.env().with_clock(Arc::new(clock));
            let client = Client::builder().cluster(Arc::clone(&connection)).env(env).connect().await.unwrap();
            client.admin().create_topic(NewTopic::new("t")).await.unwrap();
            let made = all_that_a_client_makes(&client).await;
            // It counts: there is something to be left.
            assert!(world.tasks().total() > names.len() && sleeping.load(Ordering::SeqCst) > 0);
            assert!(Arc::strong_count(&connection) > alone);
            if close {
                client.close(LIMIT).await.unwrap();
                // What the application still holds runs nothing.
                settle(&world).await;
                let live: BTreeSet<_> = world.tasks().live().into_keys().collect();
                assert!(live.is_subset(&names), "{live:?}");
            }
            drop((made, client));
            settle(&world).await;
            assert_eq!(sleeping.load(Ordering::SeqCst), 0, "timers, close: {close}");
            assert_eq!(Arc::strong_count(&connection), alone, "connections, close: {close}");
            let live: BTreeSet<_> = world.tasks().live().into_keys().collect();
            assert!(live.is_subset(&names), "close: {close}: {live:?}");
            // Those that were not made through the world count too.
            assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() <= alive, "close: {close}");
        });
    }
}

/// Gives whatever is on its way out the time to go.
async fn settle(world: &World) {
    world.env().sleep(Duration::from_secs(60)).await;
}

#[test]
fn a_producer_that_is_made_after_a_topic_was_recreated_knows_the_new_one() {
    run(7, async |world| {
        let (cluster, client) = started(&world).await;
        let partitions = async || {
            let producer = client.producer().build().await.unwrap();
            producer.partitions_for("t").await.map(|topic| topic.partitions.len())
        };
        assert_eq!(partitions().await.unwrap(), 2);
        client.admin().delete_topic("t").await.unwrap();
        assert!(matches!(partitions().await, Err(producer::Error::UnknownTopic { .. })));
        client.admin().create_topic(NewTopic::new("t").partitions(5)).await.unwrap();
        assert_eq!(partitions().await.unwrap(), 5);
        // By somebody else, of whom this client hears nothing.
        cluster.client().await.unwrap().admin().delete_topic("t").await.unwrap();
        client.admin().create_topic(NewTopic::new("t").partitions(3)).await.unwrap();
        assert_eq!(partitions().await.unwrap(), 3);
    });
}
