//! Answers that are no records.

use std::time::Duration;

use ottla_broker_core::api::{AbortedTransaction, ErrorCode, IsolationLevel};
use ottla_broker_core::env::Env;
use ottla_broker_core::record::ControlRecord;
use ottla_broker_core::{LeaderEpoch, ProducerEpoch, ProducerId, TopicId};

use super::fake::{Fake, damaged, damaged_at, name, of_producer, tp};
use super::*;

#[tokio::test(start_paused = true)]
async fn damaged_bytes_are_never_served() {
    let fake = Fake::new(&[&[2, 2, 2]]);
    let good = batch(2, 2);
    fake.change(0, |partition| partition.batches[1] = damaged(&good));
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 0);
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 1);
    // The position stays before it, however often it is tried.
    for _ in 0..2 {
        let error = reader.next().await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt { offset: Offset(2), next: Offset(4), .. }), "{error}");
        assert!(error.is_retriable() && error.kafka_code() == Some(ErrorCode::CorruptMessage));
        assert_eq!(reader.position(&tp(0)), Some(Offset(2)));
    }
    fake.change(0, |partition| partition.batches[1] = good);
    assert_eq!(rest(&mut reader, 1).await, [[2, 3, 4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn damaged_bytes_never_hide_a_batch() {
    let marker = |at, record: ControlRecord| {
        record.to_batch(ProducerId(6), ProducerEpoch(0), 1).unwrap().stamped(Offset(at), LeaderEpoch(0))
    };
    let abort = || marker(2, ControlRecord::Abort { coordinator_epoch: 0 });
    // Producer 6 aborts what it wrote at 0, and commits what it wrote at 4; 7 commits.
    let good = || {
        let kept = |base, producer| of_producer(base, 1, Some(producer));
        vec![of_producer(0, 2, Some(6)), abort(), kept(3, 7), kept(4, 6)]
    };
    let low_attributes = 22;
    let low_producer_id = 50;
    for (what, nth, at, bits) in [
        ("a control batch", 2, low_attributes, 0x20),
        ("of a producer that aborted", 2, low_producer_id, 1),
        ("the end of no abort", 1, low_producer_id, 1),
        ("the end of a commit, not of an abort", 1, abort().size_in_bytes() - 9, 1),
    ] {
        let fake = Fake::new(&[&[]]);
        let batches = good();
        fake.change(0, |partition| {
            partition.batches = good();
            partition.batches[nth] = damaged_at(&batches[nth], at, bits);
            partition.aborted = vec![AbortedTransaction { producer_id: ProducerId(6), first_offset: Offset(0) }];
        });
        let client = fake.client().await;
        let built = client.reader().topic("t").to_end().isolation(IsolationLevel::ReadCommitted).build().await;
        let mut reader = built.unwrap();
        let error = reader.next().await.unwrap_err();
        let damaged = batches[nth].base_offset();
        assert!(matches!(&error, Error::Corrupt { offset, .. } if *offset == damaged), "{what}: {error}");
        assert_eq!(reader.position(&tp(0)), Some(damaged), "{what}");
        fake.change(0, |partition| {
            partition.batches[nth] = batches[nth].clone();
            // A broker names those only that end at or after the offset asked for.
            partition.aborted.retain(|_| damaged <= Offset(2));
        });
        assert_eq!(rest(&mut reader, 1).await, [[3, 4]], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn retriable_answers_are_waited_out() {
    let fake = Fake::new(&[&[2, 2]]);
    fake.lock().refusals =
        [ErrorCode::NotLeaderOrFollower, ErrorCode::KafkaStorageError, ErrorCode::NetworkException].into();
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    assert_eq!(rest(&mut reader, 1).await, [[0, 1, 2, 3]]);
    assert!(fake.lock().fetches >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_stays_down_is_reported_and_can_come_back() {
    let fake = Fake::new(&[&[2]]);
    fake.lock().down = Some(ErrorCode::KafkaStorageError);
    let client = fake.client().await;
    let reader = client.reader().topic("t").to_end().retry_timeout(Duration::from_secs(5));
    let mut reader = reader.build().await.unwrap();
    let error = reader.next().await.unwrap_err();
    assert!(error.is_retriable() && !error.is_fatal());
    assert!(error.to_string().starts_with("cannot read t-0 from offset 0: "), "{error}");
    // Backing off, it did not ask in a loop.
    let fetches = fake.lock().fetches;
    assert!((5..30).contains(&fetches), "{fetches} fetches in 5 s");
    fake.lock().down = None;
    assert_eq!(rest(&mut reader, 1).await, [[0, 1]]);
}

#[tokio::test(start_paused = true)]
async fn fatal_answers_come_at_once_and_after_what_was_read() {
    let fake = Fake::new(&[&[2]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 0);
    fake.lock().down = Some(ErrorCode::TopicAuthorizationFailed);
    fake.changed.notify_waiters();
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 1);
    let error = reader.next().await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::TopicAuthorizationFailed));
    assert!(!error.is_retriable());
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_left_the_log_goes_by_the_policy() {
    let fake = Fake::new(&[&[2, 2, 2]]);
    let client = fake.client().await;
    let build = async |policy| {
        let reader = client.reader().topic("t").if_out_of_range(policy).build().await.unwrap();
        fake.change(0, |partition| {
            partition.start = Offset(4);
            partition.batches.retain(|batch| batch.base_offset() >= Offset(4));
        });
        reader
    };
    let mut reader = build(OutOfRange::Fail).await;
    for _ in 0..2 {
        let error = reader.next().await.unwrap_err();
        assert!(matches!(&error, Error::OutOfRange { offset: Offset(0), .. }));
        assert!(error.to_string().contains("if_out_of_range(OutOfRange::Earliest)"), "{error}");
        assert!(!error.is_fatal());
    }
    reader.seek_all(At::Earliest).unwrap();
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 4);

    fake.change(0, |partition| {
        partition.start = Offset(0);
        partition.batches.insert(0, batch(0, 4));
    });
    let mut reader = build(OutOfRange::Earliest).await;
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 4);

    // After the end counts as well.
    let reader = client.reader().topic("t").start(At::Offset(Offset(99))).if_out_of_range(OutOfRange::Latest);
    let mut reader = reader.build().await.unwrap();
    assert!(reader.try_next().unwrap().is_none());
    assert!(reader.try_next().unwrap().is_none());
    fake.change(0, |partition| partition.batches.push(batch(6, 1)));
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 6);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_is_told_once() {
    for recreated in [false, true] {
        let fake = Fake::new(&[&[1], &[1]]);
        let client = fake.client().await;
        let mut reader = client.reader().topic("t").start(At::Latest).build().await.unwrap();
        assert!(reader.try_next().unwrap().is_none());
        let (_, partitions) = fake.lock().topics.remove("t").unwrap();
        if recreated {
            fake.lock().topics.insert(name("t"), (TopicId(Env::seeded(8).uuid()), partitions));
        }
        fake.changed.notify_waiters();
        let error = reader.next().await.unwrap_err();
        assert!(matches!(&error, Error::TopicDeleted { recreated: r, .. } if *r == recreated), "{error}");
        assert!(error.is_fatal());
        assert!(reader.try_next().unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn each_look_up_that_failed_is_tried_again() {
    let one: &[i64] = &[1];
    let fake = Fake::new(&[one; 6]);
    for partition in 0..6 {
        let times = 1 + partition as usize % 3;
        let refusals = std::iter::repeat_n(ErrorCode::NotLeaderOrFollower, times).collect();
        fake.lock().lookup_refusals.insert(partition, refusals);
    }
    let client = fake.client().await;
    // Each has a time of its own at which it may be asked about again. Nothing else wakes a reader that ends.
    let build = client.reader().topic("t").to_end().build();
    let build = tokio::time::timeout(Duration::from_secs(30), build);
    let mut reader = build.await.expect("a partition is asked about no more").unwrap();
    assert!(fake.lock().lookup_refusals.values().all(|left| left.is_empty()));
    assert_eq!(rest(&mut reader, 6).await, [[0]; 6]);
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_before_all_places_are_known_is_handed_over() {
    let fake = Fake::new(&[&[3, 2], &[1]]);
    // While it is asked about again, the other is read.
    fake.lock().lookup_refusals.insert(1, [ErrorCode::NotLeaderOrFollower; 3].into());
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    assert!(fake.lock().fetches >= 1 && reader.buffered_bytes() > 0, "nothing came early");
    assert_eq!(rest(&mut reader, 2).await, [vec![0, 1, 2, 3, 4], vec![0]]);
    assert_eq!(reader.buffered_bytes(), 0, "its room came back");
}

#[tokio::test(start_paused = true)]
async fn a_topics_id_may_appear_and_vanish() {
    let fake = Fake::new(&[&[1]]);
    let client = fake.client().await;
    let id = |id: TopicId| fake.lock().topics.get_mut("t").unwrap().0 = id;
    let first = TopicId(Env::seeded(7).uuid());
    let refresh = Duration::from_secs(10);
    id(TopicId(uuid::Uuid::nil()));
    let mut reader = client.reader().topic("t").metadata_refresh(refresh).build().await.unwrap();
    assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), 0);
    // A cluster on its way from 2.7 to 2.8: brokers of both answer.
    for (offset, told) in (1..).zip([first, TopicId(uuid::Uuid::nil()), first]) {
        id(told);
        let next = tokio::time::timeout(refresh * 2, reader.next()).await;
        assert!(next.is_err(), "the topic is the same: {next:?}");
        fake.change(0, |partition| partition.batches.push(batch(offset, 1)));
        assert_eq!(offset_of(&reader.next().await.unwrap().unwrap()), offset);
    }
    id(TopicId(Env::seeded(8).uuid()));
    assert!(matches!(reader.next().await, Err(Error::TopicDeleted { recreated: true, .. })));
}
