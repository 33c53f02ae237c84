//! A log that fails, is fenced, or closes.

use std::time::Duration;

use futures::FutureExt;

use crate::api::{Acks, ErrorCode, IsolationLevel, OffsetSpec};
use crate::ids::Offset;
use crate::log::ErrorKind;
use crate::partition::testing::{TRUSTED, World, bases, from, plain, sequenced};
use crate::partition::{FetchLimits, Status, Wanted, fetch};

#[tokio::test]
async fn a_failed_ticket_fails_the_partition_and_a_reopened_one_knows_what_was_written() {
    for written in [1, 0] {
        let world = World::new();
        let (partition, log) = world.open().await;
        log.defer();
        let first = partition.append(sequenced(1, 0, 0, 1), Acks::All, TRUSTED).unwrap();
        let second = partition.append(sequenced(1, 0, 1, 1), Acks::Leader, TRUSTED).unwrap();
        log.release(1);
        log.fail(ErrorKind::Unavailable, written);
        assert!(first.await.is_ok());
        let error = second.await.unwrap_err();
        assert_eq!(error.code, ErrorCode::KafkaStorageError);
        assert!(error.is_retriable() && error.message.contains("t-3"), "{error}");
        assert_eq!(partition.status(), Status::Failed);
        assert!(partition.is_failed());
        let later = partition.append(sequenced(1, 0, 2, 1), Acks::All, TRUSTED).unwrap_err();
        assert_eq!(later.code, ErrorCode::KafkaStorageError);
        assert_eq!(partition.read(&from(0)).await.unwrap_err().code, ErrorCode::KafkaStorageError);

        // In doubt until it is opened again; then the retry lands exactly once either way.
        let (reopened, _log) = world.open().await;
        let retry = reopened.append(sequenced(1, 0, 1, 1), Acks::All, TRUSTED).unwrap().await.unwrap();
        assert_eq!(retry.base_offset, Some(Offset(1)), "written: {written}");
        assert_eq!(bases(&reopened.read(&from(0)).await.unwrap()), [0, 1]);
    }
}

#[tokio::test]
async fn an_unacknowledged_failure_shows_at_the_next_append() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    drop(partition.append(plain(1), Acks::None, TRUSTED).unwrap());
    log.fail(ErrorKind::Poisoned, 0);
    assert_eq!(partition.append(plain(1), Acks::All, TRUSTED).unwrap_err().code, ErrorCode::KafkaStorageError);
    assert_eq!(partition.status(), Status::Failed);
}

#[tokio::test(start_paused = true)]
async fn what_is_durable_of_a_poisoned_log_can_be_read() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    let first = partition.append(plain(2), Acks::All, TRUSTED).unwrap();
    let second = partition.append(plain(1), Acks::All, TRUSTED).unwrap();
    log.release(1);
    log.fail(ErrorKind::Poisoned, 0);
    first.await.unwrap();
    assert_eq!(second.await.unwrap_err().code, ErrorCode::KafkaStorageError);
    assert_eq!(partition.status(), Status::Failed);
    // Nothing is written, and the rest is there up to the high watermark and not beyond.
    assert_eq!(partition.append(plain(1), Acks::All, TRUSTED).unwrap_err().code, ErrorCode::KafkaStorageError);
    assert_eq!(partition.delete_records(Offset(1)).await.unwrap_err().code, ErrorCode::KafkaStorageError);
    let fetched = partition.read(&from(0)).await.unwrap();
    assert_eq!((bases(&fetched), fetched.high_watermark), (vec![0], Offset(2)));
    let latest = partition.list_offset(OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await.unwrap();
    assert_eq!(latest.offset, Some(Offset(2)));
    assert!(partition.end_of_epoch(partition.epoch(), None).is_ok());
    // Who waits at the end waits as long as was asked, and not at all for what is there.
    let limits = FetchLimits { max_wait: Duration::from_secs(5), min_bytes: 1, max_bytes: 1 << 20, first: 0 };
    for (offset, waited) in [(0, Duration::ZERO), (2, limits.max_wait)] {
        let wanted = [Wanted { partition: partition.clone(), read: from(offset) }];
        let started = world.env.now();
        assert!(fetch(&wanted, limits, &world.env).await[0].is_ok());
        assert_eq!(world.env.now().since(started), waited);
    }
    // Elections that the storage cannot follow leave the same leader with the same log.
    let (old, elected) = (partition.epoch(), partition.epoch().next().next());
    partition.stays_for(elected);
    for known in [old, old.next(), elected] {
        assert_eq!(partition.check_epoch(Some(known)), Ok(()));
    }
    let unknown = partition.check_epoch(Some(elected.next())).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::UnknownLeaderEpoch);
}

