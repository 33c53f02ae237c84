//! What librdkafka sends is there once, in order, as it was sent.

use std::time::Duration;

use ottla_librdkafka::{Served, Storage, ours, theirs};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::{on_every_storage, with_topic};

on_every_storage!(
    every_codec_is_read_back_by_librdkafka_and_by_us,
    an_idempotent_producer_keeps_the_order_with_five_in_flight,
    large_messages_pass_and_larger_ones_are_refused,
    each_kind_of_acks_is_served,
    what_is_unknown_is_told,
);

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

async fn every_codec_is_read_back_by_librdkafka_and_by_us(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let bootstrap = served.address();
        for (round, codec) in (0..).zip(CODECS) {
            let producer = theirs::producer(&bootstrap, &[("compression.type", codec), ("linger.ms", "20")]);
            let values: Vec<_> =
                (0..100).map(|number| format!("{codec} {number} {}", "well compressed ".repeat(20))).collect();
            let sends = (0..).zip(&values).map(|(number, value)| {
                let headers =
                    OwnedHeaders::new()
                        .insert(Header { key: "codec", value: Some(codec) })
                        .insert(Header::<&str> { key: "nothing", value: None });
                let record = FutureRecord::to("t").partition(0).key(codec).payload(value);
                producer.send(record.timestamp(1_000 + number).headers(headers), theirs::PATIENCE)
            });
            for (number, delivery) in (0..).zip(futures::future::join_all(sends).await) {
                assert_eq!(delivery.unwrap().offset, round * 100 + number);
            }
        }
        let null = theirs::producer(&bootstrap, &[]);
        null.send(FutureRecord::<str, str>::to("t").partition(0).key("gone"), theirs::PATIENCE).await.unwrap();
        let client = ours::client(&bootstrap).await;
        let our = ours::messages(&client, "t", 0).await;
        assert_eq!(our.len(), 501);
        let consumer = theirs::consumer(&bootstrap, "g", &[("check.crcs", "true")]);
        consumer.subscribe(&["t"]).unwrap();
        for (number, our) in (0..).zip(&our) {
            let their = consumer.recv().await.unwrap();
            assert_eq!((their.offset(), our.offset().0), (number, number));
            assert_eq!(their.key(), our.key().map(|key| &key[..]));
            assert_eq!(their.payload(), our.value().map(|value| &value[..]));
            assert_eq!(their.timestamp().to_millis(), Some(our.timestamp_ms()));
            if let Some(headers) = their.headers() {
                assert_eq!(headers.get(0).value, their.key());
                assert_eq!((headers.get(1).key, headers.get(1).value), ("nothing", None));
                assert_eq!(our.headers().iter().count(), 2);
            }
        }
        assert_eq!(our[500].value(), None);
    })
    .await;
}

async fn an_idempotent_producer_keeps_the_order_with_five_in_flight(storage: Storage) {
    with_topic(storage, 3, async |served: &Served| {
        let settings = [
            ("enable.idempotence", "true"),
            ("batch.num.messages", "50"),
            ("max.in.flight.requests.per.connection", "5"),
        ];
        let producer = theirs::producer(&served.address(), &settings);
        let sent = futures::future::join_all((0..3).map(|partition| theirs::send(&producer, "t", partition, 0..5_000)));
        for offsets in sent.await {
            assert_eq!(offsets, (0..5_000).collect::<Vec<_>>());
        }
        let client = ours::client(&served.address()).await;
        for partition in 0..3 {
            assert_eq!(ours::numbers(&client, "t", partition).await, (0..5_000).collect::<Vec<_>>());
        }
    })
    .await;
}

/// The code that a send failed with.
async fn refusal(producer: &FutureProducer, topic: &str, partition: i32, bytes: usize) -> Option<RDKafkaErrorCode> {
    let payload = vec![7; bytes];
    let record = FutureRecord::<(), _>::to(topic).partition(partition).payload(&payload);
    match producer.send(record, theirs::PATIENCE).await {
        Ok(_) => None,
        Err((KafkaError::MessageProduction(code), _)) => Some(code),
        Err((other, _)) => panic!("{other}"),
    }
}

async fn large_messages_pass_and_larger_ones_are_refused(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let bootstrap = served.address();
        let producer = theirs::producer(&bootstrap, &[("message.max.bytes", "8000000")]);
        assert_eq!(refusal(&producer, "t", 0, 1_000_000).await, None);
        // Beyond the topic's limit, and not beyond the client's own.
        assert_eq!(refusal(&producer, "t", 0, 2_000_000).await, Some(RDKafkaErrorCode::MessageSizeTooLarge));
        let options = theirs::patient();
        let large = rdkafka::admin::NewTopic::new("large", 1, rdkafka::admin::TopicReplication::Fixed(1));
        let large = large.set("max.message.bytes", "6000000");
        theirs::admin(&bootstrap).create_topics([&large], &options).await.unwrap();
        assert_eq!(refusal(&producer, "large", 0, 5_000_000).await, None);
        assert_eq!(refusal(&producer, "large", 0, 10).await, None);
        // A consumer whose limits are lower gets it all the same.
        let settings =
            [("fetch.message.max.bytes", "1000"), ("fetch.max.bytes", "60000"), ("message.max.bytes", "1000")];
        let consumer = theirs::consumer(&bootstrap, "g", &settings);
        consumer.subscribe(&["large"]).unwrap();
        assert_eq!(consumer.recv().await.unwrap().payload_len(), 5_000_000);
        assert_eq!(consumer.recv().await.unwrap().payload_len(), 10);
    })
    .await;
}

async fn each_kind_of_acks_is_served(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        for (round, acks) in (0..).zip(["0", "1", "all"]) {
            let producer = theirs::producer(&served.address(), &[("acks", acks)]);
            theirs::send(&producer, "t", 0, round * 100..(round + 1) * 100).await;
            producer.flush(theirs::PATIENCE).unwrap();
            let client = ours::client(&served.address()).await;
            // What nobody acknowledges arrives a little later.
            let reader = client.reader().partition("t", 0).start(ottla::At::Earliest).follow();
            let mut reader = reader.build().await.unwrap();
            for expected in 0..(round + 1) * 100 {
                let message = reader.next().await.unwrap().unwrap();
                assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
            }
        }
    })
    .await;
}

async fn what_is_unknown_is_told(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let settings = [("topic.metadata.propagation.max.ms", "100"), ("message.timeout.ms", "20000")];
        let producer = theirs::producer(&served.address(), &settings);
        assert_eq!(refusal(&producer, "nowhere", 0, 1).await, Some(RDKafkaErrorCode::UnknownTopicOrPartition));
        assert_eq!(refusal(&producer, "t", 7, 1).await, Some(RDKafkaErrorCode::UnknownPartition));
        let metadata = producer.client().fetch_metadata(Some("nowhere"), Duration::from_secs(20)).unwrap();
        assert!(metadata.topics()[0].error().is_some());
    })
    .await;
}
