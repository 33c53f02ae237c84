//! What callers see: receipts, batching, errors that name the thing and the remedy.

use ottla_broker_core::api::Acks;
use ottla_broker_core::log::Durability;

use super::*;
use crate::{Explicit, RoundRobin, Sticky};

#[tokio::test(start_paused = true)]
async fn a_receipt_says_where_and_how_durable() {
    let fake = Fake::new(1).topic("t", 3);
    let producer = fake.builder().build().await.unwrap();
    let receipt = producer.send(record("a").partition(2).timestamp_ms(77)).await.unwrap();
    assert_eq!((receipt.topic.as_str(), receipt.partition, receipt.timestamp_ms), ("t", 2, 77));
    assert_eq!(receipt.offset.map(|offset| offset.0), Some(0));
    assert_eq!((receipt.durability, receipt.replicas), (Durability::Memory, 1));
    let many: Vec<_> = enqueue_now(&producer, 3);
    for delivery in many {
        assert!(delivery.await.unwrap().timestamp_ms > 1_600_000_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_record_goes_at_once_and_records_gather_behind_it() {
    let fake = Fake::new(2).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.script([Act::Hold(Box::new(Act::Apply))]);
    let mut first = Box::pin(producer.send(record("first")));
    assert!(futures::FutureExt::now_or_never(first.as_mut()).is_none());
    assert_eq!(fake.requests().len(), 1, "from the caller's own task");
    let deliveries = enqueue_now(&producer, 100);
    settle().await;
    assert_eq!(fake.requests().len(), 1);
    fake.release_all();
    first.await.unwrap();
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    let sizes: Vec<_> = fake.requests().iter().map(|request| request[0].2).collect();
    assert_eq!(sizes, [1, 100]);
}

#[tokio::test(start_paused = true)]
async fn linger_gathers_until_its_time_or_a_full_batch() {
    let fake = Fake::new(3).topic("t", 1);
    let producer = warm(fake.builder().linger(Duration::from_millis(10)).batch_bytes(1_024)).await;
    let start = fake.env.now();
    let first = producer.enqueue(record("a")).await.unwrap();
    fake.env.sleep(Duration::from_millis(5)).await;
    producer.send(record("b")).await.unwrap();
    first.await.unwrap();
    assert_eq!((fake.requests().len(), fake.env.now().since(start).as_millis() / 5), (1, 2));
    let full: Vec<_> = (0..4).map(|_| producer.try_enqueue(record("x".repeat(400))).unwrap()).collect();
    settle().await;
    assert_eq!(fake.requests().len(), 2, "the full batch does not linger");
    let before = fake.env.now();
    producer.flush().await.unwrap();
    assert_eq!(fake.env.now(), before, "nor does flush");
    drop(full);
}

#[tokio::test(start_paused = true)]
async fn records_for_a_topic_not_yet_known_keep_their_order() {
    let fake = Fake::new(4).topic("t", 1);
    let producer = fake.builder().build().await.unwrap();
    let deliveries = enqueue_now(&producer, 10);
    assert!(fake.requests().is_empty());
    for (n, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.await.unwrap().offset.map(|offset| offset.0), Some(n as i64));
    }
    assert_eq!(fake.log("t", 0), numbers(10));
    let lost = producer.try_enqueue(Record::to("nowhere").value("x")).unwrap();
    assert!(matches!(lost.await, Err(Error::UnknownTopic { .. })));
    producer.flush().await.unwrap();
    assert_eq!(producer.unacked_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn errors_name_the_thing_and_the_remedy() {
    let fake = Fake::new(5).topic("t", 3);
    let producer = warm(fake.builder().batch_bytes(2_048)).await;
    let text = |error: Error| error.to_string();
    let unknown = text(producer.send(Record::to("nowhere").value("x")).await.unwrap_err());
    assert!(unknown.contains("`nowhere`") && unknown.contains("ensure_topic"), "{unknown}");
    let partition = text(producer.send(record("x").partition(3)).await.unwrap_err());
    assert!(partition.contains("`t` has no partition 3: it has 3"), "{partition}");
    let large = text(producer.send(record("x".repeat(4_000))).await.unwrap_err());
    assert!(large.contains("4040 bytes") && large.contains("1987") && large.contains("batch_bytes"), "{large}");
    let name = text(producer.send(Record::to("no topic").value("x")).await.unwrap_err());
    assert!(name.contains("no topic"), "{name}");
    assert_eq!(producer.unacked_bytes(), 0);
    let acks = text(fake.builder().acks(Acks::Leader).build().await.unwrap_err());
    assert!(acks.contains("idempotent(false)"), "{acks}");
    #[cfg(not(feature = "zstd"))]
    {
        let zstd = fake.builder().compression(ottla_broker_core::record::Compression::Zstd);
        let off = text(zstd.build().await.unwrap_err());
        assert!(off.contains("feature `zstd`"), "{off}");
    }
    let explicit = warm(fake.builder().partitioner(Explicit)).await;
    let none = text(explicit.send(record("x")).await.unwrap_err());
    assert!(none.contains("Record::partition"), "{none}");
}

#[tokio::test(start_paused = true)]
async fn partitioners_spread_and_new_partitions_are_found() {
    let fake = Fake::new(6).topic("t", 2);
    let producer = warm(fake.builder().partitioner(RoundRobin)).await;
    for n in 0..4 {
        assert_eq!(producer.send(record(n)).await.unwrap().partition, n % 2);
    }
    let fake = fake.topic("t", 3);
    fake.env.sleep(crate::MetadataCache::MAX_AGE + Duration::from_secs(1)).await;
    settle().await;
    assert_eq!(producer.send(record("new").partition(2)).await.unwrap().partition, 2);
    let sticky = warm(fake.builder().partitioner(Sticky)).await;
    let batch = enqueue_now(&sticky, 10);
    let mut seen = Vec::new();
    for delivery in batch {
        seen.push(delivery.await.unwrap().partition);
    }
    assert!(seen.iter().all(|partition| *partition == seen[0]), "{seen:?}");
    assert_ne!(sticky.send(record("next")).await.unwrap().partition, seen[0]);
}

#[tokio::test(start_paused = true)]
async fn settings_come_from_a_table() {
    let fake = Fake::new(7).topic("t", 1);
    let table = "acks = \"leader\"\nidempotent = false\nlinger_ms = 3\npartitioner = \"round_robin\"";
    let builder = fake.builder().settings(&toml::from_str(table).unwrap()).unwrap();
    builder.build().await.unwrap().send(record("a")).await.unwrap();
    let bad: Settings = toml::from_str("partitioner = \"murmur3\"").unwrap();
    let error = fake.builder().settings(&bad).unwrap_err().to_string();
    assert!(error.contains("`murmur3`") && error.contains("murmur2"), "{error}");
    assert!(toml::from_str::<Settings>("lingr_ms = 3").unwrap_err().to_string().contains("linger_ms"));
    for &name in Settings::NAMES {
        let error = toml::from_str::<Settings>(&format!("{name} = []")).unwrap_err().to_string();
        assert!(!error.contains("unknown field"), "{error}");
    }
}

#[test]
fn a_producer_is_send_sync_and_cheap_to_share() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<Producer>();
    fn sendable<T: Send + 'static>() {}
    sendable::<Delivery>();
    sendable::<Permit>();
    sendable::<RecordSink>();
}
