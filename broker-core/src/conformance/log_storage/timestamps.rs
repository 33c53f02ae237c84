//! Finding batches by time.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{append_all, batch_at, open, partition};
use crate::ids::Offset;
use crate::log::{PartitionReader, TrimBase};

async fn assert_found(log: &(impl PartitionReader + ?Sized), expected: &[(i64, Option<i64>)]) {
    for (timestamp, offset) in expected {
        let found = log.offset_for_timestamp(*timestamp).await.unwrap();
        assert_eq!(found, offset.map(Offset), "the first batch at or after {timestamp} ms");
    }
}

/// The first batch whose greatest timestamp is late enough, when they come in order.
pub async fn a_timestamp_finds_its_batch(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    // The batch at 10 holds the times 100 to 104, and so on.
    append_all(&*log, &[batch_at(10, 5, 0, 100), batch_at(15, 5, 0, 200), batch_at(40, 1, 0, 300)]).await;
    let expected = [
        (i64::MIN, Some(10)),
        (0, Some(10)),
        (104, Some(10)),
        (105, Some(15)),
        (204, Some(15)),
        (205, Some(40)),
        (300, Some(40)),
        (301, None),
        (i64::MAX, None),
    ];
    assert_found(&*log, &expected).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    assert_found(&*open(&storage, partition(0), 1).await, &expected).await;
    storage.close().await.unwrap();
}

/// Timestamps come in any order: it is the first batch by offset, not by time.
pub async fn timestamps_out_of_order(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let times = [500, 100, 900, 200, 900, 1000, -1, 300];
    let batches: Vec<_> = (0..).zip(times).map(|(base, time)| batch_at(base, 1, 0, time)).collect();
    append_all(&*log, &batches).await;
    let expected =
        [(-1, Some(0)), (100, Some(0)), (500, Some(0)), (501, Some(2)), (900, Some(2)), (901, Some(5)), (1001, None)];
    assert_found(&*log, &expected).await;
    storage.close().await.unwrap();
}

/// What was trimmed is not found, and does not hide what is left.
pub async fn trimmed_timestamps_are_gone(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let times = [900, 100, 300, 200, 400, 950];
    let batches: Vec<_> = (0..).zip(times).map(|(base, time)| batch_at(base, 1, 0, time)).collect();
    append_all(&*log, &batches).await;
    log.trim_prefix(Offset(1), TrimBase::default()).await.unwrap();
    assert_found(&*log, &[(0, Some(1)), (101, Some(2)), (301, Some(4)), (401, Some(5)), (951, None)]).await;
    log.trim_prefix(Offset(5), TrimBase::default()).await.unwrap();
    assert_found(&*log, &[(0, Some(5)), (950, Some(5)), (951, None)]).await;
    storage.close().await.unwrap();
}
