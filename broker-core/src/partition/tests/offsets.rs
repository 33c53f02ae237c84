//! Offsets by time.

use crate::api::{Acks, ErrorCode, IsolationLevel, OffsetSpec};
use crate::ids::{LeaderEpoch, Offset};
use crate::log::PartitionReader;
use crate::partition::Partition;
use crate::partition::testing::{TRUSTED, World, plain, timed};
use crate::record::{Builder, BuilderOptions, Compression, Flags, Header};

async fn look_up(partition: &Partition, spec: OffsetSpec) -> Option<(i64, i64)> {
    let listed = partition.list_offset(spec, IsolationLevel::ReadUncommitted).await.unwrap();
    assert_eq!(listed.offset.is_some(), listed.timestamp_ms.is_some());
    listed.offset.map(|offset| (offset.0, listed.timestamp_ms.unwrap()))
}

#[tokio::test]
async fn the_first_record_at_or_after_a_time_whatever_the_order_within_a_batch() {
    let world = World::new();
    let (partition, log) = world.open().await;
    for timestamps in [&[10, 40, 20][..], &[30], &[50, 5, 60]] {
        assert!(partition.append(timed(timestamps, None), Acks::All, TRUSTED).is_ok());
    }
    log.defer();
    let _unseen = partition.append(timed(&[100], None), Acks::All, TRUSTED).unwrap();
    for (at, expected) in [
        (0, Some((0, 10))),
        (10, Some((0, 10))),
        (11, Some((1, 40))),
        (40, Some((1, 40))),
        (41, Some((4, 50))),
        (51, Some((6, 60))),
        (61, None),
        (100, None),
    ] {
        assert_eq!(look_up(&partition, OffsetSpec::Timestamp(at)).await, expected, "{at}");
    }
    assert_eq!(look_up(&partition, OffsetSpec::MaxTimestamp).await, Some((6, 60)));
    // Deleted records are not found, though the batch that straddles the start still holds them.
    partition.delete_records(Offset(2)).await.unwrap();
    // The log answers with that batch's base, below the start.
    assert_eq!(log.offset_for_timestamp(15).await.unwrap(), Some(Offset(0)));
    assert_eq!(look_up(&partition, OffsetSpec::Timestamp(i64::MIN)).await, Some((2, 20)));
    assert_eq!(look_up(&partition, OffsetSpec::Timestamp(15)).await, Some((2, 20)));
    assert_eq!(look_up(&partition, OffsetSpec::Timestamp(25)).await, Some((3, 30)));
    assert_eq!(look_up(&partition, OffsetSpec::Timestamp(35)).await, Some((4, 50)));
    partition.delete_records(Offset::MAX).await.unwrap();
    assert_eq!(look_up(&partition, OffsetSpec::Timestamp(0)).await, None);
    assert_eq!(look_up(&partition, OffsetSpec::MaxTimestamp).await, None);
    let earliest = partition.list_offset(OffsetSpec::Earliest, IsolationLevel::ReadCommitted).await.unwrap();
    let latest = partition.list_offset(OffsetSpec::Latest, IsolationLevel::ReadCommitted).await.unwrap();
    assert_eq!((earliest.offset, latest.offset), (Some(Offset(7)), Some(Offset(7))));
    assert_eq!(latest.leader_epoch, Some(partition.epoch()));
}

#[tokio::test]
async fn bytes_that_rotted_give_an_error_and_no_wrong_offset() {
    // In the header the base timestamp and the greatest; then each byte of the records.
    let size = timed(&[10, 30, 20], None).size_in_bytes();
    for at in (27..43).chain(Header::SIZE..size) {
        let world = World::new();
        let (partition, _log) = world.open().await;
        assert!(partition.append(timed(&[10, 30, 20], None), Acks::All, TRUSTED).is_ok());
        assert!(partition.append(timed(&[40], None), Acks::All, TRUSTED).is_ok());
        world.rot(0, at);
        for (spec, right) in [(OffsetSpec::Timestamp(15), (1, 30)), (OffsetSpec::MaxTimestamp, (3, 40))] {
            match partition.list_offset(spec, IsolationLevel::ReadUncommitted).await {
                Err(error) => assert_eq!(error.code, ErrorCode::CorruptMessage),
                // A look-up that need not go through that batch.
                Ok(found) => {
                    assert_eq!((found.offset, found.timestamp_ms), (Some(Offset(right.0)), Some(right.1)), "byte {at}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_greatest_timestamp_is_the_first_of_its_kind_and_not_a_deleted_one() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    assert_eq!(look_up(&partition, OffsetSpec::MaxTimestamp).await, None);
    for timestamps in [&[90, 70][..], &[20, 80], &[80], &[-1]] {
        assert!(partition.append(timed(timestamps, None), Acks::All, TRUSTED).is_ok());
    }
    assert_eq!(look_up(&partition, OffsetSpec::MaxTimestamp).await, Some((0, 90)));
    partition.delete_records(Offset(1)).await.unwrap();
    assert_eq!(look_up(&partition, OffsetSpec::MaxTimestamp).await, Some((3, 80)));
}

#[tokio::test]
async fn sparse_and_compressed_batches_are_decoded() {
    let codecs = [
        Compression::None,
        #[cfg(feature = "lz4")]
        Compression::Lz4,
        #[cfg(feature = "gzip")]
        Compression::Gzip,
        #[cfg(feature = "snappy")]
        Compression::Snappy,
        #[cfg(feature = "zstd")]
        Compression::Zstd,
    ];
    for compression in codecs {
        let world = World::new();
        for (base, time) in [(10, 1_000), (100, 2_000)] {
            let mut builder = Builder::new(BuilderOptions { compression, ..BuilderOptions::default() });
            builder.append_at(3, time + 5, None, Some(b"x"), &[]).unwrap();
            builder.append_at(7, time + 2, None, Some(b"x"), &[]).unwrap();
            builder.append_at(8, time + 9, None, Some(b"x"), &[]).unwrap();
            builder.extend_to(20).unwrap();
            world.plant(builder.finish(None, Flags::default()).unwrap().stamped(Offset(base), LeaderEpoch(0)));
        }
        let (partition, _log) = world.open().await;
        for (at, expected) in [(0, (13, 1_005)), (1_006, (18, 1_009)), (1_010, (103, 2_005)), (2_006, (108, 2_009))] {
            assert_eq!(look_up(&partition, OffsetSpec::Timestamp(at)).await, Some(expected), "{compression} {at}");
        }
        assert_eq!(look_up(&partition, OffsetSpec::MaxTimestamp).await, Some((108, 2_009)));
        let listed = partition.list_offset(OffsetSpec::Timestamp(0), IsolationLevel::ReadUncommitted).await.unwrap();
        assert_eq!(listed.leader_epoch, Some(LeaderEpoch(0)));
        assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
    }
}
