//! Writes that wait, fail or are cut off.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{Entry, ErrorKind, MetadataLog, Snapshot, SnapshotStore};

use super::support::{ENTRIES, Medium, SNAPSHOTS, id};
use crate::decorators::{Fault, Operation};
use crate::engine::over_log::LogMetadata;
use crate::memory::Keep;

fn one(command: &'static str) -> Vec<Bytes> {
    vec![Bytes::from_static(command.as_bytes())]
}

fn entry(position: u64, command: &'static str) -> Entry {
    Entry { position, commands: one(command) }
}

/// Polls once.
async fn poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

async fn kinds_of_all_calls(log: &LogMetadata, position: u64) -> Vec<ErrorKind> {
    vec![
        log.append_at(position, one("again")).await.unwrap_err().kind(),
        log.read(0, 10).await.unwrap_err().kind(),
        log.end().await.unwrap_err().kind(),
        log.watch(0).await.unwrap_err().kind(),
        log.save_snapshot(0, Bytes::new()).await.unwrap_err().kind(),
        log.latest_snapshot().await.unwrap_err().kind(),
        log.trim(0).await.unwrap_err().kind(),
    ]
}

#[tokio::test]
async fn nothing_is_seen_before_it_is_durable() {
    let medium = Medium::manual();
    let log = medium.metadata().await;
    let mut append = pin!(log.append_at(0, one("first")));
    let mut watch = pin!(log.watch(0));
    assert!(poll(&mut append).await.is_none() && poll(&mut watch).await.is_none());
    assert_eq!(log.end().await.unwrap(), 0);
    assert_eq!(log.read(0, 10).await.unwrap(), []);
    let beyond = log.save_snapshot(1, Bytes::new()).await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::OutOfRange, "a snapshot of what is not durable");
    medium.storage().commit();
    assert_eq!(watch.await.unwrap(), 1);
    assert_eq!(append.await.unwrap(), 1);
    assert_eq!(log.read(0, 10).await.unwrap(), [entry(0, "first")]);
}

