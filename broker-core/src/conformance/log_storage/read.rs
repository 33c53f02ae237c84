//! Reading: bounds, sizes, readers beside the writer.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, append_all, assert_fails, assert_holds, assert_same, batch, batch_of_size, bounds, open, partition, soon,
};
use crate::ids::Offset;
use crate::log::{ErrorKind, PartitionLog};
use crate::record::Batch;

const NO_LIMIT: usize = usize::MAX;

async fn read(log: &dyn PartitionLog, from: i64, until: i64, max_bytes: usize) -> Vec<Batch> {
    soon("read", log.read(Offset(from), Offset(until), max_bytes)).await.unwrap()
}

/// A read starts with the batch that holds the offset, or the first one after it.
pub async fn a_read_starts_at_the_batch_that_holds_the_offset(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch(10, 5, 0), batch(15, 1, 0), batch(40, 10, 0)];
    append_all(&*log, &batches).await;
    for (from, first) in [(0, 0), (9, 0), (10, 0), (12, 0), (14, 0), (15, 1), (16, 2), (39, 2), (40, 2), (49, 2)] {
        assert_same(format!("from {from}"), &read(&*log, from, 50, NO_LIMIT).await, &batches[first..]);
    }
    assert_same("from the end", &read(&*log, 50, 50, NO_LIMIT).await, &[]);
    storage.close().await.unwrap();
}

/// A batch is returned only if it ends at or before `until`: nobody sees half of one.
pub async fn a_read_ends_at_until(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch(0, 5, 0), batch(5, 5, 0), batch(20, 5, 0)];
    append_all(&*log, &batches).await;
    for (until, count) in [(0, 0), (4, 0), (5, 1), (9, 1), (10, 2), (20, 2), (24, 2), (25, 3), (1000, 3)] {
        assert_same(format!("until {until}"), &read(&*log, 0, until, NO_LIMIT).await, &batches[..count]);
    }
    assert_same("an `until` before `from`", &read(&*log, 7, 3, NO_LIMIT).await, &[]);
    assert_same("from a gap until the same gap", &read(&*log, 12, 15, NO_LIMIT).await, &[]);
    storage.close().await.unwrap();
}

/// The sum of sizes stays within `max_bytes`, but the first batch comes however large it is.
pub async fn a_read_is_bounded_by_bytes(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches: Vec<_> = (0..6).map(|n| batch_of_size(n, 0, 1000)).collect();
    append_all(&*log, &batches).await;
    let size = batches[0].size_in_bytes();
    assert!(batches.iter().all(|batch| batch.size_in_bytes() == size), "batches of one size");
    for (max_bytes, count) in
        [(0, 1), (1, 1), (size - 1, 1), (size, 1), (2 * size - 1, 1), (2 * size, 2), (5 * size + 1, 5), (NO_LIMIT, 6)]
    {
        assert_same(format!("{max_bytes} bytes"), &read(&*log, 0, 6, max_bytes).await, &batches[..count]);
    }
    assert_same("a large first batch that ends after `until`", &read(&*log, 0, 0, 1).await, &[]);
    storage.close().await.unwrap();
}

/// Batches of very different sizes lie side by side, the largest of some megabytes.
pub async fn large_batches_come_back(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch_of_size(0, 0, 10), batch_of_size(1, 0, 3 << 20), batch_of_size(2, 0, 0)];
    append_all(&*log, &batches).await;
    assert_same("a read of one byte at the large one", &read(&*log, 1, 3, 1).await, &batches[1..2]);
    assert_holds("the log", &*log, &batches).await;
    storage.close().await.unwrap();
}

/// Offsets below the start and beyond the end are refused; the end itself is not.
pub async fn a_read_outside_the_log_is_refused(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    log.trim_prefix(Offset(5), Default::default()).await.unwrap();
    for from in [-1, 0, 4, 11, i64::MAX] {
        let result = soon("read", log.read(Offset(from), Offset(10), NO_LIMIT)).await;
        assert_fails(format!("a read from {from} of a log of 5 to 10"), result, &[ErrorKind::OutOfRange]);
    }
    assert_same("from the end", &read(&*log, 10, 10, NO_LIMIT).await, &[]);
    storage.close().await.unwrap();
}

/// A reader sees the log and follows it, fences nobody, and may be opened many times.
pub async fn a_reader_follows_and_never_fences(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let id = partition(0);
    let log = open(&storage, id, 0).await;
    append(&*log, batch(0, 2, 0)).await;
    let readers = [storage.open_reader(id).await.unwrap(), storage.open_reader(id).await.unwrap()];
    append(&*log, batch(2, 2, 0)).await;
    for reader in &readers {
        assert_eq!(reader.id(), id);
        assert_eq!(reader.bounds(), bounds(0, 4, 4));
        assert_holds("a reader", &**reader, &[batch(0, 2, 0), batch(2, 2, 0)]).await;
    }
    append(&*log, batch(4, 1, 0)).await;
    log.trim_prefix(Offset(2), Default::default()).await.unwrap();
    assert_eq!(readers[0].bounds(), bounds(2, 5, 5));
    assert_holds("a reader after a trim", &*readers[0], &[batch(2, 2, 0), batch(4, 1, 0)]).await;
    storage.close().await.unwrap();
}

/// There is no reader of a log that does not exist, and asking for one does not make it.
pub async fn a_reader_needs_a_log(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let result = soon("open_reader", storage.open_reader(partition(9))).await;
    assert_fails("a reader of an absent log", result.map(|_| ()), &[ErrorKind::Closed]);
    assert_eq!(storage.list().await.unwrap(), []);
    storage.close().await.unwrap();
}
