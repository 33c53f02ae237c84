//! Forgetting by time, by size and on demand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::api::{Acks, ErrorCode};
use crate::config::TopicConfig;
use crate::ids::Offset;
use crate::log::{PartitionLog, PartitionReader, TrimBase};
use crate::partition::testing::{NOW, TRUSTED, World, bases, from, plain, sequenced, timed};
use crate::partition::{Origin, Partition};
use crate::record::{Builder, BuilderOptions, Flags};

fn retain(partition: &Partition, retention: Option<u64>, retention_bytes: Option<u64>) {
    let retention = retention.map(Duration::from_millis);
    partition.set_config(Arc::new(TopicConfig { retention, retention_bytes, ..TopicConfig::default() }));
}

#[tokio::test]
async fn batches_go_by_their_greatest_timestamp() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    // The second is old but for one record; the third is old, but not before the second.
    for timestamps in [&[NOW - 900][..], &[NOW - 900, NOW - 100], &[NOW - 900], &[NOW]] {
        assert!(partition.append(timed(timestamps, None), Acks::All, TRUSTED).is_ok());
    }
    retain(&partition, Some(500), None);
    assert_eq!(partition.enforce_retention(NOW).await.unwrap(), Some(Offset(1)));
    assert_eq!(partition.enforce_retention(NOW).await.unwrap(), None);
    assert_eq!(partition.enforce_retention(NOW + 401).await.unwrap(), Some(Offset(4)));
    // The last one too, once it is old: nothing is spared for being the newest.
    assert_eq!(partition.enforce_retention(NOW + 501).await.unwrap(), Some(Offset(5)));
    assert_eq!(partition.bounds().end, Offset(5));
    assert_eq!(partition.size_in_bytes(), 0);
    retain(&partition, None, None);
    assert!(partition.append(timed(&[0], None), Acks::All, TRUSTED).is_ok());
    assert_eq!(partition.enforce_retention(i64::MAX).await.unwrap(), None);
}

#[tokio::test]
async fn batches_without_timestamps_are_as_old_as_their_append() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    retain(&partition, Some(500), None);
    assert!(partition.append(timed(&[-1], None), Acks::All, TRUSTED).is_ok());
    assert_eq!(partition.enforce_retention(NOW + 500).await.unwrap(), None);
    assert_eq!(partition.enforce_retention(NOW + 501).await.unwrap(), Some(Offset(1)));
}

#[tokio::test]
async fn what_is_not_committed_stays() {
    let world = World::new();
    let (partition, log) = world.open().await;
    assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
    log.defer();
    let _pending = partition.append(plain(1), Acks::All, TRUSTED).unwrap();
    retain(&partition, Some(0), Some(0));
    assert_eq!(partition.enforce_retention(NOW + 1).await.unwrap(), Some(Offset(1)));
    let error = partition.delete_records(Offset(2)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::OffsetOutOfRange);
    assert!(error.message.contains("t-3"), "{error}");
}

#[tokio::test]
async fn size_is_bounded_batch_by_batch() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    for _ in 0..10 {
        assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
    }
    let size = u64::try_from(plain(1).size_in_bytes()).unwrap();
    assert_eq!(partition.size_in_bytes(), 10 * size);
    for (bytes, start) in
        [(10 * size, None), (9 * size + 1, None), (9 * size, Some(1)), (5 * size - 1, Some(5)), (0, Some(10))]
    {
        retain(&partition, None, Some(bytes));
        assert_eq!(partition.enforce_retention(NOW).await.unwrap(), start.map(Offset), "{bytes}");
        assert!(partition.size_in_bytes() >= bytes.min(9 * size));
    }
}