#[tokio::test]
async fn a_position_in_flight_is_taken_and_the_loser_waits_to_know_it() {
    let medium = Medium::manual();
    let log = medium.metadata().await;
    let mut winner = pin!(log.append_at(0, one("winner")));
    let mut loser = pin!(log.append_at(0, one("loser")));
    let mut next = pin!(log.append_at(1, one("next")));
    assert!(poll(&mut winner).await.is_none() && poll(&mut loser).await.is_none() && poll(&mut next).await.is_none());
    medium.storage().commit();
    assert_eq!(winner.await.unwrap(), 1);
    assert_eq!(loser.await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(next.await.unwrap(), 2);
    assert_eq!(log.read(0, 10).await.unwrap(), [entry(0, "winner"), entry(1, "next")]);
}

#[tokio::test]
async fn an_append_that_was_given_up_keeps_its_position() {
    let medium = Medium::manual();
    let log = medium.metadata().await;
    {
        let mut given_up = pin!(log.append_at(0, one("given up")));
        assert!(poll(&mut given_up).await.is_none());
    }
    let mut rival = pin!(log.append_at(0, one("rival")));
    assert!(poll(&mut rival).await.is_none());
    medium.storage().commit();
    assert_eq!(rival.await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(log.read(0, 10).await.unwrap(), [entry(0, "given up")]);
}

#[tokio::test]
async fn a_crash_before_the_answer_leaves_the_outcome_unknown() {
    for (keep, end) in [(Keep::Nothing, 1), (Keep::All, 2)] {
        let medium = Medium::manual();
        let log = medium.metadata().await;
        let mut first = pin!(log.append_at(0, one("first")));
        assert!(poll(&mut first).await.is_none());
        medium.storage().commit();
        first.await.unwrap();
        let mut cut_off = pin!(log.append_at(1, one("cut off")));
        let mut loser = pin!(log.append_at(1, one("loser")));
        let mut watch = pin!(log.watch(5));
        assert!(poll(&mut cut_off).await.is_none() && poll(&mut loser).await.is_none());
        assert!(poll(&mut watch).await.is_none());
        medium.crash(&keep);
        for error in [cut_off.await.unwrap_err(), loser.await.unwrap_err(), watch.await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
        assert_eq!(kinds_of_all_calls(&log, 1).await, [ErrorKind::Unavailable; 7]);
        let log = medium.metadata().await;
        assert_eq!(log.end().await.unwrap(), end);
        let expected = [entry(0, "first"), entry(1, "cut off")];
        assert_eq!(log.read(0, 10).await.unwrap(), expected[..end as usize]);
    }
}

#[tokio::test]
async fn a_failed_append_fails_every_later_call_as_it_did() {
    for (fault, end) in [(Fault::Before(ErrorKind::Unavailable), 1), (Fault::After(ErrorKind::Unavailable), 2)] {
        let medium = Medium::immediate();
        let log = medium.metadata().await;
        log.append_at(0, one("first")).await.unwrap();
        medium.faults.next(Operation::Append, fault);
        let error = log.append_at(1, one("fails")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.may_have_been_written());
        assert_eq!(kinds_of_all_calls(&log, 1).await, [ErrorKind::Unavailable; 7]);
        let log = medium.metadata().await;
        assert_eq!(log.end().await.unwrap(), end);
        log.append_at(end, one("after")).await.unwrap();
    }
}

/// `Fenced` means that the position is a rival's and nothing was written: a log that lost its own epoch knows neither.
#[tokio::test]
async fn a_log_that_another_opened_does_not_answer_fenced() {
    let medium = Medium::immediate();
    let old = medium.metadata().await;
    old.append_at(0, one("old")).await.unwrap();
    medium.faults.next(Operation::Append, Fault::After(ErrorKind::Fenced));
    assert_eq!(old.append_at(1, one("unknown")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let other = medium.metadata().await;
    let new = medium.metadata().await;
    assert_eq!(other.append_at(2, one("refused")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(new.append_at(2, one("new")).await.unwrap(), 3);
}

#[tokio::test]
async fn a_refused_append_writes_nothing_and_the_log_lives_on() {
    let medium = Medium::immediate();
    let log = medium.metadata().await;
    medium.faults.next(Operation::Append, Fault::Refuse(ErrorKind::Full));
    let error = log.append_at(0, one("no room")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(!error.may_have_been_written());
    assert_eq!(log.append_at(0, one("room")).await.unwrap(), 1);
}

#[tokio::test]
async fn what_no_record_holds_is_refused() {
    let medium = Medium::immediate();
    let log = medium.metadata().await;
    // Never touched, so never really there.
    let state = Bytes::from(vec![0; i32::MAX as usize]);
    let errors = [
        log.save_snapshot(0, state.clone()).await.unwrap_err(),
        log.append_at(0, vec![state.clone()]).await.unwrap_err(),
        medium.snapshots().save(id(7), Snapshot { end: Offset(1), state }).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Full);
        assert!(error.to_string().contains("too large"), "{error}");
    }
    assert_eq!(log.append_at(0, one("small")).await.unwrap(), 1);
}

#[tokio::test]
async fn only_the_newest_snapshot_is_held() {
    let medium = Medium::immediate();
    let log = medium.metadata().await;
    let store = medium.snapshots();
    for position in 0..20 {
        log.append_at(position, one("entry")).await.unwrap();
        log.save_snapshot(position + 1, Bytes::from(vec![1; 1000])).await.unwrap();
        log.trim(position + 1).await.unwrap();
        store.save(id(7), Snapshot { end: Offset(1), state: Bytes::from(vec![1; 1000]) }).await.unwrap();
    }
    let used = medium.storage().used_bytes();
    assert!(used < 2_500, "{used} bytes for two snapshots of 1,000");
    assert_eq!(store.busy(), 0, "an idle partition is remembered");
}

#[tokio::test]
async fn a_crash_within_a_save_leaves_the_old_or_the_new() {
    for (keep, position) in [(Keep::Nothing, 1), (Keep::All, 2)] {
        let medium = Medium::manual();
        let log = medium.metadata().await;
        for at in 0..2 {
            let mut append = pin!(log.append_at(at, one("entry")));
            assert!(poll(&mut append).await.is_none());
            medium.storage().commit();
            append.await.unwrap();
        }
        let mut save = pin!(log.save_snapshot(1, Bytes::from_static(b"1")));
        assert!(poll(&mut save).await.is_none());
        assert_eq!(log.trim(1).await.unwrap_err().kind(), ErrorKind::OutOfRange, "a snapshot that is not durable");
        medium.storage().commit();
        save.await.unwrap();
        let mut save = pin!(log.save_snapshot(2, Bytes::from_static(b"2")));
        assert!(poll(&mut save).await.is_none());
        medium.crash(&keep);
        assert_eq!(save.await.unwrap_err().kind(), ErrorKind::Unavailable);
        let log = medium.metadata().await;
        let expected = Bytes::from(position.to_string());
        assert_eq!(log.latest_snapshot().await.unwrap(), Some((position, expected)));
        assert_eq!(medium.storage().pending_batches(id(SNAPSHOTS)), 0);
        log.trim(position).await.unwrap();
        assert_eq!(medium.storage().pending_batches(id(ENTRIES)), 0);
    }
}

#[tokio::test]
async fn a_failed_save_is_told_and_the_next_one_succeeds() {
    let medium = Medium::immediate();
    let store = medium.snapshots();
    let snapshot = |end| Snapshot { end: Offset(end), state: Bytes::from_static(b"state") };
    store.save(id(7), snapshot(1)).await.unwrap();
    for kind in [ErrorKind::Unavailable, ErrorKind::Fenced, ErrorKind::Poisoned] {
        medium.faults.next(Operation::Append, Fault::Before(kind));
        assert_eq!(store.save(id(7), snapshot(2)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    medium.faults.heal();
    store.save(id(7), snapshot(3)).await.unwrap();
    assert_eq!(store.latest(id(7)).await.unwrap(), Some(snapshot(3)));
}
