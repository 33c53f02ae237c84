//! What each decorator is for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_backends::decorators::{
    CountedMetadataLog, CountedSnapshots, CountedStorage, Counts, DelayedMetadataLog, DelayedSnapshots, DelayedStorage,
    Delays, Fault, Faults, FaultyMetadataLog, FaultySnapshots, FaultyStorage, Operation,
};
use ottla_backends::memory::{MemoryMetadataLog, MemorySnapshots, MemoryStorage};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{ErrorKind, LogStorage, MetadataLog, OpenPartition, Snapshot, SnapshotStore};
use ottla_broker_core::{LeaderEpoch, Offset};

use crate::support::{append, batch, open, partition};

fn faulty() -> (FaultyStorage, Faults) {
    let faults = Faults::new(Env::seeded(4));
    (FaultyStorage::new(Arc::new(MemoryStorage::default()), faults.clone()), faults)
}

#[tokio::test]
async fn a_refused_append_leaves_the_handle_open() {
    let (storage, faults) = faulty();
    let log = open(&storage, partition(0), 0).await;
    faults.pass(Operation::Append, 1);
    faults.next_n(Operation::Append, 2, Fault::Refuse(ErrorKind::Full));
    append(&*log, batch(0, 0)).await;
    for _ in 0..2 {
        assert_eq!(log.append(batch(1, 0)).unwrap_err().kind(), ErrorKind::Full);
    }
    append(&*log, batch(1, 0)).await;
    assert_eq!(faults.count(Operation::Append), 2);
}

