//! Values that are not what was written.

use bytes::Bytes;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{ErrorKind, MetadataLog, PartitionLog, Snapshot, SnapshotStore, TrimBase};
use proptest::prelude::*;

use super::support::{ENTRIES, Medium, SNAPSHOTS, id};
use crate::decorators::{Fault, Operation};
use crate::engine::over_log::{cell, commands};

fn state(fill: u8) -> Bytes {
    Bytes::from(vec![fill; 500])
}

async fn put(log: &dyn PartitionLog, number: i64, value: &[u8]) {
    let batch = cell::encode("a test", number, value).unwrap();
    log.append(batch.stamped(log.bounds().end, log.epoch())).unwrap().await.unwrap();
}

#[tokio::test]
async fn a_damaged_snapshot_is_none() {
    let medium = Medium::immediate();
    let store = medium.snapshots();
    let saved = Snapshot { end: Offset(9), state: state(9) };
    store.save(id(7), saved.clone()).await.unwrap();
    for fault in [Fault::FlipBit, Fault::Refuse(ErrorKind::Corrupt)] {
        medium.faults.next_n(Operation::Read, 20, fault);
        for _ in 0..20 {
            assert_eq!(store.latest(id(7)).await.unwrap(), None);
        }
    }
    assert_eq!(store.latest(id(7)).await.unwrap(), Some(saved));
    medium.faults.next(Operation::Read, Fault::Refuse(ErrorKind::Unavailable));
    assert_eq!(store.latest(id(7)).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_damaged_entry_is_not_served() {
    let medium = Medium::immediate();
    let log = medium.metadata().await;
    log.append_at(0, vec![state(1)]).await.unwrap();
    for _ in 0..20 {
        medium.faults.next(Operation::Read, Fault::FlipBit);
        assert_eq!(log.read(0, 1).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(log.read(0, 1).await.unwrap()[0].commands, [state(1)]);
}

/// As long as the entries are there from the first on, a snapshot only shortens a replay.
#[tokio::test]
async fn a_damaged_metadata_snapshot_is_replaced_by_the_entries_if_they_are_there() {
    let medium = Medium::immediate();
    let log = medium.metadata().await;
    for position in 0..3 {
        log.append_at(position, vec![]).await.unwrap();
    }
    log.save_snapshot(2, state(2)).await.unwrap();
    medium.faults.next(Operation::Read, Fault::FlipBit);
    assert_eq!(log.latest_snapshot().await.unwrap(), None);
    log.trim(2).await.unwrap();
    medium.faults.next(Operation::Read, Fault::FlipBit);
    assert_eq!(log.latest_snapshot().await.unwrap_err().kind(), ErrorKind::Corrupt);
    medium.faults.next(Operation::Read, Fault::FlipBit);
    assert_eq!(medium.try_metadata().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(medium.metadata().await.latest_snapshot().await.unwrap(), Some((2, state(2))));
}

#[tokio::test]
async fn an_older_snapshot_serves_where_the_newest_is_damaged() {
    let medium = Medium::immediate();
    let log = medium.metadata().await;
    for position in 0..3 {
        log.append_at(position, vec![]).await.unwrap();
    }
    log.save_snapshot(2, state(2)).await.unwrap();
    log.trim(2).await.unwrap();
    // A save that was cut off before its trim.
    put(&*medium.logs().at(id(SNAPSHOTS)).await.unwrap(), 3, &state(3)).await;
    let log = medium.metadata().await;
    assert_eq!(log.latest_snapshot().await.unwrap(), Some((3, state(3))));
    medium.faults.next(Operation::Read, Fault::FlipBit);
    assert_eq!(log.latest_snapshot().await.unwrap(), Some((2, state(2))));
    medium.faults.next(Operation::Read, Fault::FlipBit);
    let error = log.trim(3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange, "a trim up to a snapshot that is damaged");
    log.trim(3).await.unwrap();
    medium.faults.next(Operation::Read, Fault::FlipBit);
    assert_eq!(log.latest_snapshot().await.unwrap_err().kind(), ErrorKind::Corrupt, "it does not reach the entries");
}

/// Its positions would be taken twice.
#[tokio::test]
async fn entries_that_end_before_their_snapshot_do_not_open() {
    let medium = Medium::immediate();
    put(&*medium.logs().at(id(SNAPSHOTS)).await.unwrap(), 3, b"state").await;
    let error = medium.try_metadata().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("entries are lost"), "{error}");
}

#[tokio::test]
async fn what_is_not_an_entry_is_corrupt() {
    let no_entry: [(i64, &[u8]); 6] = [
        (1, &[0, 0, 0, 0]),
        (-1, &[0, 0, 0, 0]),
        (0, &[]),
        (0, &[255; 4]),
        (0, &[0, 0, 0, 1, 0, 0, 0, 2, 1]),
        (0, &[0, 0, 0, 0, 9]),
    ];
    for (number, value) in no_entry {
        let medium = Medium::immediate();
        put(&*medium.logs().at(id(ENTRIES)).await.unwrap(), number, value).await;
        let error = medium.metadata().await.read(0, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{number} {value:?}");
    }
    let medium = Medium::immediate();
    let log = medium.logs().at(id(ENTRIES)).await.unwrap();
    log.reset_to(Offset(2), TrimBase::default()).await.unwrap();
    put(&*log, 2, &[0, 0, 0, 0]).await;
    let error = medium.try_metadata().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "trimmed without a snapshot");
}

proptest! {
    #[test]
    fn commands_come_back(of in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12)) {
        let given: Vec<Bytes> = of.into_iter().map(Bytes::from).collect();
        let value = Bytes::from(commands::encode(&given).unwrap());
        prop_assert_eq!(commands::decode(&value).unwrap(), given);
        for cut in 0..value.len() {
            prop_assert!(commands::decode(&Bytes::copy_from_slice(&value[..cut])).is_err());
        }
    }

    #[test]
    fn any_bytes_decode_or_fail(value in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = commands::decode(&Bytes::from(value));
    }
}
