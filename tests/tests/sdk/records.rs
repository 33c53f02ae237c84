//! Records there and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::StreamExt;
use ottla::{At, Compression, Json, NewTopic, Offset, OutOfRange, Record, Utf8, reader};

use super::*;

pub(super) async fn what_was_sent_is_read(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    let sent = [
        Record::to("t")
            .key("k")
            .value("v")
            .header("a", "1")
            .null_header("b")
            .header("a", "2")
            .timestamp_ms(1_000_000_000_000),
        Record::tombstone("t", "k"),
        Record::to("t").value(Bytes::new()),
        Record::to("t").key(Bytes::new()),
    ];
    for (offset, record) in (0..).zip(sent.clone()) {
        let meta = producer.send(record).await.unwrap();
        assert_eq!((meta.partition, meta.offset), (0, Some(Offset(offset))));
    }
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    for (offset, record) in (0..).zip(sent) {
        let message = reader.next().await.unwrap().unwrap();
        assert_eq!(message.offset(), Offset(offset));
        assert_eq!(message.key(), record.key_bytes());
        assert_eq!(message.value(), record.value_bytes());
        let headers: Vec<_> = message.headers().refs().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
        let expected: Vec<_> =
            record.headers().iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_ref().map(|v| v.to_vec()))).collect();
        assert_eq!(headers, expected);
        if offset == 0 {
            assert_eq!(message.timestamp_ms(), 1_000_000_000_000);
        }
    }
    assert!(reader.next().await.unwrap().is_none());
}

pub(super) async fn keys_keep_their_order(place: &impl Place) {
    let client = client_with(place, "t", 5).await;
    let producer = client.producer().build().await.unwrap();
    for n in 0..2_000_i64 {
        // The deliveries are dropped: `flush` tells of failures.
        drop(producer.enqueue(Record::to("t").key(format!("key-{}", n % 37)).value(n.to_string())).await.unwrap());
    }
    producer.flush().await.unwrap();
    let mut by_key: BTreeMap<Bytes, (i32, Vec<i64>)> = BTreeMap::new();
    // As a stream, for once.
    let mut messages = client.reader().topic("t").to_end().build().await.unwrap();
    while let Some(message) = messages.next().await.unwrap() {
        let (partition, values) =
            by_key.entry(message.key().unwrap().clone()).or_insert((message.partition(), Vec::new()));
        assert_eq!(*partition, message.partition(), "a key has one partition");
        values.push(number(&message));
    }
    assert_eq!(by_key.values().map(|(_, values)| values.len()).sum::<usize>(), 2_000);
    for (_, values) in by_key.values() {
        assert!(values.is_sorted() && values.windows(2).all(|pair| pair[1] == pair[0] + 37));
    }
    let count = StreamExt::count(client.reader().topic("t").to_end().build().await.unwrap()).await;
    assert_eq!(count, 2_000);
}

pub(super) async fn replay_by_offset_time_and_tail(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    let begin = 1_700_000_000_000;
    for n in 0..100_i64 {
        let record = Record::to("t").partition(1).value(n.to_string()).timestamp_ms(begin + n * 1_000);
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    for (start, first) in [
        (At::Earliest, 0),
        (At::Offset(Offset(42)), 42),
        (At::Time(begin + 41_001), 42),
        (At::Time(begin + 42_000), 42),
        (At::Time(0), 0),
        (At::Time(begin + 99_001), 100),
        (At::Tail(7), 93),
        (At::Latest, 100),
    ] {
        assert_eq!(values(&client, "t", 1, start).await, (first..100).collect::<Vec<_>>(), "{start:?}");
    }
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    while reader.next().await.unwrap().is_some() {}
    reader.seek_all(At::Tail(1)).unwrap();
    assert_eq!(number(&reader.next().await.unwrap().unwrap()), 99);
}

pub(super) async fn a_follower_is_woken(place: &impl Place) {
    let client = client_with(place, "t", 3).await;
    let producer = client.producer().build().await.unwrap();
    // An hour: only a new record can end the wait.
    let builder = client.reader().topic("t").start(At::Latest).max_wait(Duration::from_secs(3_600));
    let mut reader = builder.build().await.unwrap();
    let reads = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 30 {
            seen.push(number(&reader.next().await.unwrap().unwrap()));
        }
        seen
    });
    for n in 0..30 {
        producer.send(Record::to("t").partition(n % 3).value(n.to_string())).await.unwrap();
    }
    let mut seen = reads.await.unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
}

