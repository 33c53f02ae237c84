//! Idempotence: a batch sent again is answered, not written again.

use futures::FutureExt;

use crate::api::{Acks, ErrorCode};
use crate::ids::Offset;
use crate::log::ErrorKind;
use crate::partition::testing::{TRUSTED, World, plain, sequenced};

#[tokio::test]
async fn a_lost_answer_is_answered_again_with_the_original_offset() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    // Five in flight, all answers lost, all sent again.
    for round in 0..3 {
        for i in 0..5 {
            let answer = partition.append(sequenced(1, 0, i * 2, 2), Acks::All, TRUSTED).unwrap().await.unwrap();
            assert_eq!(answer.base_offset, Some(Offset(i64::from(i) * 2)), "round {round}");
        }
    }
    assert_eq!(world.batches().len(), 5);
    // The sixth pushes the first out of what is remembered.
    assert!(partition.append(sequenced(1, 0, 10, 1), Acks::All, TRUSTED).is_ok());
    let error = partition.append(sequenced(1, 0, 0, 2), Acks::All, TRUSTED).unwrap_err();
    assert_eq!(error.code, ErrorCode::OutOfOrderSequenceNumber);
    assert!(error.message.contains("t-3") && error.message.contains("11 is next"), "{error}");
}

#[tokio::test]
async fn overlaps_gaps_and_old_epochs_are_refused() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    assert!(partition.append(sequenced(1, 3, 0, 4), Acks::All, TRUSTED).is_ok());
    let code = |batch| partition.append(batch, Acks::All, TRUSTED).map(|_| ()).unwrap_err().code;
    // Only the first or only the last sequence matches, or it begins within.
    for (base, n) in [(0, 3), (0, 5), (1, 3), (3, 1), (2, 4)] {
        assert_eq!(code(sequenced(1, 3, base, n)), ErrorCode::OutOfOrderSequenceNumber, "{base} {n}");
    }
    assert_eq!(code(sequenced(1, 3, 5, 1)), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(code(sequenced(1, 2, 0, 4)), ErrorCode::InvalidProducerEpoch);
    assert_eq!(code(sequenced(1, 4, 4, 1)), ErrorCode::OutOfOrderSequenceNumber);
    assert!(partition.append(sequenced(1, 4, 0, 1), Acks::All, TRUSTED).is_ok());
    assert_eq!(code(sequenced(1, 3, 4, 1)), ErrorCode::InvalidProducerEpoch);
    assert_eq!(world.batches().len(), 2);
}

#[tokio::test]
async fn sequences_wrap_to_zero() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    assert!(partition.append(sequenced(1, 0, i32::MAX - 1, 2), Acks::All, TRUSTED).is_ok());
    let next = partition.append(sequenced(1, 0, 0, 1), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(next.base_offset, Some(Offset(2)));
    // And in the middle of a batch.
    assert!(partition.append(sequenced(2, 0, i32::MAX, 3), Acks::All, TRUSTED).is_ok());
    let again = partition.append(sequenced(2, 0, i32::MAX, 3), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(again.base_offset, Some(Offset(3)));
    assert!(partition.append(sequenced(2, 0, 2, 1), Acks::All, TRUSTED).is_ok());
}

#[tokio::test]
async fn a_retry_of_what_is_in_flight_waits_for_the_first() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    let _ahead = partition.append(plain(1), Acks::All, TRUSTED).unwrap();
    for acks in [Acks::Leader, Acks::All] {
        let seq = if acks == Acks::Leader { 0 } else { 2 };
        let mut first = partition.append(sequenced(1, 0, seq, 2), acks, TRUSTED).unwrap();
        let mut retry = partition.append(sequenced(1, 0, seq, 2), acks, TRUSTED).unwrap();
        if acks == Acks::Leader {
            log.release(1); // Of what went ahead: not yet ours.
        }
        assert!((&mut retry).now_or_never().is_none(), "{acks:?}: the duplicate was answered before the original");
        assert!((&mut first).now_or_never().is_none());
        log.release(1);
        assert_eq!(retry.await.unwrap(), first.await.unwrap());
    }
    assert_eq!(world.batches().len(), 3);
}

#[tokio::test]
async fn what_the_log_refused_is_not_remembered() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.refuse_next(ErrorKind::Full);
    let error = partition.append(sequenced(1, 0, 0, 2), Acks::All, TRUSTED).unwrap_err();
    assert!(error.is_retriable());
    // Its retry is the first to be written: remembered, it would be "answered" and lost.
    let answer = partition.append(sequenced(1, 0, 0, 2), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(answer.base_offset, Some(Offset(0)));
    assert_eq!(world.batches().len(), 1);
}
