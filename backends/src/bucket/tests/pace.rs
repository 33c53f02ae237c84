//! How many requests there are, and how long a write waits: by a clock that only requests move.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, OpenPartition, PartitionLog};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use crate::bucket::{BucketBackend, BucketOptions};

const PUT: Duration = Duration::from_millis(50);

async fn open(store: &Arc<InMemory>, options: BucketOptions) -> BucketBackend {
    let config = ThrottleConfig { wait_put_per_call: PUT, ..ThrottleConfig::default() };
    let slow = ThrottledStore::new(Arc::clone(store), config);
    BucketBackend::open(Arc::new(slow), "pace", options, &Env::system()).await.unwrap()
}

async fn lead(backend: &BucketBackend, partitions: i32, epoch: i32) -> Vec<Arc<dyn PartitionLog>> {
    let wanted: Vec<_> = (0..partitions)
        .map(|partition| OpenPartition {
            id: PartitionId { topic: TopicId(Uuid::from_u128(3)), partition },
            epoch: LeaderEpoch(epoch),
        })
        .collect();
    backend.logs().open_many(&wanted).await.into_iter().map(|log| log.unwrap()).collect()
}

fn batch(log: &Arc<dyn PartitionLog>, bytes: usize) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(0, None, Some(&vec![7; bytes]), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(log.bounds().end, log.epoch())
}

#[tokio::test(start_paused = true)]
async fn a_lone_write_takes_one_put() {
    let env = Env::system();
    let backend = open(&Arc::default(), BucketOptions::default()).await;
    let logs = lead(&backend, 1, 1).await;
    for _ in 0..5 {
        env.sleep(Duration::from_secs(2)).await;
        let (before, begun) = (backend.logs().stats(), env.now());
        logs[0].append(batch(&logs[0], 100)).unwrap().await.unwrap();
        let took = env.now().since(begun);
        // The clock counts whole milliseconds.
        assert!(took <= PUT + Duration::from_millis(2), "{took:?}");
        assert_eq!(backend.logs().stats().journal.count, before.journal.count + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn puts_do_not_grow_with_the_number_of_partitions() {
    for partitions in [1, 100, 1_000] {
        let env = Env::system();
        let backend = open(&Arc::default(), BucketOptions::default()).await;
        let logs = lead(&backend, partitions, 1).await;
        env.sleep(Duration::from_secs(2)).await;
        let before = backend.logs().stats();
        let mut waits = Vec::new();
        for n in 0..5_000 {
            let log = &logs[n % logs.len()];
            let (ticket, begun, clock) = (log.append(batch(log, 100)).unwrap(), env.now(), env.clone());
            waits.push(async move {
                ticket.await.unwrap();
                clock.now().since(begun)
            });
            env.sleep(Duration::from_millis(2)).await;
        }
        let stats = backend.logs().stats();
        let puts = stats.journal_partial.count - before.journal_partial.count;
        assert!(puts <= 101, "{puts} PUTs below full size in 10 s, with {partitions} partitions");
        assert!(stats.journal.count - before.journal.count <= 101, "no chunk was full");
        // What was resolved long ago is not told apart from what is resolved now: ask of the last second only.
        let last = waits.split_off(waits.len() - 20);
        let slowest = join_all(last).await.into_iter().max().unwrap();
        join_all(waits).await;
        assert!(slowest <= 3 * PUT + Duration::from_millis(2), "{slowest:?} with {partitions} partitions");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_chunk_waits_for_nothing() {
    let env = Env::system();
    let options = BucketOptions { puts_per_second: 1, group_bytes: 10_000, in_flight: 4, ..BucketOptions::default() };
    let backend = open(&Arc::default(), options).await;
    let logs = lead(&backend, 1, 1).await;
    let begun = env.now();
    let tickets: Vec<_> = (0..40).map(|_| logs[0].append(batch(&logs[0], 2_300)).unwrap()).collect();
    // Ten chunks of four: all but the last are full, and four are on their way at a time.
    let full = tickets[35].clone();
    full.await.unwrap();
    let took = env.now().since(begun);
    assert!(took <= 3 * PUT + Duration::from_millis(5), "{took:?}");
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn idle_costs_the_renewal_of_the_lease() {
    let env = Env::system();
    let backend = open(&Arc::default(), BucketOptions::default()).await;
    let logs = lead(&backend, 10, 1).await;
    logs[0].append(batch(&logs[0], 100)).unwrap().await.unwrap();
    env.sleep(Duration::from_secs(60)).await;
    let before = backend.logs().stats();
    env.sleep(Duration::from_secs(600)).await;
    let mut after = backend.logs().stats();
    let renewals = after.ownership.count - before.ownership.count;
    assert!((115..=121).contains(&renewals), "{renewals}");
    after.ownership = before.ownership;
    assert_eq!(after, before);
}

#[tokio::test(start_paused = true)]
async fn who_keeps_up_costs_no_get_and_ten_who_come_late_cost_one() {
    let store = Arc::default();
    let backend = open(&store, BucketOptions::default()).await;
    let logs = lead(&backend, 4, 1).await;
    for n in 0..400 {
        let log = &logs[n % 4];
        log.append(batch(log, 20_000)).unwrap().await.unwrap();
        let read = log.read(Offset((n / 4) as i64), log.bounds().end, 1 << 20).await.unwrap();
        assert_eq!(read.len(), 1);
    }
    assert_eq!(backend.logs().stats().reads.count, 0);
    backend.logs().close().await.unwrap();
    let mut costs = Vec::new();
    for readers in [1, 10] {
        let backend = open(&store, BucketOptions::default()).await;
        let logs = lead(&backend, 4, 1 + readers).await;
        join_all((0..readers).map(|_| async {
            let mut from = Offset(0);
            while from < logs[0].bounds().end {
                let batches = logs[0].read(from, logs[0].bounds().end, 200_000).await.unwrap();
                from = batches.last().unwrap().next_offset();
            }
        }))
        .await;
        costs.push(backend.logs().stats().reads.count);
        backend.logs().close().await.unwrap();
    }
    assert!(costs[0] > 0 && costs[1] <= costs[0] + costs[0] / 10 + 1, "{costs:?}");
}

#[tokio::test(start_paused = true)]
async fn who_reads_on_is_read_ahead_of() {
    let store = Arc::default();
    let backend = open(&store, BucketOptions::default()).await;
    let logs = lead(&backend, 60, 1).await;
    for log in logs.iter().chain(std::iter::repeat_n(&logs[0], 50)) {
        log.append(batch(log, 700_000)).unwrap().await.unwrap();
    }
    backend.logs().close().await.unwrap();
    let config = ThrottleConfig { wait_get_per_call: Duration::from_millis(20), ..ThrottleConfig::default() };
    let slow = Arc::new(ThrottledStore::new(Arc::clone(&store), config));
    let env = Env::system();
    let backend = BucketBackend::open(slow, "pace", BucketOptions::default(), &env).await.unwrap();
    let logs = lead(&backend, 60, 2).await;
    // Whoever looked into others once does not count.
    for log in &logs {
        log.read(Offset(0), log.bounds().end, 1).await.unwrap();
    }
    let (begun, before) = (env.now(), backend.logs().stats().reads.count);
    let mut from = Offset(0);
    while from < logs[0].bounds().end {
        from = logs[0].read(from, logs[0].bounds().end, 1 << 20).await.unwrap().last().unwrap().next_offset();
    }
    let reads = (backend.logs().stats().reads.count - before) as u32;
    let took = env.now().since(begun);
    assert!(took < Duration::from_millis(20) * reads / 3, "{reads} reads one after the other: {took:?}");
}
