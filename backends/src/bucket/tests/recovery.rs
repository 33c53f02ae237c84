//! What an opening reads of a journal that no checkpoint covers, and what it makes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{ErrorKind, LogStorage, OpenPartition, PartitionLog, TrimBase};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use super::subject::eager;
use crate::bucket::{BucketBackend, BucketOptions, BucketStats, OpenError};
use crate::engine::{Extent, HEADER_BYTES, Header};

const GET: Duration = Duration::from_millis(50);

/// No checkpoint comes by itself.
fn options() -> BucketOptions {
    BucketOptions { journal_bytes: 1 << 40, journal_objects: 1 << 20, ..eager() }
}

async fn try_open(store: &Arc<InMemory>) -> Result<BucketBackend, OpenError> {
    let config = ThrottleConfig { wait_get_per_call: GET, ..ThrottleConfig::default() };
    let slow = ThrottledStore::new(Arc::clone(store), config);
    BucketBackend::open(Arc::new(slow), "log", options(), &Env::system()).await
}

async fn open(store: &Arc<InMemory>) -> BucketBackend {
    try_open(store).await.unwrap()
}

async fn lead(backend: &BucketBackend, partitions: i32, epoch: i32) -> Vec<Arc<dyn PartitionLog>> {
    let topic = TopicId(Uuid::from_u128(5));
    let wanted: Vec<_> = (0..partitions)
        .map(|partition| OpenPartition { id: PartitionId { topic, partition }, epoch: LeaderEpoch(epoch) })
        .collect();
    backend.logs().open_many(&wanted).await.into_iter().map(|log| log.unwrap()).collect()
}

fn batch(log: &Arc<dyn PartitionLog>, bytes: usize) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(log.bounds().end.0, None, Some(&vec![7; bytes]), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap().stamped(log.bounds().end, log.epoch())
}

/// The places of all batches, log by log.
fn places(backend: &BucketBackend) -> Vec<(String, Vec<Extent>)> {
    backend.logs().core.logs().iter().map(|log| (log.key.to_string(), log.extents())).collect()
}

fn chunk(incarnation: u64, number: u64) -> Path {
    Path::from(format!("log/journal/{incarnation:014}/{number:014}"))
}

/// The last chunk that was written there.
async fn newest_chunk(store: &InMemory, incarnation: u64) -> (Path, Bytes) {
    let mut newest = None;
    for number in 1.. {
        let path = chunk(incarnation, number);
        let Ok(found) = store.get(&path).await else { break };
        newest = Some((path, found.bytes().await.unwrap()));
    }
    newest.unwrap()
}

/// So many chunks of `bytes` each, in one partition; how the next opening got them.
async fn take_over(chunks: usize, bytes: usize) -> (Duration, BucketStats) {
    let store = Arc::default();
    let first = open(&store).await;
    let logs = lead(&first, 1, 1).await;
    for _ in 0..chunks {
        logs[0].append(batch(&logs[0], bytes)).unwrap().await.unwrap();
    }
    first.logs().kill();
    let env = Env::system();
    let begun = env.now();
    let second = open(&store).await;
    let (took, stats) = (env.now().since(begun), second.logs().stats());
    let logs = lead(&second, 1, 2).await;
    assert_eq!(logs[0].bounds().end, Offset(chunks as i64));
    (took, stats)
}

