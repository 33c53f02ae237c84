//! Appending: order, refusals, tickets.

use std::sync::Arc;

use futures::future::join_all;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, append_all, assert_fails, assert_holds, assert_same, batch, bounds, open, partition, read_all_paged, soon,
    submit,
};
use crate::env::Env;
use crate::ids::{LeaderEpoch, Offset};
use crate::log::ErrorKind;

/// A partition that is opened for the first time is an empty log from offset 0, durable as it is.
pub async fn a_new_log_is_empty(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 3).await;
    assert_eq!(log.id(), partition(0));
    assert_eq!(log.epoch(), LeaderEpoch(3));
    assert_eq!(log.bounds(), bounds(0, 0, 0));
    assert_holds("a new log", &*log, &[]).await;
    assert_eq!(soon("offset_for_timestamp", log.offset_for_timestamp(0)).await.unwrap(), None);
    assert_eq!(soon("trim_base", log.trim_base()).await.unwrap(), crate::log::TrimBase::default());
    storage.close().await.unwrap();
}

/// One batch comes back byte for byte, under the stamp that it was appended with.
pub async fn one_batch_comes_back(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 7).await;
    let first = batch(0, 3, 7);
    append(&*log, first.clone()).await;
    assert_eq!(log.bounds(), bounds(0, 3, 3));
    assert_holds("the log", &*log, &[first]).await;
    storage.close().await.unwrap();
}

/// Many batches, submitted without waiting, come back in order.
pub async fn many_batches_come_back_in_order(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches: Vec<_> = (0..500).map(|n| batch(n * 2, 2, 0)).collect();
    append_all(&*log, &batches).await;
    assert_eq!(log.bounds(), bounds(0, 1000, 1000));
    assert_holds("the log", &*log, &batches).await;
    assert_same("the log in small reads", &read_all_paged(&*log, 1000).await, &batches);
    storage.close().await.unwrap();
}

/// Offsets may have gaps, before the first batch and between any two.
pub async fn a_sparse_log_keeps_its_gaps(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch(5, 1, 0), batch(6, 2, 0), batch(100, 3, 0), batch(1 << 40, 1, 0)];
    for batch in &batches {
        append(&*log, batch.clone()).await;
    }
    assert_eq!(log.bounds(), bounds(0, (1 << 40) + 1, (1 << 40) + 1));
    assert_holds("the log", &*log, &batches).await;
    storage.close().await.unwrap();
}

/// A batch whose base offset is below the end is refused, and nothing of it is taken.
pub async fn a_batch_below_the_end_is_refused(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let first = batch(10, 5, 0);
    append(&*log, first.clone()).await;
    for (base, count) in [(0, 1), (9, 1), (10, 5), (14, 1), (14, 9)] {
        assert_fails(
            format!("a batch at {base} after the end 15"),
            log.append(batch(base, count, 0)),
            &[ErrorKind::OutOfRange],
        );
    }
    assert_eq!(log.bounds(), bounds(0, 15, 15));
    let next = batch(15, 1, 0);
    append(&*log, next.clone()).await;
    assert_holds("the log after refusals", &*log, &[first, next]).await;
    storage.close().await.unwrap();
}

/// The end counts what is submitted, not only what is durable: an offset is never given twice.
pub async fn offsets_in_flight_are_taken(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let ticket = submit(&*log, batch(0, 2, 0)).await;
    assert_fails("the same offset again", log.append(batch(1, 2, 0)), &[ErrorKind::OutOfRange]);
    soon("the ticket", ticket).await.unwrap();
    assert_holds("the log", &*log, &[batch(0, 2, 0)]).await;
    storage.close().await.unwrap();
}

/// A batch stamped with a leader epoch above the handle's is refused, and nothing of it is taken.
pub async fn a_batch_of_a_higher_epoch_is_refused(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 4).await;
    for epoch in [5, i32::MAX] {
        assert_fails(
            format!("a batch of epoch {epoch} under epoch 4"),
            log.append(batch(0, 1, epoch)),
            &[ErrorKind::OutOfRange],
        );
    }
    assert_eq!(log.bounds(), bounds(0, 0, 0));
    append(&*log, batch(0, 1, 4)).await;
    storage.close().await.unwrap();
}

/// Followers and copies append what older leaders wrote: each batch keeps its epoch, over a reopening too.
pub async fn batches_of_older_epochs_keep_their_epoch(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 4).await;
    let batches = [batch(0, 1, -1), batch(1, 2, 0), batch(3, 1, 3), batch(7, 1, 3), batch(8, 1, 4)];
    append_all(&*log, &batches).await;
    assert_holds("the copy", &*log, &batches).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 9).await;
    assert_holds("the copy, opened again", &*log, &batches).await;
    storage.close().await.unwrap();
}

/// A resolved ticket means that every earlier batch is durable too, in whatever order tickets are awaited.
pub async fn a_ticket_covers_what_came_before(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let mut tickets = Vec::new();
    for n in 0..50 {
        tickets.push(submit(&*log, batch(n, 1, 0)).await);
    }
    soon("the last ticket", tickets.last().unwrap().clone()).await.unwrap();
    assert_eq!(log.bounds().durable_end, Offset(50), "the last ticket has resolved");
    for ticket in tickets {
        soon("an earlier ticket", ticket).await.unwrap();
    }
    storage.close().await.unwrap();
}

/// Many partitions are written at the same time by as many tasks, and each keeps its own.
pub async fn partitions_are_written_concurrently(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let env = Env::system();
    let mut logs = Vec::new();
    for n in 0..32 {
        logs.push(open(&storage, partition(n), 0).await);
    }
    // Each with offsets and sizes of its own, so that a mix-up cannot go unseen.
    let batches_of = |n: usize| -> Vec<_> { (0..20).map(|i| batch(i * 50 + n as i64, 1 + n as i32, 0)).collect() };
    let tasks = logs.iter().enumerate().map(|(n, log)| {
        let (log, batches) = (Arc::clone(log), batches_of(n));
        env.spawn("append", async move { append_all(&*log, &batches).await })
    });
    let done = soon("32 writers", join_all(tasks.collect::<Vec<_>>())).await;
    assert!(done.into_iter().all(|done| done), "a writer failed");
    for (n, log) in logs.iter().enumerate() {
        assert_holds(format!("partition {n}"), &**log, &batches_of(n)).await;
    }
    storage.close().await.unwrap();
}

/// `ready` lets a caller in while nothing is outstanding, however much it announces, and can be dropped.
pub async fn ready_admits_a_lone_writer(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    for bytes in [0, 1, 64 << 10] {
        soon("ready", log.ready(bytes)).await.unwrap();
    }
    drop(log.ready(1 << 20));
    for n in 0..200 {
        soon("ready", log.ready(100)).await.unwrap();
        let ticket = log.append(batch(n, 1, 0)).unwrap();
        drop(ticket);
    }
    append(&*log, batch(200, 1, 0)).await;
    assert_eq!(log.bounds(), bounds(0, 201, 201));
    storage.close().await.unwrap();
}
