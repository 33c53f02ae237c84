//! The watch on bounds.

use std::sync::Arc;

use crate::conformance::LogSubject;
use crate::conformance::support::{append, batch, bounds, open, partition, soon, submit};
use crate::ids::Offset;
use crate::log::{Bounds, PartitionReader, Signal, TrimBase};

/// Makes `change` while others wait for the bounds that follow, by the watch alone.
async fn assert_seen(
    what: &str,
    watched: [&dyn PartitionReader; 2],
    expected: Bounds,
    change: impl Future<Output = ()> + Send,
) {
    let [one, other] = watched.map(|reader| async move {
        let signal = Signal::new();
        let subscription = reader.bounds_cell().subscribe(&signal, 1);
        while reader.bounds() != expected {
            assert_eq!(signal.changed().await, [1], "the token of the subscription");
        }
        drop(subscription);
    });
    // Joined futures are polled in order: both wait before the change is made.
    soon(what, futures::future::join3(one, other, change)).await;
}

/// The watch wakes at an append's durability, a trim and a reset, on the handle and on a reader.
pub async fn the_watch_wakes_at_every_change(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let reader = storage.open_reader(partition(0)).await.unwrap();
    let watched: [&dyn PartitionReader; 2] = [&*log, &*reader];
    assert_seen("an append", watched, bounds(0, 3, 3), append(&*log, batch(0, 3, 0))).await;
    assert_seen("a trim", watched, bounds(2, 3, 3), async {
        log.trim_prefix(Offset(2), TrimBase::default()).await.unwrap();
    })
    .await;
    assert_seen("a reset", watched, bounds(50, 50, 50), async {
        log.reset_to(Offset(50), TrimBase::default()).await.unwrap();
    })
    .await;
    storage.close().await.unwrap();
}

/// When a ticket resolves the bounds have moved already, whoever looks.
pub async fn bounds_move_before_a_ticket_resolves(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    let log = open(&storage, partition(0), 0).await;
    let reader = storage.open_reader(partition(0)).await.unwrap();
    for n in 0..200 {
        let ticket = submit(&*log, batch(n, 1, 0)).await;
        soon("a ticket", ticket).await.unwrap();
        for bounds in [log.bounds(), reader.bounds()] {
            assert_eq!(bounds.durable_end, Offset(n + 1), "the ticket of offset {n} has resolved");
        }
    }
    storage.close().await.unwrap();
}

/// Who waits on a log is woken when it closes, is fenced or is removed.
pub async fn the_watch_wakes_at_the_end(subject: Arc<dyn LogSubject>) {
    let storage = subject.open().await;
    for (n, what) in (0..).zip(["close", "fencing", "removal", "storage close"]) {
        let log = open(&storage, partition(n), 0).await;
        let signal = Signal::new();
        let subscription = log.bounds_cell().subscribe(&signal, 7);
        match what {
            "close" => log.close().await.unwrap(),
            "fencing" => drop(open(&storage, partition(n), 1).await),
            "removal" => storage.remove(&[partition(n)]).await.unwrap(),
            _ => storage.close().await.unwrap(),
        }
        assert_eq!(soon(what, signal.changed()).await, [7], "woken by {what}");
        drop(subscription);
        assert_eq!(log.bounds_cell().subscribers(), 0);
    }
}
