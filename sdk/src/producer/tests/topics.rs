//! What brokers tell of topics: leaders that move, and records that wait for a topic to be known.

use std::sync::Mutex;

use futures::FutureExt;
use ottla_broker_core::api::{ErrorCode, MetadataRequest, TopicsWanted};
use ottla_broker_core::env::{BoxFuture, Clock, Env, Moment};

use super::*;
use crate::Cluster;
use crate::producer::shared::Event;

#[tokio::test(start_paused = true)]
async fn closing_follows_a_leader_that_moves() {
    let fake = Fake::new(1).topic("t", 1);
    let producer = warm(fake.builder()).await;
    let delivery = producer.try_enqueue(record("a")).unwrap();
    fake.lead("t", 0, Some(2));
    producer.close(Duration::from_secs(30)).await.unwrap();
    assert_eq!(delivery.await.unwrap().partition, 0);
    assert_eq!(fake.log("t", 0), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn flush_waits_for_records_that_waited_for_their_topic() {
    for count in [1, 3] {
        let fake = Fake::new(2).topic("t", 1);
        let producer = fake.builder().linger(Duration::from_secs(60)).build().await.unwrap();
        fake.script([Act::Hold(Box::new(Act::Apply))]);
        let deliveries = enqueue_now(&producer, count);
        let mut flush = Box::pin(producer.flush());
        assert!(flush.as_mut().now_or_never().is_none());
        settle().await;
        assert_eq!(fake.held(), 1, "they are on their way, and do not linger");
        assert!(flush.as_mut().now_or_never().is_none(), "and have no answer yet");
        fake.release_all();
        flush.await.unwrap();
        assert!(deliveries.iter().all(Delivery::is_answered));
    }
}

#[tokio::test(start_paused = true)]
async fn closing_places_records_that_wait_for_their_topic() {
    let fake = Fake::new(3).topic("t", 1);
    let producer = fake.builder().build().await.unwrap();
    fake.script([Act::Say(ErrorCode::NotEnoughReplicas)]);
    let deliveries = enqueue_now(&producer, 3);
    producer.close(Duration::from_secs(5)).await.unwrap();
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    assert_eq!(fake.log("t", 0), numbers(3));
}

/// After so many more calls of the wall clock this producer hears of this topic.
type Interrupt = (u32, Arc<Shared>, Arc<TopicMetadata>);

/// A topic comes to be known at a call of the wall clock.
#[derive(Debug)]
struct Interrupting {
    env: Env,
    interrupt: Mutex<Option<Interrupt>>,
}

impl Clock for Interrupting {
    fn now(&self) -> Moment {
        self.env.now()
    }

    fn wall_ms(&self) -> i64 {
        let mut interrupt = self.interrupt.lock().unwrap();
        match &mut *interrupt {
            Some((more @ 1.., ..)) => *more -= 1,
            _ => {
                if let Some((_, shared, metadata)) = interrupt.take() {
                    shared.handle(Event::Loaded(metadata.name.clone(), Ok(metadata)));
                }
            }
        }
        self.env.wall_ms()
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let env = self.env.clone();
        Box::pin(async move { env.sleep_until(deadline).await })
    }
}

#[tokio::test(start_paused = true)]
async fn records_keep_their_order_while_their_topic_becomes_known() {
    for after in 0..4 {
        let mut fake = Fake::new(4).topic("t", 1);
        let clock = Arc::new(Interrupting { env: fake.env.clone(), interrupt: Mutex::default() });
        fake.env = fake.env.clone().with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let producer = fake.builder().build().await.unwrap();
        let topics = TopicsWanted::Names(vec![TopicName::new("t").unwrap()]);
        let metadata = fake.metadata(MetadataRequest { topics, allow_auto_create: false }).await.unwrap();
        let topic = Arc::clone(metadata.topics[0].as_ref().unwrap());
        *clock.interrupt.lock().unwrap() = Some((after, Arc::clone(&producer.handle.shared), topic));
        let deliveries = enqueue_now(&producer, 4);
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        assert_eq!(fake.log("t", 0), numbers(4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_partitions_is_one_that_is_not_there_yet() {
    let fake = Fake::new(5).topic("t", 0);
    let producer = fake.builder().delivery_timeout(Duration::from_secs(60)).build().await.unwrap();
    let early = producer.try_enqueue(record("a")).unwrap();
    let (early, sent) = tokio::join!(early, producer.send(record("b")));
    for error in [early.unwrap_err(), sent.unwrap_err()] {
        assert!(matches!(error, Error::Cluster { .. }), "{error}");
        assert!(error.to_string().contains("no partition of topic `t`"), "{error}");
    }
    let asked = fake.metadata_calls();
    assert!((10..200).contains(&asked), "asked {asked} times in a minute");
    let late = producer.try_enqueue(record("c")).unwrap();
    settle().await;
    let fake = fake.topic("t", 1);
    late.await.unwrap();
    assert_eq!(fake.log("t", 0), ["c"]);
    assert_eq!(producer.unacked_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn partitions_that_a_recreated_topic_has_not_are_given_up() {
    let fake = Fake::new(6).topic("t", 4);
    let producer = warm(fake.builder()).await;
    producer.send(record("before").partition(3)).await.unwrap();
    fake.recreate("t", 2);
    let many: Vec<_> = (0..3).map(|n| producer.try_enqueue(record(n).partition(3)).unwrap()).collect();
    for delivery in many {
        let error = delivery.await.unwrap_err();
        assert!(matches!(error, Error::UnknownPartition { partition: 3, partitions: 2, .. }), "{error}");
    }
    for n in 0..20 {
        let receipt = producer.send(record(n).key(n.to_string())).await.unwrap();
        assert!(receipt.partition < 2, "keys are spread over those that are there");
    }
    assert!(matches!(producer.send(record("x").partition(3)).await, Err(Error::UnknownPartition { .. })));
    // And once more, with all of them.
    fake.recreate("t", 4);
    fake.env.sleep(crate::MetadataCache::MAX_AGE + Duration::from_secs(1)).await;
    settle().await;
    producer.send(record("after").partition(3)).await.unwrap();
    assert_eq!(fake.log("t", 3), ["before", "after"]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_not_heard_of_for_a_while_is_waited_for() {
    let fake = Fake::new(7).topic("t", 4);
    let producer = warm(fake.builder()).await;
    // Neither its leader nor the broker that is asked knows of it, as after a restart. The topic is the same.
    drop(fake.clone().topic("t", 2));
    let delivery = producer.try_enqueue(record("a").partition(3)).unwrap();
    fake.env.sleep(Duration::from_secs(10)).await;
    assert!(fake.requests().len() > 3 && fake.metadata_calls() > 3);
    drop(fake.clone().topic("t", 4));
    delivery.await.unwrap();
    assert_eq!(fake.log("t", 3), ["a"]);
}
