//! Leaders that move, time that runs out, epochs that end.

use ottla_broker_core::api::ErrorCode;

use super::*;

#[tokio::test(start_paused = true)]
async fn follows_a_leader_that_moved() {
    let fake = Fake::new(1).topic("t", 1);
    let producer = warm(fake.builder()).await;
    producer.send(record("a")).await.unwrap();
    fake.lead("t", 0, Some(2));
    producer.send(record("b")).await.unwrap();
    fake.lead("t", 0, None);
    let delivery = producer.enqueue(record("c")).await.unwrap();
    fake.env.sleep(Duration::from_secs(3)).await;
    assert!(!delivery.is_answered());
    let calls = fake.metadata_calls();
    assert!(calls < 30, "asking for the leader backs off: {calls} calls");
    fake.lead("t", 0, Some(3));
    delivery.await.unwrap();
    assert_eq!(fake.log("t", 0), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_asked_for_until_there_is_one() {
    let fake = Fake::new(1).topic("t", 1);
    fake.refuse_inits(&[ErrorCode::CoordinatorLoadInProgress, ErrorCode::NetworkException]);
    let producer = fake.builder().build().await.unwrap();
    producer.send(record("a")).await.unwrap();
    assert_eq!((fake.log("t", 0), fake.inits()), (vec!["a".to_owned()], 3));
    // What does not pass is told at once, and what does after the time for a request.
    fake.refuse_inits(&[ErrorCode::ClusterAuthorizationFailed]);
    let refused = fake.builder().build().await.unwrap_err();
    assert_eq!((refused.kafka_code(), fake.inits()), (Some(ErrorCode::ClusterAuthorizationFailed), 4));
    fake.refuse_inits(&[ErrorCode::CoordinatorLoadInProgress; 1_000]);
    let refused = fake.builder().request_timeout(Duration::from_secs(5)).build().await.unwrap_err();
    assert_eq!(refused.kafka_code(), Some(ErrorCode::CoordinatorLoadInProgress));
    assert!((5..20).contains(&(fake.inits() - 4)), "{} times in five seconds", fake.inits() - 4);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_past_the_delivery_timeout_ends_in_a_new_epoch() {
    let fake = Fake::new(2).topic("t", 1);
    let builder = fake.builder().delivery_timeout(Duration::from_secs(40)).request_timeout(Duration::from_secs(5));
    let producer = warm(builder).await;
    producer.send(record("a")).await.unwrap();
    fake.script((0..10_000).map(|_| Act::LoseRequest));
    let lost = producer.enqueue(record("b")).await.unwrap();
    settle().await;
    let error = lost.await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { in_doubt: true, partition: 0, .. }), "{error}");
    assert!(error.may_have_been_written() && error.is_retriable() && !error.is_fatal());
    assert_eq!(error.kafka_code(), Some(ErrorCode::NetworkException));
    assert!(error.to_string().contains("t-0") && error.to_string().contains("delivery_timeout"), "{error}");
    fake.clear_script();
    producer.send(record("c")).await.unwrap();
    assert_eq!(fake.log("t", 0), ["a", "c"]);
    assert_eq!((fake.inits(), fake.epochs("t", 0)), (2, vec![0, 1]));
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_retry_after_the_request_timeout() {
    let fake = Fake::new(3).topic("t", 1);
    let producer = warm(fake.builder().request_timeout(Duration::from_secs(2))).await;
    fake.script([Act::Silence]);
    assert_eq!(producer.send(record("a")).await.unwrap().offset.map(|offset| offset.0), Some(0));
    assert_eq!(fake.log("t", 0), ["a"]);
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_never_left_times_out_as_not_written() {
    let fake = Fake::new(4).topic("t", 1);
    let builder = fake.builder().delivery_timeout(Duration::from_secs(10)).request_timeout(Duration::from_secs(5));
    fake.lead("t", 0, None);
    let producer = warm(builder).await;
    let error = producer.send(record("a")).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { in_doubt: false, .. }), "{error}");
    assert!(!error.may_have_been_written());
    fake.lead("t", 0, Some(1));
    producer.send(record("b")).await.unwrap();
    assert_eq!((fake.log("t", 0), fake.inits()), (vec!["b".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn fenced_is_fatal_for_everything() {
    let fake = Fake::new(5).topic("t", 2);
    let producer = warm(fake.builder()).await;
    fake.script([Act::Hold(Box::new(Act::Say(ErrorCode::InvalidProducerEpoch)))]);
    let first = producer.try_enqueue(record("a").partition(0)).unwrap();
    settle().await;
    let second = producer.try_enqueue(record("b").partition(0)).unwrap();
    fake.release_all();
    for error in [first.await.unwrap_err(), second.await.unwrap_err(), producer.send(record("c")).await.unwrap_err()] {
        assert!(error.is_fatal() && !error.is_retriable(), "{error}");
        assert_eq!(error.kafka_code(), Some(ErrorCode::InvalidProducerEpoch));
    }
    assert_eq!(producer.unacked_bytes(), 0);
    assert!(fake.log("t", 0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_forgot_the_producer_starts_a_new_epoch() {
    let fake = Fake::new(6).topic("t", 1);
    let producer = warm(fake.builder()).await;
    producer.send(record("a")).await.unwrap();
    fake.script([Act::Say(ErrorCode::UnknownProducerId)]);
    producer.send(record("b")).await.unwrap();
    assert_eq!((fake.log("t", 0), fake.epochs("t", 0)), (vec!["a".to_owned(), "b".to_owned()], vec![0, 1]));
}

#[tokio::test(start_paused = true)]
async fn one_partitions_new_epoch_leaves_no_gap_in_another() {
    let fake = Fake::new(7).topic("t", 2);
    let producer = warm(fake.builder()).await;
    for n in 0..3 {
        producer.send(record(n).partition(1)).await.unwrap();
    }
    fake.script([Act::Say(ErrorCode::InvalidTimestamp)]);
    producer.send(record("bad").partition(0)).await.unwrap_err();
    for n in 3..6 {
        producer.send(record(n).partition(1)).await.unwrap();
        producer.send(record(n).partition(0)).await.unwrap();
    }
    assert_eq!(fake.log("t", 1), numbers(6));
    assert_eq!(fake.log("t", 0), ["3", "4", "5"]);
    assert_eq!(fake.epochs("t", 0), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_its_topic_takes_is_split() {
    let fake = Fake::new(8).topic("t", 1);
    fake.max_message_bytes(200);
    let producer = warm(fake.builder()).await;
    let deliveries = enqueue_now(&producer, 100);
    for (n, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.await.unwrap().offset.map(|offset| offset.0), Some(n as i64));
    }
    assert_eq!(fake.log("t", 0), numbers(100));
    producer.flush().await.unwrap();
    assert_eq!((producer.unacked_bytes(), fake.inits()), (0, 1));
    let error = producer.send(record("x".repeat(500))).await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::MessageTooLarge));
    assert!(!error.may_have_been_written());
    producer.send(record("after")).await.unwrap();
    assert_eq!(fake.log("t", 0).len(), 101);
}
