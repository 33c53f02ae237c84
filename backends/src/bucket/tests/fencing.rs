//! Who has a prefix, and who had it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, ObjectStoreExt};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{ErrorKind, LogStorage, OpenPartition, PartitionLog};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use super::subject::eager;
use crate::bucket::{BucketBackend, BucketOptions, OpenError};

const ID: PartitionId = PartitionId { topic: TopicId(Uuid::from_u128(1)), partition: 0 };

async fn open(store: &Arc<InMemory>, options: BucketOptions) -> Result<BucketBackend, OpenError> {
    BucketBackend::open(Arc::clone(store) as _, "log", options, &Env::system()).await
}

async fn lead(backend: &BucketBackend, epoch: i32) -> Arc<dyn PartitionLog> {
    let wanted = OpenPartition { id: ID, epoch: LeaderEpoch(epoch) };
    backend.logs().open_many(&[wanted]).await.pop().unwrap().unwrap()
}

fn batch(log: &Arc<dyn PartitionLog>, text: &str) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(0, None, Some(text.as_bytes()), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(log.bounds().end, log.epoch())
}

async fn write(log: &Arc<dyn PartitionLog>, text: &str) -> Result<(), ottla_broker_core::log::Error> {
    log.append(batch(log, text))?.await
}

async fn count(log: &Arc<dyn PartitionLog>) -> usize {
    log.read(log.bounds().start, Offset(i64::MAX), 1 << 20).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_live_owner_is_not_robbed() {
    let store = Arc::new(InMemory::new());
    let options = BucketOptions { owner: "orders@host-3".to_owned(), ..BucketOptions::default() };
    let first = open(&store, options).await.unwrap();
    let error = open(&store, BucketOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("orders@host-3") && error.contains("take_over"), "{error}");
    // It was left in peace.
    let log = lead(&first, 1).await;
    write(&log, "a").await.unwrap();
    first.logs().close().await.unwrap();
    // Given back, it can be opened at once.
    let env = Env::system();
    let begun = env.now();
    let second = open(&store, BucketOptions::default()).await.unwrap();
    assert_eq!(env.now().since(begun), Duration::ZERO);
    assert_eq!(count(&lead(&second, 2).await).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_owner_is_waited_for_no_longer_than_said() {
    let store = Arc::new(InMemory::new());
    let first = open(&store, BucketOptions::default()).await.unwrap();
    write(&lead(&first, 1).await, "a").await.unwrap();
    first.logs().kill();
    let env = Env::system();
    let begun = env.now();
    let options = BucketOptions { stale_after: Duration::from_secs(9), ..BucketOptions::default() };
    let second = open(&store, options).await.unwrap();
    assert!((9..=11).contains(&env.now().since(begun).as_secs()), "{:?}", env.now().since(begun));
    assert_eq!(count(&lead(&second, 2).await).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_was_given_up_keeps_nobody_out() {
    let store = Arc::new(InMemory::new());
    let env = Env::system();
    let slow = ThrottleConfig { wait_list_per_call: Duration::from_millis(100), ..ThrottleConfig::default() };
    let slow = Arc::new(ThrottledStore::new(Arc::clone(&store), slow));
    let opening = BucketBackend::open(slow, "log", BucketOptions::default(), &env);
    // The prefix is taken after two lists, and what is there is looked at with a third.
    assert!(env.timeout(Duration::from_millis(250), opening).await.is_err());
    assert_eq!(paths(&store, "log/leases").await.len(), 1);
    let begun = env.now();
    drop(open(&store, BucketOptions::default()).await.unwrap());
    assert!(env.now().since(begun) < Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn who_was_robbed_acknowledges_nothing_more() {
    let store = Arc::new(InMemory::new());
    let first = open(&store, eager()).await.unwrap();
    let old = lead(&first, 1).await;
    write(&old, "a").await.unwrap();
    let second = open(&store, eager()).await.unwrap();
    let new = lead(&second, 2).await;
    assert_eq!(count(&new).await, 1);
    let error = write(&old, "lost").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert!(error.to_string().contains("taken over"), "{error}");
    write(&new, "b").await.unwrap();
    second.logs().close().await.unwrap();
    let third = open(&store, eager()).await.unwrap();
    assert_eq!(count(&lead(&third, 3).await).await, 2);
    assert_eq!(first.logs().close().await.unwrap_err().kind(), ErrorKind::Fenced);
}

/// Otherwise it would refuse batches for what its successor has written, and their producers would write them twice.
#[tokio::test(start_paused = true)]
async fn who_was_robbed_cannot_confirm_that_it_writes() {
    let store = Arc::new(InMemory::new());
    let first = open(&store, eager()).await.unwrap();
    let old = lead(&first, 1).await;
    write(&old, "a").await.unwrap();
    old.confirm().await.unwrap();
    assert_eq!(count(&old).await, 1);
    let second = open(&store, eager()).await.unwrap();
    let new = lead(&second, 2).await;
    assert_eq!(old.confirm().await.unwrap_err().kind(), ErrorKind::Fenced);
    new.confirm().await.unwrap();
    assert_eq!((new.epoch(), count(&new).await), (LeaderEpoch(2), 1));
}

#[tokio::test(start_paused = true)]
async fn of_many_who_open_at_once_one_has_it() {
    let store = Arc::new(InMemory::new());
    let opening = (0..16).map(|_| open(&store, BucketOptions::default()));
    let mut opened = Vec::new();
    for result in futures::future::join_all(opening).await {
        match result {
            Ok(backend) => opened.push(backend),
            Err(OpenError::InUse { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(opened.len(), 1);
    write(&lead(&opened[0], 1).await, "a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_who_took_the_prefix_and_slept_writes_nothing() {
    let store = Arc::new(InMemory::new());
    // The first claim is made, and its owner sleeps before it does anything else.
    let claim = "ottla-claim 1\nid 00000000-0000-0000-0000-000000000001\nstorage 00000000-0000-0000-0000-000000000002\nowner sleeper\n";
    let path = object_store::path::Path::from("log/claims/00000000000001");
    store.put(&path, Bytes::from_static(claim.as_bytes()).into()).await.unwrap();
    let second = open(&store, eager()).await.unwrap();
    write(&lead(&second, 1).await, "a").await.unwrap();
    let first_chunk = object_store::path::Path::from("log/journal/00000000000001/00000000000001");
    let found = store.get(&first_chunk).await.unwrap().bytes().await.unwrap();
    assert!(found.starts_with(b"ottla-tombstone 1"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_lands_behind_a_tombstone_does_not_count() {
    let store = Arc::new(InMemory::new());
    let first = open(&store, eager()).await.unwrap();
    write(&lead(&first, 1).await, "a").await.unwrap();
    let mut chunks = paths(&store, "log/journal/00000000000001").await;
    let last = chunks.pop().unwrap();
    let number: u64 = last.filename().unwrap().parse().unwrap();
    first.logs().kill();
    // A chunk that was on its way behind one that never arrived.
    let body = store.get(&last).await.unwrap().bytes().await.unwrap();
    let late = format!("log/journal/00000000000001/{:014}", number + 2);
    store.put(&late.into(), body.into()).await.unwrap();
    for epoch in 2..5 {
        let backend = open(&store, eager()).await.unwrap();
        let log = lead(&backend, epoch).await;
        assert_eq!(count(&log).await, 1);
        // Time for the sweep.
        Env::system().sleep(Duration::from_secs(5)).await;
        backend.logs().close().await.unwrap();
    }
    // It was swept, and neither the tombstone before it nor what the log still refers to.
    let left = paths(&store, "log/journal/00000000000001").await;
    let names: Vec<_> = left.iter().map(|path| path.filename().unwrap().to_owned()).collect();
    assert_eq!(names, [format!("{number:014}"), format!("{:014}", number + 1)]);
}

async fn paths(store: &Arc<InMemory>, prefix: &str) -> Vec<object_store::path::Path> {
    let listed: Vec<_> = store.list(Some(&prefix.into())).try_collect().await.unwrap();
    let mut paths: Vec<_> = listed.into_iter().map(|object| object.location).collect();
    paths.sort();
    paths
}
