//! Trimming the front, and starting over elsewhere.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{
    append, append_all, assert_fails, assert_holds, assert_same, base_state, batch, bounds, open, partition, soon,
};
use crate::ids::Offset;
use crate::log::{ErrorKind, TrimBase};

/// A trim moves the start and drops the batches before it, also after a reopening.
pub async fn a_trim_moves_the_start(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch(0, 5, 0), batch(5, 5, 0), batch(20, 5, 0)];
    append_all(&*log, &batches).await;
    soon("trim", log.trim_prefix(Offset(5), TrimBase::default())).await.unwrap();
    assert_eq!(log.bounds(), bounds(5, 25, 25));
    assert_holds("the trimmed log", &*log, &batches[1..]).await;
    // Into a gap.
    soon("trim", log.trim_prefix(Offset(15), TrimBase::default())).await.unwrap();
    assert_eq!(log.bounds(), bounds(15, 25, 25));
    assert_holds("the log trimmed into a gap", &*log, &batches[2..]).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.bounds(), bounds(15, 25, 25), "after a reopening");
    assert_holds("the reopened log", &*log, &batches[2..]).await;
    storage.close().await.unwrap();
}

/// A batch that straddles the new start stays, whole, and is what a read from the start returns.
pub async fn a_batch_that_straddles_the_start_stays_whole(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let batches = [batch(0, 10, 0), batch(10, 10, 0)];
    append_all(&*log, &batches).await;
    soon("trim", log.trim_prefix(Offset(13), TrimBase::default())).await.unwrap();
    assert_eq!(log.bounds(), bounds(13, 20, 20));
    assert_holds("the log", &*log, &batches[1..]).await;
    assert_same("from within", &log.read(Offset(17), Offset(20), 1).await.unwrap(), &batches[1..]);
    let below = soon("read", log.read(Offset(10), Offset(20), 100)).await;
    assert_fails("a read below the start", below, &[ErrorKind::OutOfRange]);
    append(&*log, batch(20, 1, 0)).await;
    soon("trim", log.trim_prefix(Offset(20), TrimBase::default())).await.unwrap();
    assert_holds("the log without it", &*log, &[batch(20, 1, 0)]).await;
    storage.close().await.unwrap();
}

/// What is saved with a trim is returned from then on, also after a reopening and a takeover.
pub async fn the_trim_base_is_kept(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    let first = base_state(5, "producers at 5");
    soon("trim", log.trim_prefix(Offset(5), first.clone())).await.unwrap();
    assert_eq!(log.trim_base().await.unwrap(), first);
    let reader = storage.open_reader(partition(0)).await.unwrap();
    assert_eq!(reader.trim_base().await.unwrap(), first, "by a reader");
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.trim_base().await.unwrap(), first, "after a takeover");
    let second = TrimBase { start: Offset(7), state: vec![7; 100_000].into() };
    soon("trim", log.trim_prefix(Offset(7), second.clone())).await.unwrap();
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 2).await;
    assert_eq!(log.bounds(), bounds(7, 10, 10), "after a reopening");
    assert_eq!(log.trim_base().await.unwrap(), second, "after a reopening");
    storage.close().await.unwrap();
}

/// A trim to the start or below has no effect, not on the saved state either.
pub async fn a_trim_never_goes_back(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    let base = base_state(5, "kept");
    soon("trim", log.trim_prefix(Offset(5), base.clone())).await.unwrap();
    for before in [5, 3, 0, -1] {
        soon("trim", log.trim_prefix(Offset(before), base_state(before, "late"))).await.unwrap();
        assert_eq!(log.bounds(), bounds(5, 10, 10), "after a trim to {before}");
        assert_eq!(log.trim_base().await.unwrap(), base, "after a trim to {before}");
    }
    storage.close().await.unwrap();
}

/// A trim beyond the durable end is refused, and changes nothing.
pub async fn a_trim_beyond_the_end_is_refused(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append(&*log, batch(0, 5, 0)).await;
    for before in [6, 100, i64::MAX] {
        let result = soon("trim", log.trim_prefix(Offset(before), base_state(before, "too far"))).await;
        assert_fails(format!("a trim to {before} of a log that ends at 5"), result, &[ErrorKind::OutOfRange]);
    }
    assert_eq!(log.bounds(), bounds(0, 5, 5));
    assert_eq!(log.trim_base().await.unwrap(), TrimBase::default());
    assert_holds("the log", &*log, &[batch(0, 5, 0)]).await;
    storage.close().await.unwrap();
}

/// Trimmed to its end a log is empty, and its offsets go on from there (invariant 2).
pub async fn offsets_go_on_after_a_whole_trim(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append(&*log, batch(0, 5, 0)).await;
    soon("trim", log.trim_prefix(Offset(5), base_state(5, "all"))).await.unwrap();
    assert_eq!(log.bounds(), bounds(5, 5, 5));
    assert_holds("the log", &*log, &[]).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.bounds(), bounds(5, 5, 5), "after a reopening");
    assert_fails("a used offset", log.append(batch(4, 1, 1)), &[ErrorKind::OutOfRange]);
    append(&*log, batch(5, 2, 1)).await;
    assert_holds("the log", &*log, &[batch(5, 2, 1)]).await;
    storage.close().await.unwrap();
}

/// A reset leaves an empty log that starts at the offset, ahead of the old end or behind it.
pub async fn a_reset_starts_over(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append_all(&*log, &[batch(0, 5, 0), batch(5, 5, 0)]).await;
    for at in [1000, 3, 0] {
        let base = base_state(at, "of the leader");
        soon("reset", log.reset_to(Offset(at), base.clone())).await.unwrap();
        assert_eq!(log.bounds(), bounds(at, at, at));
        assert_eq!(log.trim_base().await.unwrap(), base);
        assert_holds("the log after a reset", &*log, &[]).await;
        assert_eq!(log.offset_for_timestamp(0).await.unwrap(), None);
        assert_fails("an offset below it", log.append(batch(at - 1, 1, 0)), &[ErrorKind::OutOfRange]);
        append(&*log, batch(at + 2, 2, 0)).await;
        assert_holds("the log after it", &*log, &[batch(at + 2, 2, 0)]).await;
    }
    storage.close().await.unwrap();
}

/// A reset is there after a reopening, with what was appended after it and nothing from before.
pub async fn a_reset_is_durable(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    append_all(&*log, &[batch(0, 5, 0), batch(90, 20, 0)]).await;
    let base = base_state(100, "base");
    soon("reset", log.reset_to(Offset(100), base.clone())).await.unwrap();
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 1).await;
    assert_eq!(log.bounds(), bounds(100, 100, 100), "after a reopening");
    assert_eq!(log.trim_base().await.unwrap(), base);
    append(&*log, batch(105, 1, 1)).await;
    storage.close().await.unwrap();
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 2).await;
    assert_eq!(log.bounds(), bounds(100, 106, 106));
    assert_holds("the log", &*log, &[batch(105, 1, 1)]).await;
    storage.close().await.unwrap();
}
