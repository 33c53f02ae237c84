//! Truncation, where the medium has it.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, append_all, assert_fails, assert_holds, batch, batch_at, bounds, open, partition, soon,
};
use crate::ids::Offset;
use crate::log::{ErrorKind, PartitionLog, TrimBase};

async fn truncate(log: &dyn PartitionLog, end: i64) -> i64 {
    let capability = log.truncate_suffix().expect("a handle that could truncate before");
    let new_end = soon("truncate", capability.truncate_to(Offset(end))).await.unwrap();
    assert!(new_end <= Offset(end), "truncated to {end}, the log ends at {new_end}");
    let now = log.bounds();
    assert_eq!((now.durable_end, now.end), (new_end, new_end), "after a truncation to {end}");
    new_end.0
}

/// The batches that end after the offset are gone, at once and after a reopening, and others take their offsets.
pub async fn a_truncation_drops_the_end(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    if log.truncate_suffix().is_none() {
        return storage.close().await.unwrap();
    }
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0), batch(10, 5, 0)]).await;
    assert_eq!(truncate(&*log, 10).await, 10);
    assert_holds("the truncated log", &*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    storage.close().await.unwrap();

    let storage = subject.open().await;
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.bounds(), bounds(0, 10, 10), "after a reopening");
    append(&*log, batch(10, 2, 1)).await;
    let expected = [batch(0, 5, 0), batch(5, 5, 0), batch(10, 2, 1)];
    assert_holds("the log with another end", &*log, &expected).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    assert_holds("the same after a reopening", &*open(&storage, partition(0), 2).await, &expected).await;
    storage.close().await.unwrap();
}

/// A batch that straddles the offset goes as a whole: the new end is at most its base.
pub async fn a_truncation_drops_whole_batches(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    if log.truncate_suffix().is_none() {
        return storage.close().await.unwrap();
    }
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0), batch(10, 5, 0)]).await;
    assert_eq!(truncate(&*log, 7).await, 5, "the batch at 5 ends after 7");
    assert_holds("the log", &*log, &[batch(0, 5, 0)]).await;
    append(&*log, batch(5, 1, 0)).await;
    // A sparse log: the end lies in the gap or at the last batch's end, not in what was dropped.
    append(&*log, batch(50, 10, 0)).await;
    let new_end = truncate(&*log, 55).await;
    assert!((6..=50).contains(&new_end), "the new end is {new_end}");
    assert_holds("the sparse log", &*log, &[batch(0, 5, 0), batch(5, 1, 0)]).await;
    append(&*log, batch(50, 1, 0)).await;
    storage.close().await.unwrap();
}

/// Truncating to the end or beyond drops nothing; to the start, everything.
pub async fn a_truncation_to_either_end(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    if log.truncate_suffix().is_none() {
        return storage.close().await.unwrap();
    }
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    assert_eq!(truncate(&*log, 10).await, 10);
    assert_eq!(truncate(&*log, 1000).await, 10);
    assert_holds("the log", &*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    log.trim_prefix(Offset(5), TrimBase::default()).await.unwrap();
    let capability = log.truncate_suffix().unwrap();
    for end in [4, 0, -1] {
        let result = soon("truncate", capability.truncate_to(Offset(end))).await;
        assert_fails(format!("a truncation to {end} of a log that starts at 5"), result, &[ErrorKind::OutOfRange]);
    }
    assert_eq!(truncate(&*log, 5).await, 5);
    assert_eq!(log.bounds(), bounds(5, 5, 5));
    assert_holds("the emptied log", &*log, &[]).await;
    storage.close().await.unwrap();
}

/// What was dropped is not found by its timestamp.
pub async fn truncated_timestamps_are_gone(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    if log.truncate_suffix().is_none() {
        return storage.close().await.unwrap();
    }
    append_all(&*log, &[batch_at(0, 1, 0, 100), batch_at(1, 1, 0, 900)]).await;
    truncate(&*log, 1).await;
    append(&*log, batch_at(1, 1, 0, 200)).await;
    assert_eq!(log.offset_for_timestamp(150).await.unwrap(), Some(Offset(1)));
    assert_eq!(log.offset_for_timestamp(201).await.unwrap(), None);
    storage.close().await.unwrap();
}
