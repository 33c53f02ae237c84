//! What may enter the log, and when it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;

use crate::api::{Acks, Error, ErrorCode};
use crate::config::TopicConfig;
use crate::ids::{Offset, ProducerEpoch, ProducerId};
use crate::log::{Durability, ErrorKind};
use crate::partition::testing::{NOW, TRUSTED, World, from, plain, timed};
use crate::partition::{Origin, Partition};
use crate::record::{Batch, Builder, BuilderOptions, Flags, Header, ProducerStamp, TimestampType};

fn refused(partition: &Arc<Partition>, batch: Batch, acks: Acks, origin: Origin) -> Error {
    partition.append(batch, acks, origin).map(|_| "accepted").unwrap_err()
}

#[tokio::test]
async fn offsets_follow_each_other_and_are_never_used_twice() {
    let world = World::new();
    let (partition, log) = world.open().await;
    for (n, base) in [(3, 0), (1, 3), (5, 4)] {
        let appended = partition.append(plain(n), Acks::All, TRUSTED).unwrap().await.unwrap();
        assert_eq!(appended.base_offset, Some(Offset(base)));
        assert_eq!((appended.durability, appended.replicas), (Durability::Memory, 1));
        assert_eq!(appended.log_append_time_ms, None);
    }
    // A refused append takes no offset.
    log.refuse_next(ErrorKind::Full);
    assert_eq!(refused(&partition, plain(1), Acks::All, TRUSTED).code, ErrorCode::KafkaStorageError);
    let appended = partition.append(plain(2), Acks::Leader, TRUSTED).unwrap().await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(9)));
    assert_eq!(partition.high_watermark(), Offset(11));
    for batch in world.batches() {
        assert_eq!(batch.leader_epoch(), partition.epoch());
        batch.verify_crc().unwrap();
    }
}

#[tokio::test]
async fn an_append_is_acknowledged_when_it_is_durable() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    for acks in [Acks::Leader, Acks::All] {
        let before = partition.high_watermark();
        let mut pending = partition.append(plain(2), acks, TRUSTED).unwrap();
        assert!((&mut pending).now_or_never().is_none(), "{acks:?} was answered before the log had it");
        assert_eq!(partition.high_watermark(), before);
        log.release(1);
        assert!(pending.await.is_ok());
        assert_eq!(partition.high_watermark(), before.plus(2));
    }
    let answer = partition.append(plain(2), Acks::None, TRUSTED).unwrap().now_or_never().unwrap().unwrap();
    assert_eq!((answer.base_offset, answer.durability, answer.replicas), (None, Durability::Unknown, 0));
}

#[tokio::test]
async fn damaged_bytes_do_not_enter_the_log() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    let mut bytes = plain(2).to_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let error = refused(&partition, Batch::parse(Bytes::from(bytes)).unwrap(), Acks::All, TRUSTED);
    assert_eq!(error.code, ErrorCode::CorruptMessage);
    assert!(error.message.contains("t-3"), "{error}");
    assert!(world.batches().is_empty());
}

#[tokio::test]
async fn what_only_brokers_write_is_refused_from_clients() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    let of = |flags| {
        let mut builder = Builder::new(BuilderOptions::default());
        builder.append(NOW, None, None, &[]).unwrap();
        builder.finish(None, flags).unwrap()
    };
    for flags in [Flags { control: true, ..Flags::default() }, Flags { transactional: true, ..Flags::default() }] {
        assert_eq!(refused(&partition, of(flags), Acks::All, TRUSTED).code, ErrorCode::InvalidRecord);
    }
    let mut empty = Builder::new(BuilderOptions::default());
    empty.extend_to(0).unwrap();
    let empty = empty.finish(None, Flags::default()).unwrap();
    assert_eq!(refused(&partition, empty, Acks::All, TRUSTED).code, ErrorCode::InvalidRecord);
    let mut gap = Builder::new(BuilderOptions::default());
    gap.append_at(0, NOW, None, None, &[]).unwrap();
    gap.append_at(5, NOW, None, None, &[]).unwrap();
    let gap = gap.finish(None, Flags::default()).unwrap();
    assert_eq!(refused(&partition, gap, Acks::All, TRUSTED).code, ErrorCode::InvalidRecord);
    let append_time = plain(1).with_log_append_time(NOW);
    assert_eq!(refused(&partition, append_time, Acks::All, TRUSTED).code, ErrorCode::InvalidTimestamp);
    let without_epoch = plain(1).with_producer(ProducerId(4), ProducerEpoch(-1), 0);
    assert_eq!(refused(&partition, without_epoch, Acks::All, TRUSTED).code, ErrorCode::InvalidRecord);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_by_name_and_numbers() {
    let mut world = World::new();
    let batch = plain(10);
    let size = batch.size_in_bytes();
    world.config.max_message_bytes = size;
    let (partition, _log) = world.open().await;
    assert!(partition.append(batch.clone(), Acks::All, TRUSTED).is_ok());
    // Configs change while it leads.
    partition.set_config(Arc::new(TopicConfig { max_message_bytes: size - 1, ..TopicConfig::default() }));
    let error = refused(&partition, batch, Acks::All, TRUSTED);
    assert_eq!(error.code, ErrorCode::MessageTooLarge);
    for part in ["t-3", &size.to_string(), &(size - 1).to_string(), "max.message.bytes"] {
        assert!(error.message.contains(part), "{error} does not say {part}");
    }
}

