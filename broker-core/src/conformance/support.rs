//! Helpers of the suites.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::env::Env;
use crate::ids::{LeaderEpoch, Offset, PartitionId, TopicId};
use crate::log::{
    Bounds, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader, Ticket, TrimBase,
};
use crate::record::{Batch, Builder, BuilderOptions, Flags};

/// The timestamp of the record at offset 0 of most test batches; one ms later for each offset.
pub(super) const T0: i64 = 1_700_000_000_000;

/// Fails the case if nothing comes of `future` for a minute.
pub(super) async fn soon<F: Future + Send>(what: impl Display, future: F) -> F::Output {
    match Env::system().timeout(Duration::from_secs(60), future).await {
        Ok(output) => output,
        Err(elapsed) => panic!("{what}: {elapsed}"),
    }
}

/// Partition `n` of the suite's first topic.
pub(super) fn partition(n: i32) -> PartitionId {
    partition_of(1, n)
}

pub(super) fn partition_of(topic: u128, partition: i32) -> PartitionId {
    PartitionId { topic: TopicId(Uuid::from_u128(topic << 64 | 0x4000_8000_0000_0000_0000)), partition }
}

/// A batch of `count` records at `base`, under `epoch`. Its bytes differ from those of any other place or epoch.
pub(super) fn batch(base: i64, count: i32, epoch: i32) -> Batch {
    batch_at(base, count, epoch, T0 + base)
}

/// The same with a timestamp for its first record; one ms later for each that follows.
pub(super) fn batch_at(base: i64, count: i32, epoch: i32, timestamp: i64) -> Batch {
    let mut builder = Builder::new(BuilderOptions { capacity: 256, ..BuilderOptions::default() });
    for n in 0..count {
        let value = format!("offset {} of epoch {epoch}", base + i64::from(n));
        builder.append(timestamp + i64::from(n), Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
    }
    finish(builder, base, epoch)
}

/// A batch of one record with about `bytes` bytes.
pub(super) fn batch_of_size(base: i64, epoch: i32, bytes: usize) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    let value: Vec<u8> = (0..bytes).map(|n| (n as u64).wrapping_mul(0x9E37 + base as u64) as u8).collect();
    builder.append(T0 + base, None, Some(&value), &[]).unwrap();
    finish(builder, base, epoch)
}

fn finish(builder: Builder, base: i64, epoch: i32) -> Batch {
    builder.finish(None, Flags::default()).unwrap().stamped(Offset(base), LeaderEpoch(epoch))
}

pub(super) fn base_state(start: i64, state: &str) -> TrimBase {
    TrimBase { start: Offset(start), state: bytes::Bytes::copy_from_slice(state.as_bytes()) }
}

pub(super) fn bounds(start: i64, durable_end: i64, end: i64) -> Bounds {
    Bounds { start: Offset(start), durable_end: Offset(durable_end), end: Offset(end) }
}

/// Opens one partition, which must succeed.
pub(super) async fn open(storage: &Arc<dyn LogStorage>, id: PartitionId, epoch: i32) -> Arc<dyn PartitionLog> {
    let opened = try_open(storage, id, epoch).await;
    opened.unwrap_or_else(|error| panic!("{id} cannot be opened at epoch {epoch}: {error:?}"))
}

pub(super) async fn try_open(
    storage: &Arc<dyn LogStorage>,
    id: PartitionId,
    epoch: i32,
) -> Result<Arc<dyn PartitionLog>, Error> {
    let wanted = [OpenPartition { id, epoch: LeaderEpoch(epoch) }];
    let mut opened = soon("open_many", storage.open_many(&wanted)).await;
    assert_eq!(opened.len(), 1, "open_many of one partition gives one result");
    opened.remove(0)
}

/// Appends after waiting for room, as a caller should.
pub(super) async fn submit(log: &dyn PartitionLog, batch: Batch) -> Ticket {
    soon("ready", log.ready(batch.size_in_bytes())).await.unwrap();
    let (base, next) = (batch.base_offset(), batch.next_offset());
    let ticket = log.append(batch).unwrap_or_else(|error| panic!("the batch at {base} is refused: {error:?}"));
    assert!(log.bounds().end >= next, "the end is {} after an append up to {next}", log.bounds().end);
    ticket
}

/// Appends and waits until it is durable.
pub(super) async fn append(log: &dyn PartitionLog, batch: Batch) {
    let next = batch.next_offset();
    let ticket = submit(log, batch).await;
    soon("a ticket", ticket).await.unwrap_or_else(|error| panic!("the append up to {next} failed: {error:?}"));
    let durable_end = log.bounds().durable_end;
    assert!(durable_end >= next, "a ticket for {next} has resolved while the durable end is {durable_end}");
}

/// Appends all, and waits for all at the end.
pub(super) async fn append_all(log: &dyn PartitionLog, batches: &[Batch]) {
    let mut tickets = Vec::new();
    for batch in batches {
        tickets.push(submit(log, batch.clone()).await);
    }
    for ticket in tickets {
        soon("a ticket", ticket).await.unwrap();
    }
}

/// Everything from the start to the durable end, in reads of about `page` bytes.
pub(super) async fn read_all_paged<R: PartitionReader + ?Sized>(log: &R, page: usize) -> Vec<Batch> {
    let Bounds { start, durable_end, .. } = log.bounds();
    let mut from = start;
    let mut all = Vec::new();
    loop {
        let read = soon("read", log.read(from, durable_end, page)).await;
        let read = read.unwrap_or_else(|error| panic!("reading from {from} to {durable_end}: {error:?}"));
        let Some(last) = read.last() else { return all };
        assert!(last.next_offset() > from, "a read from {from} ends at {}", last.next_offset());
        from = last.next_offset();
        all.extend(read);
    }
}

pub(super) async fn read_all<R: PartitionReader + ?Sized>(log: &R) -> Vec<Batch> {
    read_all_paged(log, 1 << 20).await
}

/// Batches by their offsets, for messages.
pub(super) fn spans(batches: &[Batch]) -> Vec<(i64, i64)> {
    batches.iter().map(|batch| (batch.base_offset().0, batch.next_offset().0)).collect()
}

/// The same batches, byte for byte, stamp included (invariant 9).
#[track_caller]
pub(super) fn assert_same(what: impl Display, got: &[Batch], expected: &[Batch]) {
    assert_eq!(spans(got), spans(expected), "{what}: the offsets differ");
    for (got, expected) in got.iter().zip(expected) {
        got.verify_crc().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(got == expected, "{what}: the bytes of the batch at {} differ", expected.base_offset());
    }
}

/// The log holds exactly these batches.
pub(super) async fn assert_holds<R: PartitionReader + ?Sized>(what: impl Display, log: &R, expected: &[Batch]) {
    assert_same(what, &read_all(log).await, expected);
}

#[track_caller]
pub(super) fn assert_fails<T: Debug>(what: impl Display, result: Result<T, Error>, kinds: &[ErrorKind]) {
    match result {
        Ok(value) => panic!("{what} succeeded with {value:?} instead of {kinds:?}"),
        Err(error) => {
            assert!(kinds.contains(&error.kind()), "{what} failed with {error:?} instead of {kinds:?}");
            assert!(!error.to_string().is_empty(), "{what}: the error says nothing");
        }
    }
}