#[tokio::test(start_paused = true)]
async fn a_takeover_moves_no_data() {
    let (_, stats) = take_over(40, 1 << 20).await;
    // With those that find who had it, and its checkpoint.
    assert!(stats.recovery_reads.count <= 40 + 4, "{stats:?}");
    assert!(stats.recovery_reads.bytes <= 40 * (64 << 10) + 4_000, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn many_objects_are_looked_at_together() {
    let (few, before) = take_over(2, 100).await;
    let (many, after) = take_over(512, 100).await;
    // Sixty-four at a time.
    assert!(many - few <= 8 * GET, "{few:?}, {many:?}");
    assert_eq!(after.lists.count, before.lists.count, "lists do not grow with the journal");
    assert_eq!(after.recovery_reads.count, before.recovery_reads.count + 510);
}

#[tokio::test(start_paused = true)]
async fn chunks_that_hold_nothing_are_told_from_tombstones_together() {
    let mut times = Vec::new();
    for chunks in [1, 65] {
        let store: Arc<InMemory> = Arc::default();
        let first = open(&store).await;
        lead(&first, 1, 1).await;
        first.logs().kill();
        // As who asks whether it is still the owner writes them.
        let (_, found) = newest_chunk(&store, 1).await;
        let last = Header::parse(&found).unwrap().number;
        for number in last + 1..=last + chunks {
            let body = Bytes::from(crate::engine::encode(1, number, number, &[]));
            assert_eq!(body.len(), HEADER_BYTES);
            store.put(&chunk(1, number), body.into()).await.unwrap();
        }
        let env = Env::system();
        let begun = env.now();
        open(&store).await;
        times.push(env.now().since(begun));
    }
    assert!(times[1] - times[0] <= 2 * GET, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_recovered_is_what_was_there() {
    let store = Arc::default();
    let first = open(&store).await;
    let logs = lead(&first, 3, 1).await;
    for round in 0..4 {
        let mut tickets = Vec::new();
        // Small ones that make extents of many, large ones that are one each, and both.
        for (log, sizes) in logs.iter().zip([vec![900; 300], vec![70_000; 3], vec![30_000, 40_000, 70_000, 10, 10]]) {
            tickets.extend(sizes.into_iter().map(|bytes| log.append(batch(log, bytes)).unwrap()));
        }
        for ticket in tickets {
            ticket.await.unwrap();
        }
        if round == 1 {
            let start = Offset(logs[0].bounds().end.0 - 7);
            logs[0].trim_prefix(start, TrimBase { start, state: Bytes::new() }).await.unwrap();
            logs[1].reset_to(Offset(50), TrimBase::default()).await.unwrap();
        }
    }
    let before = (places(&first), logs.iter().map(|log| log.bounds()).collect::<Vec<_>>());
    first.logs().kill();
    let second = open(&store).await;
    let found = places(&second);
    let logs = lead(&second, 3, 2).await;
    assert_eq!((found, logs.iter().map(|log| log.bounds()).collect::<Vec<_>>()), before);
    for log in &logs {
        let (mut from, end) = (log.bounds().start, log.bounds().end);
        while from < end {
            from = log.read(from, end, 1 << 20).await.unwrap().last().unwrap().next_offset();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_longer_than_most_is_read_to_its_end() {
    let store = Arc::default();
    let first = open(&store).await;
    let logs = lead(&first, 4_000, 1).await;
    let tickets: Vec<_> = logs.iter().map(|log| log.append(batch(log, 10)).unwrap()).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    first.logs().kill();
    let second = open(&store).await;
    for log in lead(&second, 4_000, 2).await {
        assert_eq!(log.bounds().end, Offset(1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_as_long_as_it_says_is_damage() {
    for length in [0, 10, HEADER_BYTES, 70_000, 100_000] {
        let store: Arc<InMemory> = Arc::default();
        let first = open(&store).await;
        let logs = lead(&first, 1, 1).await;
        logs[0].append(batch(&logs[0], 100_000)).unwrap().await.unwrap();
        first.logs().kill();
        let (path, body) = newest_chunk(&store, 1).await;
        assert!(body.len() > length);
        store.put(&path, Bytes::copy_from_slice(&body[..length]).into()).await.unwrap();
        match try_open(&store).await.unwrap_err() {
            OpenError::Log { source, .. } => {
                assert_eq!(source.kind(), ErrorKind::Corrupt, "{source}");
                assert!(source.to_string().contains(path.as_ref()), "{source}");
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flip_is_told_at_once_in_what_is_recovered_and_by_who_reads_in_the_rest() {
    let store: Arc<InMemory> = Arc::default();
    let first = open(&store).await;
    let logs = lead(&first, 2, 1).await;
    let both = [logs[0].append(batch(&logs[0], 300)).unwrap(), logs[1].append(batch(&logs[1], 300)).unwrap()];
    for ticket in both {
        ticket.await.unwrap();
    }
    first.logs().kill();
    let (path, body) = newest_chunk(&store, 1).await;
    let front = HEADER_BYTES + Header::parse(&body).unwrap().directory_bytes as usize;
    let second = body.len() - (body.len() - front) / 2;
    let mut told = [0; 2];
    for at in (0..body.len()).step_by(7) {
        let mut bad = body.to_vec();
        bad[at] ^= 4;
        // Each in a bucket of its own: an opening leaves its mark.
        let copy: Arc<InMemory> = Arc::new(store.fork());
        copy.put(&path, bad.into()).await.unwrap();
        if at < front {
            let OpenError::Log { source, .. } = try_open(&copy).await.unwrap_err() else { panic!("{at}") };
            assert_eq!(source.kind(), ErrorKind::Corrupt, "byte {at}: {source}");
            told[0] += 1;
            continue;
        }
        let backend = open(&copy).await;
        let logs = lead(&backend, 2, 2).await;
        let (damaged, whole) = if at < second { (&logs[0], &logs[1]) } else { (&logs[1], &logs[0]) };
        let error = damaged.read(Offset(0), Offset(1), 1 << 20).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
        assert_eq!(whole.read(Offset(0), Offset(1), 1 << 20).await.unwrap().len(), 1, "byte {at}");
        told[1] += 1;
    }
    assert!(told.iter().all(|times| *times > 20), "{told:?}");
}
