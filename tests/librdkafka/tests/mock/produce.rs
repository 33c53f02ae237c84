//! What is sent is there once, in order, and others can read it.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::{Acks, At, Compression, Producer, Record};
use ottla_librdkafka::{ours, theirs};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::message::Headers;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_codec_is_read_back_by_us_and_by_librdkafka() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
        for (round, codec) in (0..).zip(codecs) {
            let producer = client.producer().compression(codec).build().await.unwrap();
            let mut deliveries = Vec::new();
            for number in 0..100 {
                let record = Record::to("t")
                    .partition(0)
                    .key(format!("key-{number}"))
                    .value(format!("{round} {number} {}", "well compressed ".repeat(20)))
                    .header("codec", round.to_string())
                    .timestamp_ms(1_000 + number);
                deliveries.push(producer.enqueue(record).await.unwrap());
            }
            for (number, delivery) in (0..).zip(deliveries) {
                let told = delivery.await.unwrap();
                assert_eq!((told.partition, told.offset.map(|offset| offset.0)), (0, Some(round * 100 + number)));
            }
        }
        let ours: Vec<_> = ours::messages(&client, "t", 0).await;
        assert_eq!(ours.len(), 500);
        let theirs = theirs::consumer(&mock.bootstrap_servers(), "g", &[]);
        theirs.subscribe(&["t"]).unwrap();
        for our in ours {
            let their = theirs.recv().await.unwrap();
            assert_eq!(their.offset(), our.offset().0);
            assert_eq!(their.key(), our.key().map(|key| &key[..]));
            assert_eq!(their.payload(), our.value().map(|value| &value[..]));
            assert_eq!(their.timestamp().to_millis(), Some(our.timestamp_ms()));
            let header = their.headers().unwrap().get(0);
            assert_eq!(
                (header.key, header.value),
                ("codec", Some(&(our.offset().0 / 100).to_string().into_bytes()[..]))
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_librdkafka_wrote_is_read_and_keys_go_to_the_same_partitions() {
    in_time(async {
        let mock = mock(7);
        let bootstrap = mock.bootstrap_servers();
        let client = client(&mock).await;
        let ours = client.producer().build().await.unwrap();
        let theirs = theirs::producer(&bootstrap, &[("partitioner", "murmur2"), ("compression.type", "zstd")]);
        for key in (0..50).map(|number| format!("user-{number}")) {
            let our = ours.send(Record::to("t").key(key.clone()).value("ours")).await.unwrap();
            let record = rdkafka::producer::FutureRecord::to("t").key(&key).payload("theirs");
            let their = theirs.send(record, theirs::PATIENCE).await.unwrap();
            assert_eq!(our.partition, their.partition, "{key}");
        }
        let mut seen = 0;
        for partition in 0..7 {
            for pair in ours::messages(&client, "t", partition).await.chunks(2) {
                let values = [pair[0].value().unwrap(), pair[1].value().unwrap()];
                assert_eq!((pair[0].key(), values), (pair[1].key(), [&"ours".into(), &"theirs".into()]));
                seen += 1;
            }
        }
        assert_eq!(seen, 50);
    })
    .await;
}

/// Sends numbers while `meddle` is called again and again, each time when the send before it was acknowledged.
async fn send_while(producer: &Producer, count: i64, mut meddle: impl AsyncFnMut(i64)) {
    let mut deliveries = Vec::new();
    for value in 0..count {
        let record = Record::to("t").partition(0).value(value.to_string());
        deliveries.push(producer.enqueue(record).await.unwrap());
        if value % 500 == 499 {
            meddle(value).await;
            for delivery in deliveries.drain(..) {
                delivery.await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_with_five_in_flight_while_leaders_move() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().batch_bytes(1_024).max_in_flight(5).build().await.unwrap();
        let mut leader = 1;
        mock.partition_leader("t", 0, Some(leader)).unwrap();
        send_while(&producer, 5_000, async |_| {
            leader = leader % 3 + 1;
            mock.partition_leader("t", 0, Some(leader)).unwrap();
        })
        .await;
        assert_eq!(ours::numbers(&client, "t", 0).await, (0..5_000).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_brokers_are_waited_for_with_requests_in_flight() {
    in_time(async {
        let mock = mock(3);
        for broker in 1..=3 {
            mock.broker_round_trip_time(broker, Duration::from_millis(150)).unwrap();
            mock.partition_leader("t", broker - 1, Some(broker)).unwrap();
        }
        let client = client(&mock).await;
        let producer = client.producer().batch_bytes(10_000).build().await.unwrap();
        let mut deliveries = Vec::new();
        for value in 0..3_000 {
            let record = Record::to("t").partition(value % 3).value(value.to_string());
            deliveries.push(producer.enqueue(record).await.unwrap());
        }
        let mut ends = BTreeMap::new();
        for delivery in deliveries {
            let told = delivery.await.unwrap();
            let offset = told.offset.unwrap().0;
            assert_eq!(ends.insert(told.partition, offset).map_or(0, |last| last + 1), offset);
        }
        assert_eq!(ends, BTreeMap::from([(0, 999), (1, 999), (2, 999)]));
        let mut reader = client.reader().topic("t").start(At::Earliest).to_end().build().await.unwrap();
        let mut count = 0;
        while reader.next().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 3_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_acks_nothing_is_waited_for() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().acks(Acks::None).idempotent(false).build().await.unwrap();
        ours::send(&producer, "t", 0, 0..100).await;
        let follow = client.reader().partition("t", 0).start(At::Earliest).follow();
        let mut reader = follow.build().await.unwrap();
        for expected in 0..100 {
            let message = reader.next().await.unwrap().unwrap();
            assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
        }
    })
    .await;
}