#[tokio::test]
async fn timestamps_stay_within_the_topics_bounds() {
    let mut world = World::new();
    world.config.timestamp_before_max = Some(Duration::from_millis(100));
    world.config.timestamp_after_max = Some(Duration::from_millis(50));
    let (partition, _log) = world.open().await;
    for good in [&[NOW + 50][..], &[NOW - 100, NOW], &[-1]] {
        assert!(partition.append(timed(good, None), Acks::All, TRUSTED).is_ok(), "{good:?}");
    }
    // The one that is too old hides behind the others' max timestamp.
    for (bad, key) in
        [(&[NOW, NOW + 51][..], "after.max.ms"), (&[NOW, NOW - 101, NOW + 1], "before.max.ms"), (&[0], "before.max.ms")]
    {
        let error = refused(&partition, timed(bad, None), Acks::All, TRUSTED);
        assert_eq!(error.code, ErrorCode::InvalidTimestamp, "{bad:?}");
        assert!(error.message.contains(key), "{error}");
    }
}

#[tokio::test]
async fn log_append_time_is_the_brokers_clock() {
    let mut world = World::new();
    world.config.timestamp_type = TimestampType::LogAppendTime;
    let (partition, _log) = world.open().await;
    let stamp = ProducerStamp { id: ProducerId(9), epoch: ProducerEpoch(0), base_sequence: 0 };
    let batch = timed(&[5, 6], Some(stamp));
    let first = partition.append(batch.clone(), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(first.log_append_time_ms, Some(NOW));
    world.clock.wall_ms.fetch_add(1_000, Ordering::Relaxed);
    // Sent again, it is still as old as it was.
    let again = partition.append(batch, Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(again, first);
    let read = partition.read(&from(0)).await.unwrap();
    read.batches[0].verify_crc().unwrap();
    assert!(read.batches[0].records().unwrap().all(|record| record.unwrap().timestamp_ms == NOW));
}

#[tokio::test]
async fn too_few_replicas_are_told_at_append_and_at_completion() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    let pending = partition.append(plain(1), Acks::All, TRUSTED).unwrap();
    let two = TopicConfig { min_insync_replicas: 2, ..TopicConfig::default() };
    partition.set_config(Arc::new(two));
    log.release(1);
    assert_eq!(pending.await.unwrap_err().code, ErrorCode::NotEnoughReplicasAfterAppend);
    assert_eq!(refused(&partition, plain(1), Acks::All, TRUSTED).code, ErrorCode::NotEnoughReplicas);
    assert_eq!(world.batches().len(), 1);
    assert!(partition.append(plain(1), Acks::Leader, TRUSTED).is_ok());
}

#[tokio::test]
async fn records_of_strangers_are_looked_at() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    let stranger = Origin::Untrusted { max_decompressed_bytes: 1 << 20 };
    // The max timestamp is a lie, under a CRC that is right.
    let mut bytes = plain(1).to_bytes().to_vec();
    bytes[35..43].copy_from_slice(&(NOW + 1).to_be_bytes());
    let crc = crc32c::crc32c(&bytes[Header::CRC_START..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let lie = Batch::parse(Bytes::from(bytes)).unwrap();
    assert_eq!(refused(&partition, lie, Acks::All, stranger).code, ErrorCode::InvalidRecord);
    assert!(partition.append(plain(1), Acks::All, stranger).is_ok());
}
