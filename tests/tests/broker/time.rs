//! Limits of time, housekeeping, requests that are dropped, and what peers are answered.

use std::sync::Arc;
use std::time::Duration;

use ottla_backends::decorators::{CountedStorage, Counts, DelayedMetadataLog, DelayedStorage, Delays};
use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::api::{ErrorCode, IsolationLevel, OffsetSpec, ProducePartition, ProducerIdentity};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Backend, SnapshotStore};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
use ottla_broker_core::replica::{PeerHandler, PeerRequest, PeerResponse};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId};

use super::support::*;

const PRODUCER: ProducerIdentity = ProducerIdentity { id: ProducerId(7), epoch: ProducerEpoch(0) };

fn manual() -> MemoryBackend {
    MemoryBackend::new(MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() })
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_does_not_come_in_time_is_told_and_its_retry_joins_the_first() {
    let memory = manual();
    let broker = start(&memory).await;
    create(&broker, "events", 3).await;
    let sent = |at: i32| batch(&["a"], Some((PRODUCER, at)));
    let mut request = request(partition("events", 0), sent(0));
    request.timeout = Duration::from_secs(2);
    request.partitions.push(ProducePartition { partition: partition("events", 1), batch: sent(0) });
    request.partitions.push(ProducePartition { partition: partition("events", 2), batch: sent(0) });
    let began = broker.env().now();
    let answer = broker.produce(request.clone());
    let topic = describe(&broker, "events").await.unwrap().id;
    assert_eq!(memory.logs.commit_partition(PartitionId { topic, partition: 1 }, 1), 1);
    let answers = answer.await.unwrap();
    assert_eq!(broker.env().now().since(began), Duration::from_secs(2), "one limit for all of them");
    assert_eq!(answers[1].as_ref().unwrap().base_offset, Some(Offset(0)), "what came in time is told");
    for at in [0, 2] {
        let late = answers[at].as_ref().unwrap_err();
        assert_eq!(late.code, ErrorCode::RequestTimedOut);
        assert!(late.is_retriable() && late.message.contains(&format!("events-{at}")), "{late}");
    }
    let retry = broker.produce(request);
    memory.logs.commit();
    for answer in retry.await.unwrap() {
        assert_eq!(answer.unwrap().base_offset, Some(Offset(0)), "the same batch, and not another");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_is_bounded_in_time_and_goes_on_when_asked_again() {
    let (memory, env) = (memory(), Env::system());
    let delays = Delays { open: Duration::from_secs(10), ..Delays::default() };
    let logs = Arc::new(DelayedStorage::new(memory.backend().logs, env.clone(), delays));
    let broker =
        Broker::start(BrokerConfig::default(), Backend { logs, ..memory.backend() }, env.clone()).await.unwrap();
    create(&broker, "events", 2).await;
    produce(&broker, partition("events", 0), batch(&["a"], None)).await.unwrap();
    let began = env.now();
    let late = broker.close(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::RequestTimedOut);
    assert_eq!(env.now().since(began), Duration::from_secs(1));
    let refused = produce(&broker, partition("events", 0), batch(&["b"], None)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::BrokerNotAvailable, "it takes nothing more, though it is not done");
    broker.close(Duration::from_mins(5)).await.unwrap();
    broker.close(Duration::ZERO).await.unwrap();
    let broker = start(&memory.reopen()).await;
    assert_eq!(text(&read_all(&broker, partition("events", 0)).await), ["a"]);
}

/// Dropped at any moment, a request leaves nothing that a later one or the housekeeping does not put right.
#[tokio::test(start_paused = true)]
async fn a_creation_that_is_dropped_half_way_is_made_good() {
    let step = Duration::from_millis(10);
    let mut finished = 0;
    for dropped_after in 0..12 {
        let (memory, env) = (memory(), Env::system());
        let delays = Delays { write: step, read: step, open: step };
        let backend = Backend {
            logs: Arc::new(DelayedStorage::new(memory.backend().logs, env.clone(), delays)),
            metadata: Arc::new(DelayedMetadataLog::new(memory.backend().metadata, env.clone(), delays)),
            ..memory.backend()
        };
        let broker = Broker::start(BrokerConfig::default(), backend, env.clone()).await.unwrap();
        let keeper = Arc::clone(&broker);
        env.spawn("keeper", async move { keeper.run_housekeeping().await });
        let limit = step * dropped_after + step / 2;
        let created = env.timeout(limit, broker.create_topics(vec![new_topic("events", 3, &[])], false)).await;
        finished += usize::from(created.is_ok());
        if dropped_after % 2 == 0 {
            env.sleep(Duration::from_secs(11)).await;
        }
        // It may be there or not. Asked for again, it is; and once it is, it serves.
        let again = broker.create_topics(vec![new_topic("events", 3, &[])], false).await.unwrap().remove(0);
        if let Err(error) = again {
            assert_eq!(error.code, ErrorCode::TopicAlreadyExists, "after {limit:?}: {error}");
        }
        for number in 0..3 {
            let written = produce_patiently(&broker, partition("events", number), batch(&["a"], None)).await.unwrap();
            assert_eq!(written.base_offset, Some(Offset(0)), "after {limit:?}");
        }
        broker.close(LIMIT).await.unwrap();
    }
    assert!((1..12).contains(&finished), "{finished} of 12 were not dropped: the moments are badly chosen");
}

#[tokio::test(start_paused = true)]
async fn housekeeping_deletes_old_records_and_forgets_producers_by_the_clock() {
    let memory = memory();
    let (env, clock) = Clockwork::env(1, Env::system().wall_ms());
    let config = BrokerConfig::default()
        .with("log.retention.check.interval.ms", 60_000)
        .and_then(|config| config.with("producer.id.expiration.ms", 3_600_000))
        .unwrap();
    let broker = Broker::start(config, memory.backend(), env.clone()).await.unwrap();
    let keeper = Arc::clone(&broker);
    env.spawn("keeper", async move { keeper.run_housekeeping().await });
    let kept = new_topic("kept", 1, &[("retention.ms", "-1")]);
    let short = new_topic("short", 1, &[("retention.ms", "600000")]);
    broker.create_topics(vec![kept, short], false).await.unwrap();
    for topic in ["kept", "short"] {
        produce(&broker, partition(topic, 0), batch(&["a", "b"], Some((PRODUCER, 0)))).await.unwrap();
    }
    let start_of = async |topic| {
        let wanted = vec![(partition(topic, 0), OffsetSpec::Earliest)];
        broker.list_offsets(IsolationLevel::ReadUncommitted, wanted).await.unwrap().remove(0).unwrap().offset.unwrap().0
    };
    env.sleep(Duration::from_secs(61)).await;
    assert_eq!((start_of("kept").await, start_of("short").await, broker.remembered_producers()), (0, 0, 2));
    clock.advance(Duration::from_mins(11));
    env.sleep(Duration::from_secs(61)).await;
    assert_eq!((start_of("kept").await, start_of("short").await, broker.remembered_producers()), (0, 2, 2));
    clock.advance(Duration::from_mins(50));
    env.sleep(Duration::from_secs(61)).await;
    assert_eq!((start_of("kept").await, start_of("short").await, broker.remembered_producers()), (0, 2, 0));
    broker.close(LIMIT).await.unwrap();
}

fn large() -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(Env::system().wall_ms(), None, Some(&vec![7; 1_000_000]), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn housekeeping_bounds_what_a_start_after_a_crash_replays() {
    let memory = memory();
    let broker = start(&memory).await;
    let keeper = Arc::clone(&broker);
    let task = broker.env().spawn("keeper", async move { keeper.run_housekeeping().await });
    create(&broker, "events", 2).await;
    let topic = describe(&broker, "events").await.unwrap().id;
    for (number, batches) in [(0, 20), (1, 3)] {
        for _ in 0..batches {
            produce(&broker, partition("events", number), large()).await.unwrap();
        }
    }
    broker.env().sleep(Duration::from_secs(61)).await;
    let saved = async |partition| memory.snapshots.latest(PartitionId { topic, partition }).await.unwrap();
    assert_eq!(saved(0).await.map(|snapshot| snapshot.end), Some(Offset(20)));
    assert_eq!(saved(1).await, None, "too little to be worth one");
    produce(&broker, partition("events", 0), large()).await.unwrap();
    task.abort();
    drop(broker);
    memory.logs.crash(&Keep::Nothing);

    let memory = memory.reopen();
    let counts = Arc::new(Counts::new());
    let logs = Arc::new(CountedStorage::new(memory.backend().logs, Arc::clone(&counts)));
    let backend = Backend { logs, ..memory.backend() };
    let broker = Broker::start(BrokerConfig::default(), backend, Env::system()).await.unwrap();
    let read = counts.read_bytes();
    // The batch that the snapshot is known by, the one after it, and the three without a snapshot.
    assert!((5_000_000..5_100_000).contains(&read), "{read} of 24 MB were read");
    assert_eq!(produce(&broker, partition("events", 0), large()).await.unwrap().base_offset, Some(Offset(21)));
}

#[tokio::test]
async fn peers_read_to_the_end_of_the_log_and_learn_where_epochs_end() {
    let memory = manual();
    let broker = start(&memory).await;
    create(&broker, "events", 1).await;
    let epoch = describe(&broker, "events").await.unwrap().partitions[0].leader_epoch;
    let appended = broker.produce(request(partition("events", 0), batch(&["a", "b"], None)));
    // A consumer sees nothing that is not committed, whatever it says; a follower does.
    assert!(fetch(&broker, partition("events", 0), 0).await.unwrap().batches.is_empty());
    let fetch = || PeerRequest::Fetch(fetch_request(vec![wanted(partition("events", 0), 0)], Duration::ZERO));
    let PeerResponse::Fetch(fetched) = broker.handle(BrokerId(2), fetch()).await else { panic!("another answer") };
    let fetched = fetched[0].as_ref().unwrap();
    assert_eq!((fetched.batches.len(), fetched.high_watermark), (1, Offset(0)));
    let ends = |current, asked| {
        PeerRequest::EpochEnds(vec![(partition("events", 0), current, asked), (partition("events", 9), current, asked)])
    };
    let PeerResponse::EpochEnds(answers) = broker.handle(BrokerId(2), ends(epoch, epoch)).await else {
        panic!("another answer")
    };
    let end = answers[0].as_ref().unwrap();
    assert_eq!((end.epoch, end.end), (Some(epoch), Offset(2)));
    assert_eq!(answers[1].as_ref().unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
    let PeerResponse::EpochEnds(answers) = broker.handle(BrokerId(2), ends(LeaderEpoch(epoch.0 + 1), epoch)).await
    else {
        panic!("another answer")
    };
    assert_eq!(answers[0].as_ref().unwrap_err().code, ErrorCode::UnknownLeaderEpoch);
    memory.logs.commit();
    appended.await.unwrap().remove(0).unwrap();
    broker.close(LIMIT).await.unwrap();
    let PeerResponse::Fetch(fetched) = broker.handle(BrokerId(2), fetch()).await else { panic!("another answer") };
    assert_eq!(fetched[0].as_ref().unwrap_err().code, ErrorCode::BrokerNotAvailable);
}