#[tokio::test]
async fn a_newer_leader_fences_the_older() {
    let world = World::new();
    let (old, log) = world.open().await;
    log.defer();
    let pending = old.append(plain(1), Acks::All, TRUSTED).unwrap();
    let (new, _log) = world.open().await;
    log.fail(ErrorKind::Fenced, 1);
    assert_eq!(pending.await.unwrap_err().code, ErrorCode::NotLeaderOrFollower);
    assert_eq!(old.status(), Status::Fenced);
    assert_eq!(old.append(plain(1), Acks::All, TRUSTED).unwrap_err().code, ErrorCode::NotLeaderOrFollower);
    assert!(new.append(plain(1), Acks::All, TRUSTED).unwrap().await.is_ok());
    // Also where the first sign is the refused append.
    let (newest, _log) = world.open().await;
    assert_eq!(new.append(plain(1), Acks::All, TRUSTED).unwrap_err().code, ErrorCode::NotLeaderOrFollower);
    assert_eq!(new.status(), Status::Fenced);
    assert_eq!(newest.status(), Status::Leading);
}

#[tokio::test(start_paused = true)]
async fn failure_and_close_wake_who_waits_for_records() {
    for close in [false, true] {
        let world = World::new();
        let (partition, log) = world.open().await;
        let wanted = [Wanted { partition: partition.clone(), read: from(0) }];
        let limits = FetchLimits { max_wait: Duration::from_secs(3600), min_bytes: 1, max_bytes: 1 << 20, first: 0 };
        let mut poll = Box::pin(fetch(&wanted, limits, &world.env));
        assert!((&mut poll).now_or_never().is_none());
        let started = world.env.now();
        let code = if close {
            partition.close().await.unwrap();
            ErrorCode::NotLeaderOrFollower
        } else {
            log.defer();
            let pending = partition.append(plain(1), Acks::All, TRUSTED).unwrap();
            log.fail(ErrorKind::Unavailable, 0);
            assert!(pending.await.is_err());
            ErrorCode::KafkaStorageError
        };
        assert_eq!(poll.await[0].as_ref().unwrap_err().code, code);
        assert_eq!(world.env.now(), started, "it waited for the deadline");
    }
}

#[tokio::test]
async fn close_makes_durable_what_was_appended_and_refuses_the_rest() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    let pending = partition.append(plain(1), Acks::All, TRUSTED).unwrap();
    partition.close().await.unwrap();
    assert!(pending.await.is_ok());
    assert_eq!(partition.status(), Status::Closed);
    assert!(!partition.is_failed());
    let refused = [
        partition.append(plain(1), Acks::All, TRUSTED).map(|_| ()).unwrap_err(),
        partition.read(&from(0)).await.map(|_| ()).unwrap_err(),
        partition.delete_records(Offset::MAX).await.map(|_| ()).unwrap_err(),
        partition.enforce_retention(0).await.map(|_| ()).unwrap_err(),
        partition.list_offset(OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await.map(|_| ()).unwrap_err(),
        partition.ready(1).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.code == ErrorCode::NotLeaderOrFollower), "{refused:?}");
}
