//! The reader over a cluster that does as it is told.
#![allow(clippy::disallowed_methods, reason = "a test waits in a task of its own")]

mod fake;
mod held;
mod model;
mod places;
mod trouble;

use fake::{Fake, batch, of_producer, tp};
use ottla_broker_core::api::{AbortedTransaction, IsolationLevel};
use ottla_broker_core::record::ControlRecord;
use ottla_broker_core::{LeaderEpoch, ProducerEpoch, ProducerId};

use super::*;
use crate::codec::{Json, Part, Raw};

/// The offset that a message's value says, checked against its own.
fn offset_of(message: &Message) -> i64 {
    let value: i64 = std::str::from_utf8(message.value().unwrap()).unwrap().parse().unwrap();
    assert_eq!(message.offset(), Offset(value));
    assert_eq!(message.timestamp_ms(), value * 10);
    value
}

/// All that comes, by partition.
async fn rest(reader: &mut Reader, partitions: usize) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new(); partitions];
    while let Some(message) = reader.next().await.unwrap() {
        all[message.partition() as usize].push(offset_of(&message));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_record_comes_once_and_in_order() {
    let fake = Fake::new(&[&[3, 1, 7], &[], &[2, 100]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    let all = rest(&mut reader, 3).await;
    assert_eq!(all, [(0..11).collect(), vec![], (0..102).collect::<Vec<_>>()]);
    assert_eq!(reader.next().await.unwrap().map(|message| message.offset()), None);
    assert_eq!(reader.lag(&tp(2)), Some(0));
    // The same by whole batches.
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    let mut sizes = Vec::new();
    while let Some(messages) = reader.next_batch().await.unwrap() {
        assert_eq!(reader.position(messages.topic_partition()), Some(messages.end()));
        let mut size = 0;
        for message in messages {
            offset_of(&message.unwrap());
            size += 1;
        }
        sizes.push(size);
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 3, 7, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_loses_nothing() {
    let fake = Fake::new(&[&[2, 2, 2]]);
    fake.lock().batches = Some(1);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let mut seen = Vec::new();
    for round in 0..20 {
        // Each call is polled once and dropped, also while it waits for a fetch.
        if let Some(message) = reader.try_next().unwrap() {
            seen.push(offset_of(&message));
        }
        if round == 10 {
            assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
            fake.change(0, |partition| partition.batches.push(batch(6, 1)));
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_ahead_stays_within_its_bound() {
    let sizes: Vec<i64> = (0..400).map(|_| 20).collect();
    let fake = Fake::new(&[&sizes, &sizes, &sizes]);
    let one = batch(0, 20).size_in_bytes() + 200;
    let bound = 20 * one;
    let client = fake.client().await;
    let reader = client.reader().topic("t").to_end().max_buffered_bytes(bound).partition_bytes(bound / 4);
    let mut reader = reader.build().await.unwrap();
    let (mut messages, mut most) = (0, 0);
    while let Some(message) = reader.next().await.unwrap() {
        offset_of(&message);
        messages += 1;
        most = most.max(reader.buffered_bytes());
    }
    assert_eq!(messages, 3 * 400 * 20);
    assert!(most <= bound + one, "{most} bytes were buffered, with a bound of {bound}");
    assert!(most >= bound / 3, "{most} bytes of {bound}: nothing is fetched ahead");
}

#[tokio::test(start_paused = true)]
async fn a_follower_sees_new_records_and_new_partitions() {
    let fake = Fake::new(&[&[1]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").start(At::Latest).build().await.unwrap();
    let waits = tokio::spawn(async move {
        let first = reader.next().await.unwrap().unwrap();
        let second = reader.next().await.unwrap().unwrap();
        (offset_of(&first), second.partition(), offset_of(&second), reader)
    });
    tokio::task::yield_now().await;
    fake.change(0, |partition| partition.batches.push(batch(1, 1)));
    tokio::task::yield_now().await;
    fake.lock()
        .topics
        .get_mut("t")
        .unwrap()
        .1
        .push(fake::Partition { batches: vec![batch(0, 1)], ..Default::default() });
    let (first, partition, second, reader) = waits.await.unwrap();
    assert_eq!((first, partition, second), (1, 1, 0));
    assert_eq!(reader.positions().map(|(_, offset)| offset.0).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_and_close_end_a_waiting_call() {
    let fake = Fake::new(&[&[1]]);
    for by_client in [false, true] {
        let client = fake.client().await;
        let mut reader = client.reader().topic("t").start(At::Latest).build().await.unwrap();
        let handle = reader.handle();
        let waits = tokio::spawn(async move { (reader.next().await.unwrap().is_none(), reader) });
        tokio::task::yield_now().await;
        if by_client {
            client.close(std::time::Duration::from_secs(1)).await.unwrap();
        } else {
            handle.shutdown();
        }
        let (ended, mut reader) = waits.await.unwrap();
        assert!(ended && handle.is_shut_down());
        assert!(reader.next().await.unwrap().is_none() && reader.next_batch().await.unwrap().is_none());
        let again = client.reader().topic("t").build().await;
        assert_eq!(again.is_err(), by_client);
        if let Err(error) = again {
            assert!(error.is_fatal() && error.to_string().contains("client is closed"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn aborted_transactions_are_left_out_when_reading_committed() {
    let fake = Fake::new(&[&[]]);
    fake.change(0, |partition| {
        let abort = ControlRecord::Abort { coordinator_epoch: 0 };
        let marker = abort.to_batch(ProducerId(7), ProducerEpoch(0), 1).unwrap();
        partition.batches = vec![
            of_producer(0, 2, Some(7)),
            of_producer(2, 1, Some(8)),
            marker.stamped(Offset(3), LeaderEpoch(0)),
            batch(4, 1),
        ];
        partition.aborted = vec![AbortedTransaction { producer_id: ProducerId(7), first_offset: Offset(0) }];
    });
    let client = fake.client().await;
    for (isolation, expected) in
        [(IsolationLevel::ReadCommitted, vec![2, 4]), (IsolationLevel::ReadUncommitted, vec![0, 1, 2, 4])]
    {
        let mut reader = client.reader().topic("t").to_end().isolation(isolation).build().await.unwrap();
        assert_eq!(rest(&mut reader, 1).await, [expected]);
        assert_eq!(reader.position(&tp(0)), Some(Offset(5)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_decode_error_says_where_and_can_be_passed() {
    let fake = Fake::new(&[&[300]]);
    let client = fake.client().await;
    let reader = client.reader().partition("t", 0).start(At::Offset(Offset(255))).until(At::Offset(Offset(258)));
    let mut reader = reader.build().await.unwrap().typed(Raw, Json::<u8>::new());
    assert_eq!(reader.next().await.unwrap().unwrap().value(), Some(&255));
    let error = reader.next().await.unwrap_err();
    assert!(matches!(&error, Error::Decode { offset: Offset(256), part: Part::Value, .. }));
    assert!(error.to_string().contains("cannot decode the value of offset 256 of t-0: Json: "), "{error}");
    assert_eq!(reader.reader().position(&tp(0)), Some(Offset(257)));
    assert!(matches!(reader.next().await, Err(Error::Decode { offset: Offset(257), .. })));
    assert!(reader.next().await.unwrap().is_none());
}
