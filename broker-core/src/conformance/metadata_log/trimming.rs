//! Snapshots and trims.

use std::sync::Arc;

use bytes::Bytes;

use super::appending::{commands, entries, fill, read};
use crate::conformance::MetadataSubject;
use crate::conformance::support::{assert_fails, soon};
use crate::log::ErrorKind;

/// The newest by position, also after a restart, and also if an older one comes late.
pub async fn the_newest_snapshot_is_returned(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 10).await;
    for (position, newest) in [(0, 0), (4, 4), (10, 10), (7, 10)] {
        let state = Bytes::from(format!("state at {position}"));
        soon("save_snapshot", log.save_snapshot(position, state)).await.unwrap();
        let expected = Bytes::from(format!("state at {newest}"));
        assert_eq!(log.latest_snapshot().await.unwrap(), Some((newest, expected)));
    }
    subject.restart().await;
    let log = subject.open().await;
    assert_eq!(log.latest_snapshot().await.unwrap(), Some((10, Bytes::from("state at 10"))));
    assert_eq!(read(&*log, 0, 100).await, entries(0, 10), "a snapshot takes nothing away");
}

/// A snapshot cannot cover what was not appended.
pub async fn a_snapshot_beyond_the_end_is_refused(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 3).await;
    assert_fails("a snapshot at 4 of 3", log.save_snapshot(4, Bytes::new()).await, &[ErrorKind::OutOfRange]);
    assert_eq!(log.latest_snapshot().await.unwrap(), None);
}

/// Entries that no snapshot covers cannot be trimmed.
pub async fn a_trim_needs_a_snapshot(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 5).await;
    assert_fails("a trim without a snapshot", log.trim(1).await, &[ErrorKind::OutOfRange]);
    log.save_snapshot(3, Bytes::from("state")).await.unwrap();
    assert_fails("a trim beyond the snapshot", log.trim(4).await, &[ErrorKind::OutOfRange]);
    assert_eq!(read(&*log, 0, 100).await, entries(0, 5));
    soon("trim", log.trim(3)).await.unwrap();
    assert_eq!(read(&*log, 3, 100).await, entries(3, 5));
    assert_fails("a read of what was trimmed", log.read(2, 1).await, &[ErrorKind::OutOfRange]);
    assert_eq!(log.latest_snapshot().await.unwrap(), Some((3, Bytes::from("state"))));
}

/// Neither a trim, even of everything, nor a restart frees a position (invariant 6 rests on it).
pub async fn a_trimmed_position_is_never_free_again(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 5).await;
    log.save_snapshot(5, Bytes::from("all")).await.unwrap();
    soon("trim", log.trim(5)).await.unwrap();
    for restarted in [false, true] {
        let log = subject.open().await;
        assert_eq!(log.end().await.unwrap(), 5, "restarted: {restarted}");
        for position in 0..5 {
            let result = log.append_at(position, commands("a rival")).await;
            assert_fails(format!("an append at {position}, which was trimmed"), result, &[ErrorKind::Fenced]);
        }
        assert_eq!(read(&*log, 5, 10).await, []);
        if !restarted {
            subject.restart().await;
        }
    }
    let log = subject.open().await;
    fill(&*log, 5, 6).await;
    assert_eq!(read(&*log, 5, 10).await, entries(5, 6));
}

/// What is trimmed already stays so.
pub async fn a_trim_below_the_start_has_no_effect(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 5).await;
    log.save_snapshot(4, Bytes::from("state")).await.unwrap();
    for before in [3, 2, 0, 3] {
        soon("trim", log.trim(before)).await.unwrap();
        assert_eq!(read(&*log, 3, 100).await, entries(3, 5));
    }
}