pub(super) async fn whole_batches_hold_everything(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..5_000).await;
    let start = At::Offset(Offset(1_234));
    let mut reader = client.reader().topic("t").start(start).until(At::Offset(Offset(4_321))).build().await.unwrap();
    let mut expected = 1_234;
    while let Some(batch) = reader.next_batch().await.unwrap() {
        for message in batch {
            assert_eq!(number(&message.unwrap()), expected);
            expected += 1;
        }
    }
    assert_eq!(expected, 4_321);
}

pub(super) async fn every_codec_comes_back(place: &impl Place) {
    let client = client_with(place, "t", 5).await;
    for (partition, codec) in
        (0..).zip([Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd])
    {
        let producer = client.producer().compression(codec).build().await.unwrap();
        produce(&producer, "t", partition, 0..500).await;
        assert_eq!(values(&client, "t", partition, At::Offset(Offset(123))).await, (123..500).collect::<Vec<_>>());
    }
}

pub(super) async fn typed_records_come_back(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    let typed = producer.typed(Utf8, Json::<BTreeMap<String, i64>>::new());
    let value = BTreeMap::from([("n".to_owned(), 7)]);
    typed.send("t", "k", &value).await.unwrap();
    typed.send_tombstone("t", "k").await.unwrap();
    producer.send(Record::to("t").key("k").value("no json")).await.unwrap();
    typed.send("t", "last", &value).await.unwrap();
    let reader = client.reader().topic("t").to_end().build().await.unwrap();
    let mut reader = reader.typed(Utf8, Json::<BTreeMap<String, i64>>::new());
    let first = reader.next().await.unwrap().unwrap();
    assert_eq!((first.key().map(String::as_str), first.value()), (Some("k"), Some(&value)));
    assert_eq!(reader.next().await.unwrap().unwrap().value(), None);
    let error = reader.next().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot decode the value of offset 2 of t-0: Json: "), "{error}");
    assert_eq!(reader.next().await.unwrap().unwrap().key().map(String::as_str), Some("last"));
    assert!(reader.next().await.unwrap().is_none());
}

pub(super) async fn deleted_records_are_out_of_range(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().batch_bytes(1_024).build().await.unwrap();
    produce(&producer, "t", 0, 0..500).await;
    let mut reader = client.reader().topic("t").start(At::Offset(Offset(0))).build().await.unwrap();
    let low = client.admin().delete_records("t", 0, Offset(250)).await.unwrap();
    assert_eq!(low, Offset(250));
    let error = reader.next().await.unwrap_err();
    assert!(matches!(error, reader::Error::OutOfRange { offset: Offset(0), .. }), "{error}");
    reader.seek_all(At::Earliest).unwrap();
    assert_eq!(number(&reader.next().await.unwrap().unwrap()), 250);
    let builder = client.reader().topic("t").start(At::Offset(Offset(10))).if_out_of_range(OutOfRange::Earliest);
    assert_eq!(number(&builder.build().await.unwrap().next().await.unwrap().unwrap()), 250);
}

pub(super) async fn many_partitions_with_one_reader(place: &impl Place) {
    let client = place.connect().await;
    client.admin().create_topic(NewTopic::new("t").partitions(500)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for n in 0..1_000_i64 {
        drop(producer.enqueue(Record::to("t").partition((n % 500) as i32).value(n.to_string())).await.unwrap());
    }
    producer.flush().await.unwrap();
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    let mut seen = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        seen.push(number(&message));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
}
