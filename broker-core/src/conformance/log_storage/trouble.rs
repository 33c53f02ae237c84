//! Crashes, failed tickets, damaged reads: for subjects that can arrange them.

use std::sync::Arc;

use crate::conformance::support::{
    append, append_all, assert_fails, assert_same, base_state, batch, bounds, open, partition, read_all, soon, submit,
};
use crate::conformance::{FailedWrite, LogSubject};
use crate::ids::Offset;
use crate::log::ErrorKind;

/// After a crash, what was acknowledged is there; of what was not, a prefix at most; and no ticket is left hanging.
pub async fn a_crash_loses_nothing_acknowledged(subject: Arc<dyn LogSubject>) {
    let id = partition(0);
    for round in 0..20 {
        let storage = subject.open().await;
        let log = open(&storage, id, round).await;
        let before = read_all(&*log).await;
        let acknowledged = log.bounds().end.0;
        let mut submitted = Vec::new();
        let mut tickets = Vec::new();
        for n in 0..10 {
            let batch = batch(acknowledged + n * 2, 2, round);
            submitted.push(batch.clone());
            tickets.push(submit(&*log, batch).await);
        }
        // Some are acknowledged before the crash, and some only told so by it.
        soon("a ticket", tickets[usize::try_from(round).unwrap() % 10].clone()).await.unwrap();
        if !subject.crash().await {
            return storage.close().await.unwrap();
        }
        assert_fails(
            "an append after a crash",
            log.append(batch(1 << 30, 1, round)),
            &[ErrorKind::Closed, ErrorKind::Unavailable, ErrorKind::Poisoned],
        );
        let mut acknowledged_batches = 0;
        let mut failed = false;
        for ticket in tickets {
            let result = soon("a ticket after a crash", ticket).await;
            assert!(!(failed && result.is_ok()), "a ticket succeeded after an earlier one failed");
            failed |= result.is_err();
            acknowledged_batches += usize::from(result.is_ok());
        }
        let storage = subject.open().await;
        let log = open(&storage, id, 1000 + round).await;
        let after = read_all(&*log).await;
        assert!(after.len() >= before.len() + acknowledged_batches, "acknowledged batches are lost");
        let expected: Vec<_> = before.into_iter().chain(submitted).take(after.len()).collect();
        assert_same("the log after a crash", &after, &expected);
        assert_eq!(log.bounds().durable_end, log.bounds().end, "what a new handle serves is durable");
        storage.remove(&[id]).await.unwrap();
        storage.close().await.unwrap();
    }
}

/// Trims, resets, truncations and removals hold over a crash that follows at once.
pub async fn a_crash_undoes_no_trim(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let trimmed = open(&storage, partition(0), 0).await;
    let reset = open(&storage, partition(1), 0).await;
    let truncated = open(&storage, partition(2), 0).await;
    let removed = open(&storage, partition(3), 0).await;
    for log in [&trimmed, &reset, &truncated, &removed] {
        append_all(&**log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    }
    trimmed.trim_prefix(Offset(5), base_state(5, "trimmed")).await.unwrap();
    reset.reset_to(Offset(77), base_state(77, "reset")).await.unwrap();
    let can_truncate = truncated.truncate_suffix().is_some();
    if let Some(capability) = truncated.truncate_suffix() {
        capability.truncate_to(Offset(5)).await.unwrap();
    }
    storage.remove(&[partition(3)]).await.unwrap();
    if !subject.crash().await {
        return storage.close().await.unwrap();
    }
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.bounds(), bounds(5, 10, 10), "trimmed");
    assert_eq!(log.trim_base().await.unwrap(), base_state(5, "trimmed"));
    let log = open(&storage, partition(1), 1).await;
    assert_eq!(log.bounds(), bounds(77, 77, 77), "reset");
    assert_eq!(log.trim_base().await.unwrap(), base_state(77, "reset"));
    let log = open(&storage, partition(2), 1).await;
    assert_eq!(log.bounds().end, Offset(if can_truncate { 5 } else { 10 }), "truncated");
    assert!(!storage.list().await.unwrap().contains(&partition(3)), "removed");
    storage.close().await.unwrap();
}

async fn fail_one(subject: Arc<dyn LogSubject>, how: FailedWrite) {
    let storage = subject.open().await;
    let id = partition(0);
    let log = open(&storage, id, 0).await;
    let other = open(&storage, partition(1), 0).await;
    append(&*log, batch(0, 2, 0)).await;
    if !subject.fail_next_append(how).await {
        return storage.close().await.unwrap();
    }
    let failing = log.append(batch(2, 2, 0)).unwrap();
    // One that was submitted behind it, unless the handle knows already that it is over.
    let behind = log.append(batch(4, 2, 0));
    let error = soon("the failing ticket", failing).await.expect_err("the append was made to fail");
    assert!(error.may_have_been_written(), "{error:?} does not say that the batch may be there");
    if let Ok(ticket) = behind {
        assert!(soon("the ticket behind", ticket).await.is_err(), "a ticket behind a failed one succeeded");
    }
    assert_fails(
        "an append after a failed one",
        log.append(batch(6, 1, 0)),
        &[ErrorKind::Closed, ErrorKind::Poisoned, ErrorKind::Unavailable],
    );
    if error.kind() != ErrorKind::Poisoned {
        append(&*other, batch(0, 1, 0)).await;
    }
    let log = open(&storage, id, 1).await;
    let after = read_all(&*log).await;
    let all = [batch(0, 2, 0), batch(2, 2, 0), batch(4, 2, 0)];
    assert_same("the log after a failed append", &after, &all[..after.len().clamp(1, 3)]);
    append(&*log, batch(log.bounds().end.0, 1, 1)).await;
    storage.close().await.unwrap();
}

/// A failed ticket fails every later one and closes the handle; the partition opens again, without the batch.
pub async fn a_lost_write_closes_the_handle(subject: Arc<dyn LogSubject>) {
    fail_one(subject, FailedWrite::Lost).await;
}

/// The same when the write took effect: the batch may be there when the partition opens again.
pub async fn a_lost_answer_closes_the_handle(subject: Arc<dyn LogSubject>) {
    fail_one(subject, FailedWrite::TookEffect).await;
}

/// What the medium damaged is never served as if it were whole (invariant 9).
pub async fn damage_is_never_served(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch(0, 50, 0), batch(50, 50, 0)];
    append_all(&*log, &batches).await;
    if subject.damage_next_read().await {
        match soon("a damaged read", log.read(Offset(0), Offset(100), usize::MAX)).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            Ok(read) => assert_same("a damaged read that succeeded", &read, &batches[..read.len()]),
        }
    }
    storage.close().await.unwrap();
}
