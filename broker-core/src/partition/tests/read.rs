//! What a reader sees.

use futures::FutureExt;

use crate::api::{Acks, ErrorCode, IsolationLevel, OffsetSpec};
use crate::ids::{LeaderEpoch, Offset};
use crate::partition::Read;
use crate::partition::testing::{TRUSTED, World, bases, from, plain};

#[tokio::test]
async fn a_consumer_sees_nothing_beyond_the_high_watermark() {
    let world = World::new();
    let (partition, log) = world.open().await;
    assert!(partition.append(plain(2), Acks::All, TRUSTED).is_ok());
    log.defer();
    let pending = partition.append(plain(3), Acks::All, TRUSTED).unwrap();
    let seen = partition.read(&from(0)).await.unwrap();
    assert_eq!((bases(&seen), seen.high_watermark, seen.last_stable_offset), (vec![0], Offset(2), Offset(2)));
    let latest = partition.list_offset(OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await.unwrap();
    assert_eq!(latest.offset, Some(Offset(2)));
    // A follower does: that is how it becomes one of those the high watermark waits for.
    let follower = Read { as_replica: true, ..from(0) };
    assert_eq!(bases(&partition.read(&follower).await.unwrap()), [0, 2]);
    log.release(1);
    assert_eq!(bases(&partition.read(&from(0)).await.unwrap()), [0, 2]);
    assert!(pending.now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn the_high_watermark_never_goes_back() {
    let world = World::new();
    let (partition, log) = world.open().await;
    assert!(partition.append(plain(2), Acks::All, TRUSTED).is_ok());
    assert_eq!(partition.high_watermark(), Offset(2));
    log.forget_durability(Offset(1));
    assert_eq!(partition.high_watermark(), Offset(2));
    assert_eq!(partition.last_stable_offset(), Offset(2));
}

#[tokio::test]
async fn offsets_outside_the_log_are_errors_and_those_not_yet_visible_are_not() {
    let world = World::new();
    let (partition, log) = world.open().await;
    assert!(partition.append(plain(4), Acks::All, TRUSTED).is_ok());
    log.defer();
    let _pending = partition.append(plain(4), Acks::All, TRUSTED).unwrap();
    for offset in 4..=8 {
        assert_eq!(bases(&partition.read(&from(offset)).await.unwrap()), [0_i64; 0], "{offset}");
    }
    partition.delete_records(Offset(2)).await.unwrap();
    assert_eq!(bases(&partition.read(&from(3)).await.unwrap()), [0]);
    for offset in [-1, 0, 1, 9, i64::MAX] {
        let error = partition.read(&from(offset)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::OffsetOutOfRange);
        for part in ["t-3", &offset.to_string(), "2 to 8"] {
            assert!(error.message.contains(part), "{error} does not say {part}");
        }
    }
}

#[tokio::test]
async fn requests_of_another_epoch_are_fenced_both_ways() {
    let world = World::new();
    let _older = world.open().await;
    let (partition, _log) = world.open().await;
    assert_eq!(partition.epoch(), LeaderEpoch(2));
    let at = |epoch| Read { current_leader_epoch: Some(LeaderEpoch(epoch)), ..from(0) };
    assert_eq!(partition.read(&at(1)).await.unwrap_err().code, ErrorCode::FencedLeaderEpoch);
    assert_eq!(partition.read(&at(3)).await.unwrap_err().code, ErrorCode::UnknownLeaderEpoch);
    assert!(partition.read(&at(2)).await.is_ok());
    let end = partition.end_of_epoch(LeaderEpoch(1), Some(LeaderEpoch(1)));
    assert_eq!(end.unwrap_err().code, ErrorCode::FencedLeaderEpoch);
}

#[tokio::test]
async fn epochs_end_where_the_next_begins() {
    let world = World::new();
    for (n, appends) in [2, 0, 3].into_iter().enumerate() {
        let (partition, _log) = world.open().await;
        assert_eq!(partition.epoch(), LeaderEpoch(i32::try_from(n).unwrap() + 1));
        for _ in 0..appends {
            assert!(partition.append(plain(2), Acks::All, TRUSTED).is_ok());
        }
    }
    let (partition, _log) = world.open().await;
    let end = |epoch| {
        let end = partition.end_of_epoch(LeaderEpoch(epoch), None).unwrap();
        (end.epoch.map(|epoch| epoch.0), end.end.0)
    };
    // Epoch 2 wrote nothing, 4 has not yet, 5 is not known, and before 1 there was none.
    assert_eq!(
        [end(0), end(1), end(2), end(3), end(4), end(5)],
        [(None, 0), (Some(1), 4), (Some(1), 4), (Some(3), 10), (Some(4), 10), (None, 10)]
    );
    assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
    assert_eq!([end(3), end(4)], [(Some(3), 10), (Some(4), 11)]);
    partition.delete_records(Offset(5)).await.unwrap();
    assert_eq!([end(1), end(3)], [(None, 5), (Some(3), 10)]);
}
