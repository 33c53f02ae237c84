//! Commits by hand, crashes, back-pressure.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ottla_backends::memory::{Commit, Keep, MemoryOptions, MemoryStorage};
use ottla_broker_core::env::{Env, SplitMix64};
use ottla_broker_core::log::{Bounds, ErrorKind, LogStorage};
use ottla_broker_core::{LeaderEpoch, Offset};

use crate::support::{batch, open, partition};

fn manual() -> MemoryStorage {
    let size = batch(0, 0).size_in_bytes();
    MemoryStorage::new(MemoryOptions { commit: Commit::Manual, pending_bytes: 2 * size, ..MemoryOptions::default() })
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn nothing_is_durable_before_it_is_committed() {
    let storage = manual();
    let log = open(&storage, partition(0), 0).await;
    let tickets: Vec<_> = (0..3).map(|n| log.append(batch(n, 0)).unwrap()).collect();
    assert!(tickets.iter().all(|ticket| ticket.peek().is_none()));
    assert_eq!(log.bounds(), Bounds { start: Offset(0), durable_end: Offset(0), end: Offset(3) });
    assert_eq!(storage.pending_batches(partition(0)), 3);
    let error = log.trim_prefix(Offset(1), Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange, "a trim beyond the durable end");
    assert_eq!(storage.commit_partition(partition(0), 2), 2);
    assert_eq!(log.bounds().durable_end, Offset(2));
    assert!(tickets[1].peek().is_some_and(|result| result.is_ok()) && tickets[2].peek().is_none());
    assert_eq!(storage.commit(), 1);
    assert!(tickets[2].clone().await.is_ok());
}

#[tokio::test]
async fn a_crash_keeps_a_prefix_by_chance() {
    let mut survivors = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let storage = manual();
        let log = open(&storage, partition(0), 0).await;
        let tickets: Vec<_> = (0..4).map(|n| log.append(batch(n, 0)).unwrap()).collect();
        storage.commit_partition(partition(0), 1);
        storage.crash(&Keep::Random(Arc::new(SplitMix64::new(seed))));
        assert!(tickets[0].clone().await.is_ok());
        for ticket in &tickets[1..] {
            let error = ticket.clone().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.may_have_been_written());
        }
        assert_eq!(log.append(batch(4, 0)).unwrap_err().kind(), ErrorKind::Closed);
        let log = open(&storage.reopen(), partition(0), 1).await;
        let end = log.bounds().end;
        assert_eq!(log.bounds().durable_end, end);
        assert_eq!(log.read(Offset(0), end, 1 << 20).await.unwrap().len() as i64, end.0);
        survivors.insert(end.0);
    }
    assert_eq!(survivors.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4], "every prefix survives for some seed");
}

#[tokio::test]
async fn a_crash_ends_one_session_alone() {
    let storage = manual();
    let other = storage.reopen();
    let (lost, kept) = (open(&storage, partition(0), 0).await, open(&other, partition(1), 0).await);
    let (lost_ticket, kept_ticket) = (lost.append(batch(0, 0)).unwrap(), kept.append(batch(0, 0)).unwrap());
    storage.crash(&Keep::Nothing);
    assert!(lost_ticket.await.is_err());
    assert_eq!(storage.list().await.unwrap_err().kind(), ErrorKind::Closed);
    other.commit();
    assert!(kept_ticket.await.is_ok());
    assert_eq!(open(&other, partition(0), 1).await.bounds(), Bounds::default());
}

#[tokio::test]
async fn writers_are_let_in_as_bytes_become_durable_first_come_first_served() {
    let storage = manual();
    let size = batch(0, 0).size_in_bytes();
    let log = open(&storage, partition(0), 0).await;
    log.ready(usize::MAX).await.unwrap();
    for n in 0..2 {
        log.ready(size).await.unwrap();
        drop(log.append(batch(n, 0)).unwrap());
    }
    let (mut large, mut small, mut dropped) = (log.ready(2 * size), log.ready(1), log.ready(1));
    assert!(is_pending(&mut large).await && is_pending(&mut dropped).await && is_pending(&mut small).await);
    drop(dropped);
    storage.commit_partition(partition(0), 1);
    assert!(is_pending(&mut large).await, "one batch is still pending");
    assert!(is_pending(&mut small).await, "who came later waits although there is room");
    storage.commit_partition(partition(0), 1);
    large.await.unwrap();
    small.await.unwrap();
}

// Under the paused clock a wait for nothing ends at once.
#[tokio::test(start_paused = true)]
async fn who_waits_for_room_learns_of_the_end() {
    for end in ["fence", "close", "crash", "remove"] {
        let storage = manual();
        let log = open(&storage, partition(0), 0).await;
        let busy = open(&storage, partition(1), 0).await;
        for n in 0..3 {
            drop(busy.append(batch(n, 0)).unwrap());
        }
        let mut waiting = log.ready(1 << 20);
        assert!(is_pending(&mut waiting).await);
        let expected = match end {
            "fence" => {
                open(&storage, partition(0), 1).await;
                ErrorKind::Fenced
            }
            "close" => {
                log.close().await.unwrap();
                ErrorKind::Closed
            }
            "crash" => {
                storage.crash(&Keep::Nothing);
                ErrorKind::Closed
            }
            _ => {
                storage.remove(&[partition(0)]).await.unwrap();
                ErrorKind::Closed
            }
        };
        let told = Env::system().timeout(Duration::from_secs(60), waiting).await.expect(end);
        assert_eq!(told.unwrap_err().kind(), expected, "{end}");
        assert_eq!(log.epoch(), LeaderEpoch(0));
    }
}
