//! What brokers tell of topics: leaders that move, and records that wait for a topic to be known.

use futures::FutureExt;
use ottla_broker_core::api::ErrorCode;

use super::*;

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
