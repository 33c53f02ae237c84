//! A cluster's log moved from one backend to another.
#![allow(clippy::disallowed_methods, reason = "tests stop what they run")]

mod changed;
mod refused;
mod stopped;
mod world;

use std::sync::Arc;

use object_store::memory::InMemory;
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_backends::disk::{DiskBackend, DiskOptions};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Backend, LogStorage};
use world::{assert_same, contents, copy, id, memory, small, source};

async fn bucket(store: &Arc<InMemory>) -> BucketBackend {
    let options = BucketOptions { puts_per_second: 100_000, take_over: true, ..BucketOptions::default() };
    BucketBackend::open(Arc::clone(store) as _, "copy", options, &Env::system()).await.unwrap()
}

async fn disk(directory: &tempfile::TempDir) -> DiskBackend {
    DiskBackend::open(directory.path(), DiskOptions::default(), &Env::system()).await.unwrap()
}

/// Back into memory, from what was closed and opened anew.
async fn and_back(from: &Backend, again: &Backend) {
    let back = memory();
    let report = copy(again, &back.backend(), small(true)).await.unwrap();
    assert!(report.verified && !report.resumed && report.topics == 3 && report.partitions == 6);
    assert_same(from, &back.backend()).await;
}

#[tokio::test]
async fn memory_to_disk_to_memory_is_the_same_in_every_byte() {
    for seed in 0..4 {
        let from = source(seed).await.backend();
        let directory = tempfile::tempdir().unwrap();
        let there = disk(&directory).await;
        let report = copy(&from, &there.backend(), small(true)).await.unwrap();
        assert_eq!(report.batches as usize, contents(&from).await.values().map(|log| log.batches.len()).sum::<usize>());
        assert_same(&from, &there.backend()).await;
        there.logs().close().await.unwrap();
        drop(there);
        let again = disk(&directory).await;
        and_back(&from, &again.backend()).await;
        again.logs().close().await.unwrap();
    }
}

#[tokio::test]
async fn memory_to_bucket_to_memory_is_the_same_in_every_byte() {
    let from = source(7).await.backend();
    let store = Arc::new(InMemory::new());
    let there = bucket(&store).await;
    copy(&from, &there.backend(), small(true)).await.unwrap();
    assert_same(&from, &there.backend()).await;
    there.logs().close().await.unwrap();
    let again = bucket(&store).await;
    and_back(&from, &again.backend()).await;
    again.logs().close().await.unwrap();
}

#[tokio::test]
async fn the_snapshot_goes_along() {
    let from = source(3).await.backend();
    let to = memory().backend();
    copy(&from, &to, small(false)).await.unwrap();
    let plain = id("orders", 0);
    let snapshot = to.snapshots.latest(plain).await.unwrap();
    assert!(snapshot.is_some() && snapshot == from.snapshots.latest(plain).await.unwrap());
}
