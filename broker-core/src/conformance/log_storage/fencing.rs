//! Fencing: one writer a partition and epoch (invariant 6).

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, append_all, assert_fails, assert_holds, batch, bounds, open, partition, read_all, soon, submit, try_open,
};
use crate::ids::{LeaderEpoch, Offset};
use crate::log::{ErrorKind, OpenPartition, PartitionLog};

/// Every way of writing through `log` fails with `Fenced`.
async fn assert_fenced(log: &dyn PartitionLog, end: i64) {
    let fenced = &[ErrorKind::Fenced];
    let epoch = log.epoch().0;
    assert_fails("a fenced append", log.append(batch(end, 1, epoch)), fenced);
    assert_fails("a fenced `ready`", soon("ready", log.ready(1)).await, fenced);
    assert_fails("a fenced trim", soon("trim", log.trim_prefix(Offset(end), Default::default())).await, fenced);
    assert_fails("a fenced reset", soon("reset", log.reset_to(Offset(end), Default::default())).await, fenced);
    if let Some(truncate) = log.truncate_suffix() {
        assert_fails("a fenced truncation", soon("truncate", truncate.truncate_to(Offset(0))).await, fenced);
    }
}

/// Opening at a newer epoch fences the handle of the older one, and keeps what it acknowledged.
pub async fn a_newer_epoch_fences_the_older(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let old = open(&storage, partition(0), 1).await;
    append(&*old, batch(0, 2, 1)).await;
    let new = open(&storage, partition(0), 2).await;
    assert_eq!(new.epoch(), LeaderEpoch(2));
    assert_eq!(new.bounds(), bounds(0, 2, 2));
    assert_fenced(&*old, 2).await;
    append(&*new, batch(2, 1, 2)).await;
    assert_fenced(&*old, 3).await;
    assert_holds("the log", &*new, &[batch(0, 2, 1), batch(2, 1, 2)]).await;
    // Closing the fenced handle takes nothing from the new one.
    soon("close", old.close()).await.ok();
    append(&*new, batch(3, 1, 2)).await;
    storage.close().await.unwrap();
}

/// A partition cannot be opened at an epoch at or below one that it was opened at before, closed or not.
pub async fn an_old_epoch_cannot_open(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 5).await;
    for epoch in [5, 4, 0] {
        let opened = try_open(&storage, partition(0), epoch).await;
        assert_fails(format!("opening at epoch {epoch} after 5"), opened, &[ErrorKind::Fenced]);
    }
    // The refused did no harm.
    append(&*log, batch(0, 1, 5)).await;
    log.close().await.unwrap();
    assert_fails("opening at the same epoch", try_open(&storage, partition(0), 5).await, &[ErrorKind::Fenced]);
    open(&storage, partition(0), 6).await;
    storage.close().await.unwrap();
}

/// Epochs outlive the session that opened at them.
pub async fn epochs_outlive_a_reopening(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    open(&storage, partition(0), 5).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    for epoch in [5, 4] {
        let opened = try_open(&storage, partition(0), epoch).await;
        assert_fails(format!("opening at epoch {epoch} after 5"), opened, &[ErrorKind::Fenced]);
    }
    open(&storage, partition(0), 6).await;
    storage.close().await.unwrap();
}

/// Tickets that have not resolved when the handle is fenced are never resolved `Ok`, and whatever was
/// resolved `Ok` is there. What survives of the rest is a prefix.
pub async fn pending_tickets_of_a_fenced_handle_fail(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    for round in 0..20 {
        let old_epoch = 2 * round;
        let old = open(&storage, partition(0), old_epoch).await;
        let before = old.bounds().end.0;
        let mut tickets = Vec::new();
        for n in 0..10 {
            tickets.push(submit(&*old, batch(before + n, 1, old_epoch)).await);
        }
        let new = open(&storage, partition(0), old_epoch + 1).await;
        let end = new.bounds().end.0;
        assert_eq!(new.bounds().durable_end.0, end, "what a new handle serves is durable");
        let early: Vec<_> = tickets.iter().map(|ticket| ticket.peek()).collect();
        for (n, (ticket, early)) in (0..).zip(tickets.into_iter().zip(early)) {
            let result = soon("a ticket of a fenced handle", ticket).await;
            if early.is_none() {
                assert_fails(
                    "a ticket that was pending when its handle was fenced",
                    result.clone(),
                    &[ErrorKind::Fenced],
                );
            }
            if result.is_ok() {
                assert!(before + n < end, "offset {} was acknowledged, and the log ends at {end}", before + n);
            }
        }
        let expected: Vec<_> = (before..end).map(|base| batch(base, 1, old_epoch)).collect();
        let kept: Vec<_> = read_all(&*new).await.into_iter().filter(|batch| batch.base_offset().0 >= before).collect();
        crate::conformance::support::assert_same("what survived", &kept, &expected);
        assert_fenced(&*old, end).await;
    }
    storage.close().await.unwrap();
}

/// A second process takes a partition over, where the medium can be shared.
pub async fn another_session_takes_over(subject: Arc<dyn LogSubject>) {
    let first = subject.open().await;
    let Some(second) = subject.open_beside().await else { return first.close().await.unwrap() };
    let (kept, taken) = (open(&first, partition(0), 1).await, open(&first, partition(1), 1).await);
    append(&*taken, batch(0, 3, 1)).await;
    let new = open(&second, partition(1), 2).await;
    assert_holds("the log taken over", &*new, &[batch(0, 3, 1)]).await;
    append(&*new, batch(3, 1, 2)).await;
    // The old writer may learn of it only when it writes; it is never acknowledged.
    match taken.append(batch(3, 1, 1)) {
        Ok(ticket) => assert_fails("a fenced append", soon("its ticket", ticket).await, &[ErrorKind::Fenced]),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "{error}"),
    }
    append(&*kept, batch(0, 1, 1)).await;
    assert_holds("the log taken over", &*new, &[batch(0, 3, 1), batch(3, 1, 2)]).await;
    first.close().await.unwrap();
    append(&*new, batch(4, 1, 2)).await;
    second.close().await.unwrap();
}

/// A thousand partitions open in one call: one result for each, in order, and one that cannot be opened
/// keeps no other from it.
pub async fn a_thousand_open_at_once(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    open(&storage, partition(500), 9).await;
    let wanted: Vec<_> = (0..1000).rev().map(|n| OpenPartition { id: partition(n), epoch: LeaderEpoch(3) }).collect();
    let opened = soon("open_many", storage.open_many(&wanted)).await;
    assert_eq!(opened.len(), wanted.len());
    let mut logs = Vec::new();
    for (wanted, opened) in wanted.iter().zip(opened) {
        if wanted.id == partition(500) {
            assert_fails("the partition with a newer epoch", opened, &[ErrorKind::Fenced]);
        } else {
            let log = opened.unwrap_or_else(|error| panic!("{} cannot be opened: {error:?}", wanted.id));
            assert_eq!((log.id(), log.epoch()), (wanted.id, wanted.epoch));
            logs.push(log);
        }
    }
    for log in &logs {
        append_all(&**log, &[batch(0, 1, 3)]).await;
    }
    assert_eq!(storage.list().await.unwrap().len(), 1000);
    assert!(soon("open_many of none", storage.open_many(&[])).await.is_empty());
    storage.close().await.unwrap();
}
