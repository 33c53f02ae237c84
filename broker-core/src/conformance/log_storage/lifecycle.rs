//! Closing, reopening, listing, removing.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, append_all, assert_fails, assert_holds, batch, bounds, open, partition, partition_of, soon, submit,
    try_open,
};
use crate::ids::Offset;
use crate::log::ErrorKind;

/// What was acknowledged is there after the storage was closed and opened again.
pub async fn reopening_keeps_the_log(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let batches = [batch(3, 2, 0), batch(5, 2, 0), batch(50, 1, 0)];
    append_all(&*open(&storage, partition(0), 0).await, &batches).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.bounds(), bounds(0, 51, 51));
    assert_holds("the reopened log", &*log, &batches).await;
    let result = log.append(batch(50, 1, 1));
    assert_fails("an offset of before the reopening", result, &[ErrorKind::OutOfRange]);
    append(&*log, batch(51, 1, 1)).await;
    storage.close().await.unwrap();
}

/// Closing a handle makes durable what it took; then it writes no more. It can be done again.
pub async fn closing_a_handle_flushes_it(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let other = open(&storage, partition(1), 0).await;
    let tickets = [submit(&*log, batch(0, 1, 0)).await, submit(&*log, batch(1, 1, 0)).await];
    soon("close", log.close()).await.unwrap();
    for ticket in tickets {
        soon("a ticket", ticket).await.unwrap();
    }
    let closed = &[ErrorKind::Closed];
    assert_fails("an append after close", log.append(batch(2, 1, 0)), closed);
    assert_fails("`ready` after close", soon("ready", log.ready(1)).await, closed);
    assert_fails("a read after close", soon("read", log.read(Offset(0), Offset(2), 100)).await, closed);
    assert_fails("a trim after close", soon("trim", log.trim_prefix(Offset(1), Default::default())).await, closed);
    assert_fails("a reset after close", soon("reset", log.reset_to(Offset(9), Default::default())).await, closed);
    soon("close again", log.close()).await.unwrap();
    append(&*other, batch(0, 1, 0)).await;
    let log = open(&storage, partition(0), 1).await;
    assert_holds("the log", &*log, &[batch(0, 1, 0), batch(1, 1, 0)]).await;
    storage.close().await.unwrap();
}

/// Closing the storage does the same to every handle, and ends the storage.
pub async fn closing_the_storage_flushes_all(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let logs = [open(&storage, partition(0), 0).await, open(&storage, partition(1), 0).await];
    let mut tickets = Vec::new();
    for log in &logs {
        tickets.push(submit(&**log, batch(0, 4, 0)).await);
    }
    soon("close", storage.close()).await.unwrap();
    soon("close again", storage.close()).await.unwrap();
    for ticket in tickets {
        soon("a ticket", ticket).await.unwrap();
    }
    let closed = &[ErrorKind::Closed];
    assert_fails("an append after close", logs[0].append(batch(4, 1, 0)), closed);
    assert_fails("`open_many` after close", try_open(&storage, partition(0), 1).await, closed);
    assert_fails("`open_reader` after close", storage.open_reader(partition(0)).await.map(|_| ()), closed);
    assert_fails("`list` after close", storage.list().await, closed);
    assert_fails("`remove` after close", storage.remove(&[partition(0)]).await, closed);
    let storage = subject.open().await;
    for n in 0..2 {
        assert_holds("a log", &*open(&storage, partition(n), 1).await, &[batch(0, 4, 0)]).await;
    }
    storage.close().await.unwrap();
}

/// `list` names every partition that has a log, in order.
pub async fn a_list_is_in_order(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    assert_eq!(storage.list().await.unwrap(), []);
    let mut ids = Vec::new();
    for (topic, n) in [(9, 0), (1, 10), (1, 2), (5, 0), (1, 0)] {
        open(&storage, partition_of(topic, n), 0).await;
        ids.push(partition_of(topic, n));
    }
    ids.sort_unstable();
    assert_eq!(storage.list().await.unwrap(), ids);
    storage.close().await.unwrap();
    let storage = subject.open().await;
    assert_eq!(storage.list().await.unwrap(), ids, "after a reopening");
    storage.close().await.unwrap();
}

/// Logs are kept by topic id and number: two topics' partitions of one number share nothing.
pub async fn topics_share_nothing(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let (old, new) = (partition_of(1, 0), partition_of(2, 0));
    let log = open(&storage, old, 0).await;
    append(&*log, batch(0, 3, 0)).await;
    let other = open(&storage, new, 0).await;
    assert_eq!(other.bounds(), bounds(0, 0, 0));
    append(&*other, batch(0, 1, 0)).await;
    storage.remove(&[old]).await.unwrap();
    assert_holds("the other topic", &*other, &[batch(0, 1, 0)]).await;
    storage.close().await.unwrap();
}

/// Removing a log closes its handles, forgets everything of it, and touches no other.
pub async fn removing_forgets_everything(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let (gone, kept) = (open(&storage, partition(0), 5).await, open(&storage, partition(1), 5).await);
    append_all(&*gone, &[batch(0, 3, 5), batch(3, 3, 5)]).await;
    gone.trim_prefix(Offset(3), crate::conformance::support::base_state(3, "state")).await.unwrap();
    append(&*kept, batch(0, 1, 5)).await;
    let reader = storage.open_reader(partition(0)).await.unwrap();
    soon("remove", storage.remove(&[partition(0), partition(77)])).await.unwrap();
    let closed = &[ErrorKind::Closed];
    assert_fails("an append to a removed log", gone.append(batch(6, 1, 5)), closed);
    assert_fails("a read of a removed log", gone.read(Offset(3), Offset(6), 100).await, closed);
    assert_fails("a reader of a removed log", reader.read(Offset(3), Offset(6), 100).await, closed);
    assert_fails("a new reader of it", storage.open_reader(partition(0)).await.map(|_| ()), closed);
    assert_eq!(storage.list().await.unwrap(), [partition(1)]);
    soon("remove again", storage.remove(&[partition(0)])).await.unwrap();
    append(&*kept, batch(1, 1, 5)).await;
    storage.close().await.unwrap();

    let storage = subject.open().await;
    assert_eq!(storage.list().await.unwrap(), [partition(1)], "after a reopening");
    let again = open(&storage, partition(0), 6).await;
    assert_eq!(again.bounds(), bounds(0, 0, 0), "a log that is made again");
    assert_eq!(again.trim_base().await.unwrap(), Default::default());
    assert_holds("a log that is made again", &*again, &[]).await;
    storage.close().await.unwrap();
}

/// The storage names the same medium each time.
pub async fn durability_is_constant(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let durability = storage.durability();
    append(&*open(&storage, partition(0), 0).await, batch(0, 1, 0)).await;
    assert_eq!(storage.durability(), durability);
    storage.close().await.unwrap();
    let storage = subject.open().await;
    assert_eq!(storage.durability(), durability);
    storage.close().await.unwrap();
}
