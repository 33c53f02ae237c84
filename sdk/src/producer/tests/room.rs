//! Back-pressure (invariant 10), flush, close and drop.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{FutureExt, SinkExt};

use super::fake::Pace;
use super::*;

fn hold() -> impl Iterator<Item = Act> {
    (0..10_000).map(|_| Act::Hold(Box::new(Act::Apply)))
}

/// Room for four records of 204 bytes (and one batch).
fn tight(fake: &Fake) -> ProducerBuilder {
    fake.builder().batch_bytes(1_024).max_unacked_bytes(1_024)
}

fn padded(n: usize) -> Record {
    record(format!("{n:0>164}"))
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_bytes_stay_within_their_bound() {
    let fake = Fake::new(1).topic("t", 1);
    let producer = warm(tight(&fake)).await;
    fake.script(hold());
    let mut taken = 0;
    let refused = loop {
        match producer.try_enqueue(padded(taken)) {
            Ok(delivery) => drop(delivery),
            Err(refused) => break refused,
        }
        taken += 1;
        assert!(taken < 100, "no end to it");
    };
    assert_eq!(taken, 1_024 / padded(0).reserved_bytes());
    assert!(matches!(refused.error, Error::Full { limit: 1_024, .. }) && refused.error.is_retriable());
    assert_eq!(*refused.record, padded(taken), "the record comes back");
    assert!(producer.unacked_bytes() <= 1_024);
    settle().await;
    let waits = producer.enqueue(padded(9)).now_or_never();
    assert!(waits.is_none());
    settle().await;
    fake.release_all();
    producer.flush().await.unwrap();
    assert_eq!(producer.unacked_bytes(), 0);
}

/// A task that only enqueues keeps its thread: nobody else may get to run before there is no room left.
#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_before_the_sender_runs() {
    let fake = Fake::new(7).topic("t", 1);
    let producer = warm(fake.builder().batch_bytes(1_024)).await;
    producer.send(padded(0)).await.unwrap();
    let before = fake.requests().len();
    let sent = |n| {
        drop(producer.try_enqueue(padded(n)).unwrap());
        fake.requests().len() - before
    };
    let requests: Vec<_> = (1..=11).map(sent).collect();
    assert_eq!(requests.first(), Some(&0), "one record is no full batch");
    assert!(requests.last() >= Some(&2), "{requests:?}");
    producer.flush().await.unwrap();
    assert_eq!(fake.log("t", 0).len(), 12);
}

/// More than what answers make way for is not taken while they come fast: it would only wait.
#[tokio::test(start_paused = true)]
async fn no_more_is_enqueued_than_flows() {
    let fake = Fake::new(8).topic("t", 1);
    let producer = warm(fake.builder().batch_bytes(1_024)).await;
    fake.pace(Pace::Takes(Duration::from_millis(5)));
    producer.send(padded(0)).await.unwrap();
    let mut most = 0;
    for n in 1..500 {
        drop(producer.enqueue(padded(n)).await.unwrap());
        most = most.max(producer.unacked_bytes());
    }
    // Five in flight, five that follow them, and the one that is open.
    assert!((5 * 1_024..=11 * 1_024).contains(&most), "{most} bytes");
    producer.flush().await.unwrap();
    assert_eq!(fake.log("t", 0).len(), 500);
    assert!(fake.requests().iter().flatten().count() < 500 / 4, "batches are full");
}

