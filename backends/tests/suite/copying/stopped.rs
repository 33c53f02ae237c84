//! Copies that are stopped, and faults in their midst: they go on, and nothing is missing or twice.

use futures::FutureExt;
use ottla_backends::decorators::{Fault, Faults, FaultyMetadataLog, FaultySnapshots, FaultyStorage, Operation};
use ottla_backends::memory::{Keep, MemoryBackend};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::copy::Side;
use ottla_broker_core::log::ErrorKind;
use tokio::sync::Notify;

use super::world::manual;
use super::*;
use ottla_broker_core::copy;

/// Chance for a crash.
#[derive(Debug)]
struct Chance(Env);

impl ottla_broker_core::env::Rng for Chance {
    fn next_u64(&self) -> u64 {
        self.0.random_u64()
    }
}

/// Copies a little, and perhaps to the end; whether it has ended.
async fn copy_a_little(from: &Backend, to: &MemoryBackend, env: &Env) -> bool {
    let backend = to.backend();
    let mut copying = std::pin::pin!(copy(from, &backend, small(false)));
    for _ in 0..env.random_below(40) {
        // tokio lets a task poll so often and no more before it yields.
        tokio::task::yield_now().await;
        if let Some(result) = copying.as_mut().now_or_never() {
            assert!(result.unwrap().batches > 0);
            return true;
        }
        for partition in backend.logs.list().await.unwrap() {
            to.logs.commit_partition(partition, env.random_below(4) as usize);
        }
    }
    false
}

/// The destination dies at a random moment, and of what was on its way a part survives by chance.
#[tokio::test]
async fn a_copy_that_dies_at_any_moment_goes_on() {
    let mut stops = 0;
    for seed in 0..40 {
        let env = Env::seeded(seed);
        let from = source(seed).await.backend();
        let mut to = manual();
        while !copy_a_little(&from, &to, &env).await {
            stops += 1;
            to.logs.crash(&Keep::Random(Arc::new(Chance(env.clone()))));
            to = to.reopen();
            assert!(stops < 10_000, "it gets no further");
        }
        assert_same(&from, &to.backend()).await;
    }
    assert!(stops > 40, "it was stopped {stops} times only");
}

/// Stopped when it has come a certain way, with threads and requests of its own under way.
#[tokio::test]
async fn a_copy_between_disk_and_bucket_goes_on() {
    let original = source(11).await.backend();
    let directory = tempfile::tempdir().unwrap();
    let from = disk(&directory).await;
    copy(&original, &from.backend(), small(false)).await.unwrap();
    let store = Arc::new(InMemory::new());
    let mut resumed = 0;
    for part in 1..20 {
        let to = bucket(&store).await;
        let (source, destination, env) = (from.backend(), to.backend(), Env::system());
        let far = Notify::new();
        let stop = |progress: copy::Progress| {
            if progress.fraction() > f64::from(part) * 0.2 {
                far.notify_one();
            }
        };
        let ended = tokio::select! {
            biased;
            () = far.notified() => None,
            report = copy::copy(&source, &destination, &env, small(false), &stop) => Some(report.unwrap()),
        };
        to.logs().close().await.unwrap();
        if let Some(report) = ended {
            assert_eq!(report.resumed, resumed > 0);
            break;
        }
        resumed += 1;
    }
    assert!(resumed > 0);
    let to = bucket(&store).await;
    assert_same(&original, &to.backend()).await;
    to.logs().close().await.unwrap();
    from.logs().close().await.unwrap();
}

fn faulty(memory: &MemoryBackend, faults: &Faults) -> Backend {
    let Backend { logs, metadata, snapshots } = memory.backend();
    Backend {
        logs: Arc::new(FaultyStorage::new(logs, faults.clone())),
        metadata: Arc::new(FaultyMetadataLog::new(metadata, faults.clone())),
        snapshots: Arc::new(FaultySnapshots::new(snapshots, faults.clone())),
    }
}

#[tokio::test(start_paused = true)]
async fn faults_end_it_with_an_error_and_it_goes_on() {
    use Operation as Op;
    let mut failures = 0;
    for seed in 0..20 {
        let original = source(seed).await;
        let (reading, writing) = (Faults::new(Env::seeded(seed)), Faults::new(Env::seeded(seed + 100)));
        for operation in [Op::Read, Op::OpenReader, Op::TrimBase, Op::List, Op::MetadataRead] {
            reading.by_chance(operation, 10, Fault::Before(ErrorKind::Unavailable));
        }
        for operation in [Op::Append, Op::ResetTo, Op::TrimPrefix, Op::Open, Op::MetadataAppend, Op::SnapshotSave] {
            let fault = if seed % 2 == 0 { Fault::Before } else { Fault::After };
            writing.by_chance(operation, 10, fault(ErrorKind::Unavailable));
        }
        let to = memory();
        loop {
            match copy(&faulty(&original, &reading), &faulty(&to, &writing), small(true)).await {
                Ok(_) => break,
                Err(error) => assert!(error.is_retriable(), "{error:?}"),
            }
            failures += 1;
            assert!(failures < 2_000, "it gets no further");
        }
        assert_same(&original.backend(), &to.backend()).await;
    }
    assert!(failures > 20, "{failures} failures only");
}

/// One bit of one read, anywhere in a batch. Few of its places are outside the checksum.
#[tokio::test]
async fn a_wrong_bit_does_not_become_the_truth() {
    let mut seen = 0;
    for seed in 0..30 {
        let from = source(seed).await;
        let faults = Faults::new(Env::seeded(seed));
        // The first reads look where each log begins.
        faults.pass(Operation::Read, 10);
        faults.next(Operation::Read, Fault::FlipBit);
        match copy(&faulty(&from, &faults), &memory().backend(), small(false)).await {
            Err(copy::Error::Partition { side: Side::Source, source, .. }) if source.kind() == ErrorKind::Corrupt => {
                seen += 1;
            }
            _ => assert_eq!(faults.count(Operation::Read), 1),
        }
    }
    assert!(seen > 20, "{seen} of 30 were seen");
}

/// The last batch that a partition appends is not written.
#[tokio::test]
async fn it_ends_only_when_all_is_durable() {
    let from = source(4).await.backend();
    let to = memory();
    let faults = Faults::new(Env::seeded(4));
    // One partition after the other: the first one by name has ten batches.
    let options = copy::Options { partitions_at_once: 1, ..small(false) };
    faults.pass(Operation::Append, 9);
    faults.next(Operation::Append, Fault::Before(ErrorKind::Unavailable));
    let error = copy(&from, &faulty(&to, &faults), options).await;
    assert!(matches!(error, Err(copy::Error::Partition { side: Side::Destination, .. })), "{error:?}");
    copy(&from, &to.reopen().backend(), options).await.unwrap();
    assert_same(&from, &to.backend()).await;
}

#[tokio::test]
async fn no_broker_starts_on_what_is_unfinished() {
    let from = source(5).await;
    let to = manual();
    assert!(copy(&from.backend(), &to.backend(), small(false)).now_or_never().is_none());
    let error = Broker::start(BrokerConfig::default(), to.backend(), Env::system()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("unfinished copy of cluster original") && text.contains("`copy`"), "{text}");
    to.logs.crash(&Keep::Nothing);
    let to = to.reopen();
    let error = copy(&to.backend(), &memory().backend(), small(false)).await.unwrap_err();
    assert!(matches!(error, copy::Error::SourceUnfinished { .. }), "{error}");
}
