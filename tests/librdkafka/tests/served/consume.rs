//! Where librdkafka's consumers begin, and where they are sent to.

use std::time::Duration;

use ottla_librdkafka::{Served, Storage, theirs};
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::FutureRecord;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{on_every_storage, with_topic};

on_every_storage!(
    offsets_are_found_by_time_and_by_name,
    a_consumer_is_sent_elsewhere,
    an_offset_out_of_range_is_reset,
    a_consumer_at_the_end_is_told,
    a_long_poll_ends_with_the_first_record,
    many_partitions_are_read_at_once,
);

fn at(partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", partition, offset).unwrap();
    list
}

async fn send_at_times(served: &Served, times: impl IntoIterator<Item = i64>) {
    let producer = theirs::producer(&served.address(), &[]);
    for time in times {
        let value = time.to_string();
        let record = FutureRecord::<(), _>::to("t").partition(0).payload(&value).timestamp(time);
        producer.send(record, theirs::PATIENCE).await.unwrap();
    }
}

async fn offsets_are_found_by_time_and_by_name(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let consumer = theirs::consumer(&served.address(), "g", &[]);
        assert_eq!(consumer.fetch_watermarks("t", 0, theirs::PATIENCE).unwrap(), (0, 0));
        send_at_times(served, (0..20).map(|number| 1_000_000 + number * 1_000)).await;
        assert_eq!(consumer.fetch_watermarks("t", 0, theirs::PATIENCE).unwrap(), (0, 20));
        for (time, expected) in [
            (0, Offset::Offset(0)),
            (1_000_000, Offset::Offset(0)),
            (1_000_001, Offset::Offset(1)),
            (1_010_000, Offset::Offset(10)),
            (1_019_000, Offset::Offset(19)),
            (1_019_001, Offset::End),
        ] {
            let found = consumer.offsets_for_times(at(0, Offset::Offset(time)), theirs::PATIENCE).unwrap();
            assert_eq!(found.elements()[0].offset(), expected, "at {time}");
        }
    })
    .await;
}

async fn next(consumer: &StreamConsumer) -> (i64, i64) {
    let message = consumer.recv().await.unwrap();
    (message.offset(), theirs::number(&message))
}

async fn a_consumer_is_sent_elsewhere(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[("batch.num.messages", "7")]);
        theirs::send(&producer, "t", 0, 0..1_000).await;
        let consumer = theirs::consumer(&served.address(), "g", &[]);
        for (start, expected) in [
            (Offset::Beginning, 0),
            (Offset::Offset(503), 503),
            (Offset::OffsetTail(10), 990),
            (Offset::Offset(999), 999),
        ] {
            consumer.assign(&at(0, start)).unwrap();
            assert_eq!(next(&consumer).await, (expected, expected));
        }
        for expected in [17, 0, 998] {
            consumer.seek("t", 0, Offset::Offset(expected), theirs::PATIENCE).unwrap();
            assert_eq!(next(&consumer).await, (expected, expected));
            assert_eq!(next(&consumer).await, (expected + 1, expected + 1));
        }
        consumer.pause(&at(0, Offset::Invalid)).unwrap();
        consumer.resume(&at(0, Offset::Invalid)).unwrap();
        consumer.assign(&at(0, Offset::End)).unwrap();
        // From the end there is nothing until something comes.
        let waiting = tokio::time::timeout(Duration::from_millis(300), consumer.recv()).await;
        assert!(waiting.is_err());
        theirs::send(&producer, "t", 0, 1_000..1_001).await;
        assert_eq!(next(&consumer).await, (1_000, 1_000));
    })
    .await;
}

async fn an_offset_out_of_range_is_reset(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[]);
        theirs::send(&producer, "t", 0, 0..10).await;
        let consumer = theirs::consumer(&served.address(), "g", &[]);
        consumer.assign(&at(0, Offset::Offset(5_000))).unwrap();
        assert_eq!(next(&consumer).await, (0, 0));
        let strict = theirs::consumer(&served.address(), "g", &[("auto.offset.reset", "error")]);
        strict.assign(&at(0, Offset::Offset(5_000))).unwrap();
        let refused = strict.recv().await.map(|message| message.offset()).unwrap_err();
        assert!(
            matches!(
                refused,
                KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
            ),
            "{refused}"
        );
    })
    .await;
}

async fn a_consumer_at_the_end_is_told(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[]);
        let consumer = theirs::consumer(&served.address(), "g", &[("enable.partition.eof", "true")]);
        consumer.assign(&at(0, Offset::Beginning)).unwrap();
        for round in 0..3 {
            let ended = consumer.recv().await.map(|message| message.offset()).unwrap_err();
            assert!(matches!(ended, KafkaError::PartitionEOF(0)), "{ended}");
            theirs::send(&producer, "t", 0, round..round + 1).await;
            assert_eq!(next(&consumer).await, (round, round));
        }
    })
    .await;
}

async fn a_long_poll_ends_with_the_first_record(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[]);
        let consumer = theirs::consumer(&served.address(), "g", &[("fetch.wait.max.ms", "60000")]);
        consumer.assign(&at(0, Offset::Beginning)).unwrap();
        // Polls that lasted as long as they may would together be later than the test.
        for round in 0..5 {
            theirs::send(&producer, "t", 0, round..round + 1).await;
            assert_eq!(next(&consumer).await, (round, round));
        }
    })
    .await;
}

async fn many_partitions_are_read_at_once(storage: Storage) {
    with_topic(storage, 40, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[]);
        futures::future::join_all((0..40).map(|partition| theirs::send(&producer, "t", partition, 0..25))).await;
        let consumer: BaseConsumer = theirs::config(
            &served.address(),
            [("group.id", "g"), ("fetch.max.bytes", "20000"), ("message.max.bytes", "10000")],
        )
        .create()
        .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..40 {
            all.add_partition_offset("t", partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let mut ends = [0; 40];
        for _ in 0..40 * 25 {
            let message = consumer.poll(theirs::PATIENCE).unwrap().unwrap();
            let end = &mut ends[message.partition() as usize];
            assert_eq!(theirs::number(&message), *end);
            *end += 1;
        }
    })
    .await;
}