#[tokio::test]
async fn size_is_known_without_reading_the_log() {
    let world = World::new();
    let (partition, log) = world.open().await;
    let value = vec![b'x'; 100_000];
    let batch = |sequence: i32| {
        let mut builder = Builder::new(BuilderOptions::default());
        builder.append(NOW, None, Some(&value), &[]).unwrap();
        let stamp = crate::record::ProducerStamp {
            id: crate::ProducerId(1),
            epoch: crate::ProducerEpoch(0),
            base_sequence: sequence,
        };
        builder.finish(Some(stamp), Flags::default()).unwrap()
    };
    for i in 0..300 {
        assert!(partition.append(batch(i), Acks::All, Origin::Trusted).is_ok());
    }
    let size = u64::try_from(batch(0).size_in_bytes()).unwrap();
    retain(&partition, None, Some(200 * size));
    assert_eq!(partition.enforce_retention(NOW).await.unwrap(), Some(Offset(100)));
    assert_eq!(partition.size_in_bytes(), 200 * size);
    let read = log.bytes_read.load(Ordering::Relaxed);
    assert!(read < 5 << 20, "{read} bytes of 30 MB were read");
    // Rebuilt, the index says the same, and so it does after the next cut.
    let (again, _log) = world.open().await;
    assert_eq!(again.size_in_bytes(), 200 * size);
    again.delete_records(Offset(155)).await.unwrap();
    assert_eq!(again.size_in_bytes(), 145 * size);
    retain(&again, None, Some(7 * size));
    assert_eq!(again.enforce_retention(NOW).await.unwrap(), Some(Offset(293)));
    assert_eq!(again.size_in_bytes(), 7 * size);
}

#[tokio::test]
async fn deleting_records_moves_the_start_into_a_batch() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    for _ in 0..3 {
        assert!(partition.append(plain(4), Acks::All, TRUSTED).is_ok());
    }
    assert_eq!(partition.delete_records(Offset(6)).await.unwrap().low_watermark, Offset(6));
    assert_eq!(bases(&partition.read(&from(6)).await.unwrap()), [4, 8]);
    // Never back, and no error.
    assert_eq!(partition.delete_records(Offset(2)).await.unwrap().low_watermark, Offset(6));
    for bad in [-1, 13] {
        assert_eq!(partition.delete_records(Offset(bad)).await.unwrap_err().code, ErrorCode::OffsetOutOfRange);
    }
    assert_eq!(partition.delete_records(Offset::MAX).await.unwrap().low_watermark, Offset(12));
    assert_eq!(partition.append(plain(1), Acks::All, TRUSTED).unwrap().await.unwrap().log_start_offset, Offset(12));
}

#[tokio::test]
async fn producers_expire_by_the_brokers_clock() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    assert!(partition.append(sequenced(1, 0, 0, 1), Acks::All, TRUSTED).is_ok());
    world.clock.wall_ms.fetch_add(60, Ordering::Relaxed);
    assert!(partition.append(sequenced(2, 0, 0, 1), Acks::All, TRUSTED).is_ok());
    let day = Duration::from_millis(100);
    assert_eq!(partition.expire_producers(NOW + 99, day), 0);
    assert_eq!(partition.expire_producers(NOW + 100, day), 1);
    // The one that is gone may go on with whatever it has; the one that stays is held to its sequence.
    assert!(partition.append(sequenced(1, 0, 7, 1), Acks::All, TRUSTED).is_ok());
    let error = partition.append(sequenced(2, 0, 7, 1), Acks::All, TRUSTED).unwrap_err();
    assert_eq!(error.code, ErrorCode::OutOfOrderSequenceNumber);
}

#[tokio::test]
async fn a_trim_that_the_index_missed_does_not_make_retention_delete_more() {
    let size = u64::try_from(plain(1).size_in_bytes()).unwrap();
    for dropped in [true, false] {
        let world = World::new();
        let (mut partition, mut log) = world.open().await;
        for _ in 0..10 {
            assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
        }
        if dropped {
            // The request was dropped when the log had trimmed and the index had not.
            let state = partition.derived().base_at(Offset(8)).encode();
            log.trim_prefix(Offset(8), TrimBase { start: Offset(8), state }).await.unwrap();
        } else {
            // A crash after the trim: the snapshot that is left is of before it.
            partition.close().await.unwrap();
            partition = world.open().await.0;
            partition.delete_records(Offset(8)).await.unwrap();
            (partition, log) = world.open().await;
            assert_eq!(partition.size_in_bytes(), 2 * size);
        }
        retain(&partition, None, Some(2 * size));
        assert_eq!(partition.enforce_retention(NOW).await.unwrap(), None, "two of ten are left, and two may stay");
        assert_eq!(partition.size_in_bytes(), 2 * size);
        assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
        assert_eq!(partition.enforce_retention(NOW).await.unwrap(), Some(Offset(9)));
        assert_eq!(log.bounds().start, Offset(9));
        assert_eq!(partition.size_in_bytes(), 2 * size);
    }
}
