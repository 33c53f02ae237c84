//! What brokers tell of topics: leaders that move, and records that wait for a topic to be known.

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