#[tokio::test]
async fn a_failed_ticket_says_nothing_of_the_effect() {
    for (fault, end) in [(Fault::Before(ErrorKind::Unavailable), 0), (Fault::After(ErrorKind::Unavailable), 1)] {
        let (storage, faults) = faulty();
        let log = open(&storage, partition(0), 0).await;
        faults.next(Operation::Append, fault);
        assert_eq!(log.append(batch(0, 0)).unwrap().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(log.append(batch(1, 0)).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(log.close().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(open(&storage, partition(0), 1).await.bounds().end, Offset(end), "{fault:?}");
    }
}

#[tokio::test]
async fn a_poisoned_storage_opens_again_only_when_healed() {
    let (storage, faults) = faulty();
    let (log, other) = (open(&storage, partition(0), 0).await, open(&storage, partition(1), 0).await);
    faults.next(Operation::Append, Fault::Before(ErrorKind::Poisoned));
    assert_eq!(log.append(batch(0, 0)).unwrap().await.unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(other.append(batch(0, 0)).unwrap_err().kind(), ErrorKind::Poisoned, "all partitions are");
    let wanted = [OpenPartition { id: partition(1), epoch: LeaderEpoch(1) }];
    assert_eq!(storage.open_many(&wanted).await.remove(0).unwrap_err().kind(), ErrorKind::Poisoned);
    faults.heal();
    assert_eq!(other.append(batch(0, 0)).unwrap_err().kind(), ErrorKind::Poisoned, "the old handle stays so");
    append(&*open(&storage, partition(1), 1).await, batch(0, 1)).await;
}

#[tokio::test]
async fn a_flipped_bit_is_found_by_the_checksum() {
    let (storage, faults) = faulty();
    let log = open(&storage, partition(0), 0).await;
    append(&*log, batch(0, 0)).await;
    faults.next(Operation::Read, Fault::FlipBit);
    let damaged = log.read(Offset(0), Offset(1), 1000).await.unwrap();
    assert!(damaged[0].verify_crc().is_err());
    assert!(log.read(Offset(0), Offset(1), 1000).await.unwrap()[0].verify_crc().is_ok());
}

#[tokio::test]
async fn opening_fails_for_one_partition_of_many() {
    let (storage, faults) = faulty();
    faults.pass(Operation::Open, 1);
    faults.next(Operation::Open, Fault::Before(ErrorKind::Unavailable));
    faults.next(Operation::Open, Fault::After(ErrorKind::Unavailable));
    let wanted: Vec<_> = (0..4).map(|n| OpenPartition { id: partition(n), epoch: LeaderEpoch(1) }).collect();
    let opened: Vec<_> = storage.open_many(&wanted).await.into_iter().map(|log| log.map_err(|e| e.kind())).collect();
    assert!(opened[0].is_ok() && opened[3].is_ok());
    assert!(opened[1].is_err() && opened[2].is_err());
    open(&storage, partition(1), 1).await;
    let again = storage.open_many(&wanted[2..3]).await.remove(0);
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Fenced, "the lost answer was of an opening that took effect");
}

#[tokio::test]
async fn a_metadata_append_takes_effect_and_its_answer_is_lost() {
    let faults = Faults::new(Env::seeded(1));
    let log = FaultyMetadataLog::new(Arc::new(MemoryMetadataLog::new()), faults.clone());
    faults.next(Operation::MetadataAppend, Fault::After(ErrorKind::Unavailable));
    assert_eq!(log.append_at(0, vec![]).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(log.end().await.unwrap(), 1);
    faults.next(Operation::MetadataAppend, Fault::Before(ErrorKind::Unavailable));
    assert_eq!(log.append_at(1, vec![]).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(log.end().await.unwrap(), 1);
}

#[tokio::test]
async fn chance_follows_the_seed() {
    let run = |seed| async move {
        let faults = Faults::new(Env::seeded(seed));
        let store = FaultySnapshots::new(Arc::new(MemorySnapshots::new()), faults.clone());
        faults.by_chance(Operation::SnapshotLatest, 200, Fault::Before(ErrorKind::Unavailable));
        let mut failed = Vec::new();
        for _ in 0..200 {
            failed.push(store.latest(partition(0)).await.is_err());
        }
        assert_eq!(faults.count(Operation::SnapshotLatest), failed.iter().filter(|failed| **failed).count() as u64);
        failed
    };
    let failed = run(1).await;
    assert!((10..80).contains(&failed.iter().filter(|failed| **failed).count()));
    assert_eq!(run(1).await, failed);
    assert_ne!(run(2).await, failed);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_ticket_and_its_bounds_come_later_and_in_order() {
    let env = Env::seeded(1);
    let delay = Duration::from_secs(5);
    let storage = DelayedStorage::new(Arc::new(MemoryStorage::default()), env.clone(), Delays::writes(delay));
    let log = open(&storage, partition(0), 0).await;
    let start = env.now();
    let first = log.append(batch(0, 0)).unwrap();
    env.sleep(Duration::from_secs(1)).await;
    let second = log.append(batch(1, 0)).unwrap();
    assert_eq!((log.bounds().durable_end, log.bounds().end), (Offset(0), Offset(2)));
    first.await.unwrap();
    assert_eq!(env.now().since(start).as_secs(), 5);
    assert_eq!(log.bounds().durable_end, Offset(1));
    assert!(second.peek().is_none());
    second.await.unwrap();
    assert_eq!(env.now().since(start).as_secs(), 6, "writes are pipelined");

    let pending = log.append(batch(2, 0)).unwrap();
    let new = open(&storage, partition(0), 1).await;
    assert_eq!(new.bounds().durable_end, Offset(3));
    assert_eq!(pending.await.unwrap_err().kind(), ErrorKind::Fenced);
    drop(new.append(batch(3, 1)).unwrap());
    storage.close().await.unwrap();
    assert_eq!(new.bounds().durable_end, Offset(4), "closing waits for what is outstanding");
}

#[tokio::test(start_paused = true)]
async fn metadata_and_snapshots_are_delayed() {
    let env = Env::seeded(1);
    let delays = Delays { write: Duration::from_secs(2), read: Duration::from_secs(1), ..Delays::default() };
    let start = env.now();
    let log = DelayedMetadataLog::new(Arc::new(MemoryMetadataLog::new()), env.clone(), delays);
    log.append_at(0, vec![Bytes::new()]).await.unwrap();
    log.read(0, 1).await.unwrap();
    assert_eq!(env.now().since(start).as_secs(), 3);
    let store = DelayedSnapshots::new(Arc::new(MemorySnapshots::new()), env.clone(), delays);
    store.save(partition(0), Snapshot { end: Offset(0), state: Bytes::new() }).await.unwrap();
    store.latest(partition(0)).await.unwrap();
    assert_eq!(env.now().since(start).as_secs(), 6);
}

#[tokio::test]
async fn calls_and_bytes_are_counted() {
    let counts = Arc::new(Counts::new());
    let storage = CountedStorage::new(Arc::new(MemoryStorage::default()), Arc::clone(&counts));
    let log = open(&storage, partition(0), 0).await;
    let size = batch(0, 0).size_in_bytes() as u64;
    append(&*log, batch(0, 0)).await;
    append(&*log, batch(1, 0)).await;
    assert!(log.append(batch(0, 0)).is_err());
    log.read(Offset(1), Offset(2), 1).await.unwrap();
    assert_eq!((counts.calls(Operation::Append), counts.calls(Operation::Read)), (3, 1));
    assert_eq!((counts.appended_bytes(), counts.read_bytes()), (2 * size, size));
    let log = CountedMetadataLog::new(Arc::new(MemoryMetadataLog::new()), Arc::clone(&counts));
    log.end().await.unwrap();
    let store = CountedSnapshots::new(Arc::new(MemorySnapshots::new()), Arc::clone(&counts));
    store.latest(partition(0)).await.unwrap();
    assert_eq!((counts.calls(Operation::MetadataEnd), counts.calls(Operation::SnapshotLatest)), (1, 1));
    assert_eq!(counts.calls(Operation::Open), 1);
}
