//! Appending and reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use crate::conformance::MetadataSubject;
use crate::conformance::support::{assert_fails, soon};
use crate::env::Env;
use crate::log::{Entry, ErrorKind, MetadataLog, Position};

pub(super) fn commands(of: impl std::fmt::Display) -> Vec<Bytes> {
    vec![Bytes::from(format!("first of {of}")), Bytes::new(), Bytes::from(format!("third of {of}"))]
}

/// Appends at the end, from `from` up to `to`.
pub(super) async fn fill(log: &dyn MetadataLog, from: Position, to: Position) {
    for position in from..to {
        let end = soon("append_at", log.append_at(position, commands(position))).await.unwrap();
        assert_eq!(end, position + 1, "the new end");
    }
}

pub(super) async fn read(log: &dyn MetadataLog, from: Position, max: usize) -> Vec<Entry> {
    soon("read", log.read(from, max)).await.unwrap()
}

pub(super) fn entries(from: Position, to: Position) -> Vec<Entry> {
    (from..to).map(|position| Entry { position, commands: commands(position) }).collect()
}

/// Nothing to read, no snapshot, and the first append is at 0.
pub async fn a_new_metadata_log_is_empty(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    assert_eq!(log.end().await.unwrap(), 0);
    assert_eq!(read(&*log, 0, 10).await, []);
    assert_eq!(log.latest_snapshot().await.unwrap(), None);
    fill(&*log, 0, 1).await;
    assert_eq!(log.end().await.unwrap(), 1);
}

/// Commands come back byte for byte, those of one append together.
pub async fn entries_come_back_in_order(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 20).await;
    assert_eq!(read(&*log, 0, 100).await, entries(0, 20));
    let large = vec![Bytes::from(vec![7; 300_000])];
    log.append_at(20, large.clone()).await.unwrap();
    assert_eq!(read(&*log, 20, 1).await, [Entry { position: 20, commands: large }]);
    assert_eq!(log.append_at(21, Vec::new()).await.unwrap(), 22, "an append of no command takes a position");
    assert_eq!(read(&*log, 21, 1).await, [Entry { position: 21, commands: Vec::new() }]);
}

/// At most `max_entries`, at least one, none at the end, and an error beyond it.
pub async fn reads_are_paged(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 10).await;
    assert_eq!(read(&*log, 3, 4).await, entries(3, 7));
    assert_eq!(read(&*log, 8, 4).await, entries(8, 10));
    assert_eq!(read(&*log, 3, 0).await, entries(3, 4), "at least one");
    assert_eq!(read(&*log, 10, 4).await, []);
    assert_fails("a read beyond the end", log.read(11, 1).await, &[ErrorKind::OutOfRange]);
    let mut paged = Vec::new();
    while let Some(last) = {
        let page = read(&*log, paged.len() as Position, 3).await;
        paged.extend(page.iter().cloned());
        page.into_iter().next_back()
    } {
        assert_eq!(last.position + 1, paged.len() as Position);
    }
    assert_eq!(paged, entries(0, 10));
}

/// A position is taken once, whoever asks, and the loser has written nothing.
pub async fn a_taken_position_is_fenced(subject: Arc<dyn MetadataSubject>) {
    let (one, two) = (subject.open().await, subject.open().await);
    fill(&*one, 0, 3).await;
    for position in 0..3 {
        let result = soon("append_at", two.append_at(position, commands("a rival"))).await;
        assert_fails(format!("an append at {position}, which is taken"), result, &[ErrorKind::Fenced]);
    }
    assert_eq!(read(&*two, 0, 10).await, entries(0, 3));
    fill(&*two, 3, 4).await;
    assert_fails("an append at 3", one.append_at(3, commands("late")).await, &[ErrorKind::Fenced]);
    assert_eq!(read(&*one, 0, 10).await, entries(0, 4));
}

/// Positions have no gaps.
pub async fn a_position_beyond_the_end_is_refused(subject: Arc<dyn MetadataSubject>) {
    let log = subject.open().await;
    fill(&*log, 0, 2).await;
    for position in [3, 1000] {
        let result = log.append_at(position, commands("early")).await;
        assert_fails(format!("an append at {position} of 2"), result, &[ErrorKind::OutOfRange]);
    }
    assert_eq!(log.end().await.unwrap(), 2);
}

/// Many tasks race for each position: one wins it, and what is read is what the winners wrote.
pub async fn one_of_many_racers_wins_each_position(subject: Arc<dyn MetadataSubject>) {
    const RACERS: usize = 16;
    const WINS: usize = 5;
    let env = Env::system();
    let wins = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let mut tasks = Vec::new();
    for racer in 0..RACERS {
        let (log, wins) = (subject.open().await, Arc::clone(&wins));
        tasks.push(env.spawn("racer", async move {
            let mut won = 0;
            while won < WINS {
                let position = log.end().await.unwrap();
                let mine = commands(format!("{racer}, {won}"));
                match log.append_at(position, mine.clone()).await {
                    Ok(end) => {
                        assert_eq!(end, position + 1);
                        let before = wins.lock().unwrap().insert(position, mine);
                        assert_eq!(before, None, "two won position {position}");
                        won += 1;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "{error}"),
                }
            }
        }));
    }
    let done = soon("the race", join_all(tasks)).await;
    assert!(done.into_iter().all(|done| done), "a racer failed");
    let log = subject.open().await;
    let expected: Vec<_> = wins
        .lock()
        .unwrap()
        .iter()
        .map(|(position, won)| Entry { position: *position, commands: won.clone() })
        .collect();
    assert_eq!(expected.len(), RACERS * WINS);
    assert_eq!(read(&*log, 0, 1000).await, expected);
}

/// `watch` returns at once below the end, and otherwise when someone appends, through any handle.
pub async fn the_watch_wakes_at_an_append(subject: Arc<dyn MetadataSubject>) {
    let (log, other) = (subject.open().await, subject.open().await);
    fill(&*log, 0, 1).await;
    assert_eq!(soon("watch", log.watch(0)).await.unwrap(), 1);
    let watcher = Arc::clone(&log);
    let (seen, was_seen) = tokio::sync::oneshot::channel();
    Env::system().spawn("watcher", async move {
        let end = watcher.watch(1).await.unwrap();
        seen.send(end).ok();
    });
    // Dropped half-way, it does no harm.
    drop(log.watch(5));
    fill(&*other, 1, 2).await;
    let end = soon("the watch", was_seen).await.unwrap();
    assert!(end > 1, "the watch beyond 1 returned {end}");
    assert_eq!(soon("watch", other.watch(1)).await.unwrap(), 2);
}

/// Entries and the end outlive a restart.
pub async fn entries_outlive_a_restart(subject: Arc<dyn MetadataSubject>) {
    fill(&*subject.open().await, 0, 7).await;
    subject.restart().await;
    let log = subject.open().await;
    assert_eq!(log.end().await.unwrap(), 7);
    assert_eq!(read(&*log, 0, 100).await, entries(0, 7));
    assert_fails("a used position", log.append_at(6, commands("late")).await, &[ErrorKind::Fenced]);
    fill(&*log, 7, 8).await;
}