/// Where answers do not come, there is room for all that may be unacknowledged, at once.
#[tokio::test(start_paused = true)]
async fn what_does_not_flow_is_not_waited_for() {
    let fake = Fake::new(9).topic("t", 1);
    let producer = warm(fake.builder().batch_bytes(1_024)).await;
    fake.pace(Pace::Takes(Duration::from_millis(5)));
    producer.send(padded(0)).await.unwrap();
    fake.script(hold());
    let begun = fake.env.now();
    for n in 1..500 {
        drop(producer.enqueue(padded(n)).await.unwrap());
    }
    assert!(fake.env.now().since(begun) < Duration::from_millis(50), "only what flowed a moment ago is waited for");
    assert_eq!(producer.unacked_bytes(), 499 * padded(1).reserved_bytes());
    fake.clear_script();
    fake.release_all();
    settle().await;
    fake.release_all();
    producer.flush().await.unwrap();
    assert_eq!(fake.log("t", 0).len(), 500);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_is_first_come_first_served_and_leaves_nothing_when_cancelled() {
    let fake = Fake::new(2).topic("t", 1);
    let producer = warm(tight(&fake)).await;
    let permit = producer.reserve(1_024).await.unwrap();
    let mut first = Box::pin(producer.reserve(800));
    let mut cancelled = Box::pin(producer.reserve(100));
    let mut last = Box::pin(producer.reserve(200));
    for waiting in [&mut first, &mut cancelled, &mut last] {
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    drop(cancelled);
    drop(permit);
    let first = first.await.unwrap();
    let last = last.await.unwrap();
    assert_eq!(producer.unacked_bytes(), 1_000);
    drop((first, last));
    assert_eq!(producer.unacked_bytes(), 0);
    assert!(matches!(producer.reserve(2_000).await, Err(Error::Config { setting: "max_unacked_bytes", .. })));
}

#[tokio::test(start_paused = true)]
async fn a_send_dropped_while_it_waits_for_room_is_not_sent() {
    let fake = Fake::new(3).topic("t", 1);
    let producer = warm(tight(&fake)).await;
    let permit = producer.reserve(1_024).await.unwrap();
    let mut send = Box::pin(producer.send(padded(1)));
    assert!(send.as_mut().now_or_never().is_none());
    drop(send);
    drop(permit);
    producer.send(padded(2)).await.unwrap();
    assert_eq!(fake.log("t", 0).len(), 1);
    assert_eq!(producer.unacked_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_gives_back_what_its_record_does_not_need() {
    let fake = Fake::new(4).topic("t", 1);
    let producer = warm(tight(&fake)).await;
    fake.script(hold());
    let delivery = producer.reserve(900).await.unwrap().enqueue(record("a")).unwrap();
    assert_eq!(producer.unacked_bytes(), record("a").reserved_bytes());
    let other = producer.reserve(900).await.unwrap();
    let refused = producer.reserve(10).await.unwrap().enqueue(padded(1)).unwrap_err();
    assert!(matches!(refused.error, Error::PermitTooSmall { reserved: 10, .. }), "{refused}");
    drop(other);
    fake.release_all();
    delivery.await.unwrap();
    assert_eq!(producer.unacked_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn send_and_flush_wait_for_the_acknowledgement() {
    let fake = Fake::new(5).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.script(hold());
    let mut send = Box::pin(producer.send(record("a")));
    assert!(send.as_mut().now_or_never().is_none());
    settle().await;
    let mut flush = Box::pin(producer.flush());
    assert!(flush.as_mut().now_or_never().is_none());
    settle().await;
    assert!(flush.as_mut().now_or_never().is_none(), "the batch is in flight");
    // What comes after the call is not the call's.
    let later = producer.try_enqueue(record("b")).unwrap();
    fake.release(0);
    send.await.unwrap();
    flush.await.unwrap();
    assert!(!later.is_answered());
    settle().await;
    fake.release_all();
    later.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn flush_tells_what_dropped_deliveries_did_not() {
    let fake = Fake::new(6).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.script([Act::Say(ottla_broker_core::api::ErrorCode::InvalidTimestamp)]);
    let mut deliveries = enqueue_now(&producer, 5);
    let kept = deliveries.pop().unwrap();
    drop(deliveries);
    let error = producer.flush().await.unwrap_err();
    assert!(matches!(&error, Error::Undelivered { failed: 4, .. }), "{error}");
    assert!(error.to_string().contains("t-0"), "{error}");
    kept.await.unwrap_err();
    producer.flush().await.unwrap();
    // A delivery that is dropped after its answer came, unseen.
    fake.script([Act::Say(ottla_broker_core::api::ErrorCode::InvalidTimestamp)]);
    let late = producer.enqueue(record("x")).await.unwrap();
    fake.env.sleep(Duration::from_millis(2)).await;
    assert!(late.is_answered());
    drop(late);
    assert!(matches!(producer.flush().await, Err(Error::Undelivered { failed: 1, .. })));
}

#[tokio::test(start_paused = true)]
async fn close_flushes_and_then_refuses() {
    let fake = Fake::new(7).topic("t", 1);
    let producer = warm(fake.builder().linger(Duration::from_secs(20))).await;
    let delivery = producer.enqueue(record("a")).await.unwrap();
    producer.close(Duration::from_secs(5)).await.unwrap();
    delivery.await.unwrap();
    for error in [
        producer.send(record("b")).await.unwrap_err(),
        producer.try_enqueue(record("b")).unwrap_err().error,
        producer.close(Duration::ZERO).await.unwrap_err(),
        producer.reserve(1).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Closed { in_doubt: false }), "{error}");
    }
    assert_eq!(fake.log("t", 0), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn close_is_bounded_and_says_what_was_left() {
    let fake = Fake::new(8).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.script(hold());
    let sent = enqueue_now(&producer, 3);
    settle().await;
    let queued = enqueue_now(&producer, 2);
    let error = producer.close(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, Error::LeftBehind { records: 5, .. }), "{error}");
    for delivery in sent {
        assert!(matches!(delivery.await, Err(Error::Closed { in_doubt: true })));
    }
    for delivery in queued {
        assert!(matches!(delivery.await, Err(Error::Closed { in_doubt: false })));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_clone_answers_everyone_and_ends_the_task() {
    let fake = Fake::new(9).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.script(hold());
    let delivery = producer.enqueue(record("a")).await.unwrap();
    settle().await;
    let shared = Arc::downgrade(&producer.handle.shared);
    let clone = producer.clone();
    drop(producer);
    settle().await;
    assert!(!delivery.is_answered(), "a clone is left");
    drop(clone);
    assert!(matches!(delivery.await, Err(Error::Closed { in_doubt: true })));
    settle().await;
    assert!(shared.upgrade().is_none(), "the task is gone");
}

#[tokio::test(start_paused = true)]
async fn a_sink_waits_for_room_and_keeps_the_order() {
    let fake = Fake::new(10).topic("t", 1);
    let producer = tight(&fake).build().await.unwrap();
    let mut sink = producer.sink();
    for n in 0..50 {
        sink.send(padded(n)).await.unwrap();
    }
    sink.close().await.unwrap();
    let expected: Vec<_> = (0..50).map(|n| format!("{n:0>164}")).collect();
    assert_eq!(fake.log("t", 0), expected);
}

/// While there is room nothing in `enqueue` waits.
#[tokio::test(start_paused = true)]
async fn who_enqueues_in_a_loop_lets_others_run() {
    let fake = Fake::new(20).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.pace(Pace::Takes(Duration::from_secs(1)));
    let turns = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&turns);
    #[expect(clippy::disallowed_methods, reason = "a task of the test itself, which ends it")]
    let other = tokio::spawn(async move {
        loop {
            counts.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    for n in 0..50_000 {
        drop(producer.enqueue(record(n)).await.unwrap());
    }
    assert!(turns.load(Ordering::Relaxed) >= 10, "{turns:?} turns in 50,000 records");
    other.abort();
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_no_more_than_its_bytes() {
    let fake = Fake::new(21).topic("t", 40);
    let producer = warm(fake.builder()).await;
    for partition in 0..40 {
        let large = Record::to("t").partition(partition).value(vec![b'x'; 900_000]);
        drop(producer.try_enqueue(large).unwrap());
    }
    producer.flush().await.unwrap();
    let batches: Vec<_> = fake.requests().iter().map(Vec::len).collect();
    assert_eq!(batches.iter().sum::<usize>(), 40);
    // Of 8 MiB, and what was begun goes.
    assert!(batches.iter().all(|batches| *batches <= 10), "{batches:?}");
}

#[tokio::test(start_paused = true)]
async fn records_enqueued_beside_each_other_keep_their_order() {
    let fake = Fake::new(22).topic("t", 1);
    let producer = warm(fake.builder()).await;
    for round in 0..20 {
        let all = (0..50).map(|n| producer.enqueue(record(round * 50 + n)));
        futures::future::join_all(all).await.into_iter().for_each(|delivery| drop(delivery.unwrap()));
    }
    producer.flush().await.unwrap();
    assert_eq!(fake.log("t", 0), numbers(1_000));
}

/// A sink has room most of the time, too.
#[tokio::test(start_paused = true)]
async fn a_sink_lets_others_run() {
    let fake = Fake::new(23).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.pace(Pace::Takes(Duration::from_secs(1)));
    let mut sink = producer.sink();
    sink.feed(record(0)).await.unwrap();
    assert!(sink.feed(record(1)).now_or_never().is_none(), "the sender was woken, and did not run");
    settle().await;
    sink.feed(record(2)).await.unwrap();
    assert_eq!(fake.requests().len(), 1);
}
