//! Saving, replacing, removing. A store may lose a snapshot, so `None` is never wrong after a reopening;
//! while it is open it must keep what it has just acknowledged, or it shortens no replay.

use std::sync::Arc;

use bytes::Bytes;

use crate::conformance::SnapshotSubject;
use crate::conformance::support::{partition, partition_of, soon};
use crate::ids::Offset;
use crate::log::Snapshot;

fn snapshot(end: i64, state: impl Into<Bytes>) -> Snapshot {
    Snapshot { end: Offset(end), state: state.into() }
}

/// A partition without one.
pub async fn there_is_no_snapshot_at_first(subject: Arc<dyn SnapshotSubject>) {
    let store = subject.open().await;
    assert_eq!(soon("latest", store.latest(partition(0))).await.unwrap(), None);
    soon("remove", store.remove(partition(0))).await.unwrap();
}

/// Each save replaces the one before, also by one of a lower offset (the log may have been cut).
pub async fn the_last_saved_snapshot_is_returned(subject: Arc<dyn SnapshotSubject>) {
    let store = subject.open().await;
    let saved = [snapshot(5, "five"), snapshot(0, ""), snapshot(900, vec![9; 1 << 20]), snapshot(7, "seven")];
    for snapshot in saved {
        soon("save", store.save(partition(0), snapshot.clone())).await.unwrap();
        assert_eq!(store.latest(partition(0)).await.unwrap(), Some(snapshot));
    }
    drop(store);
    let latest = subject.open().await.latest(partition(0)).await.unwrap();
    assert!(latest.is_none() || latest == Some(snapshot(7, "seven")), "after a reopening: {latest:?}");
}

/// Partitions, and topics of one number, share nothing.
pub async fn partitions_have_snapshots_of_their_own(subject: Arc<dyn SnapshotSubject>) {
    let store = subject.open().await;
    let ids = [partition(0), partition(1), partition_of(2, 0)];
    for (n, id) in (0..).zip(ids) {
        store.save(id, snapshot(n, format!("of {id}"))).await.unwrap();
    }
    for (n, id) in (0..).zip(ids) {
        assert_eq!(store.latest(id).await.unwrap(), Some(snapshot(n, format!("of {id}"))));
    }
}

/// Removed is removed, also after a reopening, and alone.
pub async fn a_removed_snapshot_is_gone(subject: Arc<dyn SnapshotSubject>) {
    let store = subject.open().await;
    for n in 0..2 {
        store.save(partition(n), snapshot(1, "state")).await.unwrap();
    }
    for _ in 0..2 {
        soon("remove", store.remove(partition(0))).await.unwrap();
        assert_eq!(store.latest(partition(0)).await.unwrap(), None);
    }
    assert_eq!(store.latest(partition(1)).await.unwrap(), Some(snapshot(1, "state")));
    drop(store);
    assert_eq!(subject.open().await.latest(partition(0)).await.unwrap(), None);
}
