//! What many read of the same objects at a time: how many requests it takes, and that each gets its own.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{ErrorKind, LogStorage, OpenPartition, PartitionLog};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use super::subject::eager;
use crate::bucket::{BucketBackend, BucketOptions};

const GET: Duration = Duration::from_millis(50);
const MIB: usize = 1 << 20;

async fn open(store: &Arc<InMemory>) -> BucketBackend {
    let options = BucketOptions { journal_bytes: 1 << 40, journal_objects: 1 << 20, ..eager() };
    let config = ThrottleConfig { wait_get_per_call: GET, ..ThrottleConfig::default() };
    let slow = ThrottledStore::new(Arc::clone(store), config);
    BucketBackend::open(Arc::new(slow), "log", options, &Env::system()).await.unwrap()
}

async fn lead(backend: &BucketBackend, partitions: i32, epoch: i32) -> Vec<Arc<dyn PartitionLog>> {
    let topic = TopicId(Uuid::from_u128(6));
    let wanted: Vec<_> = (0..partitions)
        .map(|partition| OpenPartition { id: PartitionId { topic, partition }, epoch: LeaderEpoch(epoch) })
        .collect();
    backend.logs().open_many(&wanted).await.into_iter().map(|log| log.unwrap()).collect()
}

fn batch(log: &Arc<dyn PartitionLog>, value: &[u8]) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(0, None, Some(value), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(log.bounds().end, log.epoch())
}

/// One chunk, with a batch of each log.
async fn write(logs: &[Arc<dyn PartitionLog>], bytes: impl Fn(usize) -> usize) {
    let tickets: Vec<_> =
        logs.iter().enumerate().map(|(n, log)| log.append(batch(log, &vec![n as u8; bytes(n)])).unwrap()).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

/// A storage of `partitions` whose `chunks` are out of memory.
async fn cold(partitions: i32, chunks: usize, bytes: impl Fn(usize) -> usize) -> (Arc<InMemory>, BucketBackend) {
    let store = Arc::default();
    let first = open(&store).await;
    let logs = lead(&first, partitions, 1).await;
    for _ in 0..chunks {
        write(&logs, &bytes).await;
    }
    first.logs().kill();
    let second = open(&store).await;
    (store, second)
}

#[tokio::test(start_paused = true)]
async fn many_logs_in_the_same_objects_are_read_by_few_requests() {
    let (_, backend) = cold(100, 8, |_| 10_000).await;
    let logs = lead(&backend, 100, 2).await;
    let env = Env::system();
    let begun = env.now();
    // As a broker that opens all of them.
    join_all(logs.iter().zip(0_u8..).map(|(log, n)| async move {
        // Not all at once: others run in between.
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        let read = log.read(Offset(0), Offset(8), MIB).await.unwrap();
        assert_eq!(read.len(), 8);
        for (batch, offset) in read.iter().zip(0..) {
            assert_eq!(batch.base_offset(), Offset(offset));
            assert!(batch.body().ends_with(&[n, n, n, 0]), "of another log");
        }
    }))
    .await;
    let (took, reads) = (env.now().since(begun), backend.logs().stats().reads);
    // The first goes at once; what comes while it is on its way is gathered.
    assert!(reads.count <= 9, "{reads:?} for 800 batches in 8 objects");
    assert!(reads.bytes <= 8 * 100 * 10_200, "{reads:?}");
    assert!(took <= GET + Duration::from_millis(4), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lone_read_waits_for_no_other() {
    let (_, backend) = cold(2, 1, |_| 10_000).await;
    let logs = lead(&backend, 2, 2).await;
    let env = Env::system();
    for log in &logs {
        let begun = env.now();
        assert_eq!(log.read(Offset(0), Offset(1), MIB).await.unwrap().len(), 1);
        assert_eq!(env.now().since(begun), GET);
    }
}

#[tokio::test(start_paused = true)]
async fn what_lies_far_apart_is_not_read_along() {
    let (_, backend) = cold(5, 1, |n| if n % 2 == 0 { 10_000 } else { 3 * MIB }).await;
    let logs = lead(&backend, 5, 2).await;
    let small = [&logs[0], &logs[2], &logs[4]];
    join_all(small.map(|log| async { log.read(Offset(0), Offset(1), MIB).await.unwrap() })).await;
    let reads = backend.logs().stats().reads;
    assert!(reads.count == 3 && reads.bytes <= 3 * 10_200, "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn damage_of_one_is_no_business_of_those_that_were_read_along() {
    let (store, backend) = cold(10, 1, |_| 10_000).await;
    let logs = lead(&backend, 10, 2).await;
    let mut damaged = 0;
    for number in 1.. {
        let path = Path::from(format!("log/journal/{:014}/{number:014}", 1));
        let Ok(found) = store.get(&path).await else { break };
        let mut body = found.bytes().await.unwrap().to_vec();
        if body.len() > 100_000 {
            // In the middle of what is the fourth's.
            let at = body.len() - 65_000;
            body[at] ^= 1;
            store.put(&path, body.into()).await.unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let read = join_all(logs.iter().map(|log| log.read(Offset(0), Offset(1), MIB))).await;
    for (read, n) in read.into_iter().zip(0..) {
        match read {
            Ok(batches) => assert!(n != 3 && batches.len() == 1, "{n}"),
            Err(error) => assert!(n == 3 && error.kind() == ErrorKind::Corrupt, "{n}: {error}"),
        }
    }
}
