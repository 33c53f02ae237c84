//! The coordinator over real partitions, without a broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::api::group::{Generation, OffsetCommit, OffsetCommitPartition, OffsetFetch, OffsetsWanted};
use ottla_broker_core::config::TopicConfig;
use ottla_broker_core::coordinator::{GroupConfig, GroupCoordinator, LedPartition};
use ottla_broker_core::env::{Env, Task};
use ottla_broker_core::log::{Durability, LogStorage, OpenPartition};
use ottla_broker_core::partition::{Partition, PartitionSpec};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId, TopicName, TopicPartition};

async fn open(backend: &MemoryBackend, topic: TopicId, epoch: i32, env: &Env) -> Arc<Partition> {
    let id = PartitionId { topic, partition: 0 };
    let epoch = LeaderEpoch(epoch);
    let log = backend.logs.open_many(&[OpenPartition { id, epoch }]).await.remove(0).unwrap();
    let spec = PartitionSpec {
        id,
        name: TopicPartition::new(TopicName::new("__consumer_offsets").unwrap(), 0),
        epoch,
        config: Arc::new(TopicConfig { retention: None, ..TopicConfig::default() }),
        durability: Durability::Memory,
        producers: ottla_broker_core::producer::Budget::new(1_000),
    };
    Partition::open(spec, log, Arc::clone(&backend.snapshots) as _, env).await.unwrap()
}

fn start(partition: &Arc<Partition>, env: &Env) -> (Arc<GroupCoordinator>, Task) {
    let config = GroupConfig { snapshot_after_records: 200, ..GroupConfig::default() };
    let coordinator = Arc::new(GroupCoordinator::new(env.clone(), config, 1));
    coordinator.lead(0, Arc::new(LedPartition::new(Arc::clone(partition), env.clone())));
    let driven = Arc::clone(&coordinator);
    (coordinator, env.spawn("groups", async move { driven.run().await }))
}

fn commit(group: u32, offset: i64) -> OffsetCommit {
    let partition = OffsetCommitPartition {
        partition: TopicPartition::new(TopicName::new("emails").unwrap(), 0),
        offset: Offset(offset),
        leader_epoch: None,
        metadata: "".into(),
    };
    OffsetCommit {
        group: format!("group-{group}").into(),
        generation: Generation::NONE,
        member: None,
        instance: None,
        partitions: vec![partition],
    }
}

/// The committed offset, asked for until the coordinator has loaded.
async fn fetch(coordinator: &GroupCoordinator, group: u32) -> Option<i64> {
    loop {
        let group = format!("group-{group}").into();
        match coordinator.fetch(OffsetFetch { group, wanted: OffsetsWanted::All, require_stable: true }).await {
            Ok(fetched) => return fetched.first().map(|one| one.committed.clone().unwrap().unwrap().offset.0),
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn groups_outlive_their_coordinator() {
    let (backend, env) = (MemoryBackend::new(MemoryOptions::default()), Env::seeded(1));
    let topic = TopicId(env.uuid());
    let mut expected = BTreeMap::new();
    for epoch in 0..4 {
        let partition = open(&backend, topic, epoch, &env).await;
        let (coordinator, driver) = start(&partition, &env);
        for (group, offset) in &expected {
            assert_eq!(fetch(&coordinator, *group).await, Some(*offset), "group-{group} in epoch {epoch}");
        }
        assert_eq!(fetch(&coordinator, 999).await, None);
        for round in 0..20 {
            for group in 0..30 {
                let offset = i64::from(epoch * 1000 + round);
                assert_eq!(coordinator.commit(commit(group, offset)).await.unwrap(), [Ok(())]);
                expected.insert(group, offset);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let bounds = partition.bounds();
        assert!(bounds.start.0 > i64::from(epoch) * 600, "the log was not trimmed: {bounds:?}");
        assert!(bounds.end.0 - bounds.start.0 < 400, "{bounds:?}");
        driver.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_committed_is_not_shown_and_may_be_gone() {
    for keep in [Keep::Nothing, Keep::All] {
        let options = MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() };
        let (backend, env) = (MemoryBackend::new(options), Env::seeded(1));
        let topic = TopicId(env.uuid());
        let partition = open(&backend, topic, 0, &env).await;
        let (coordinator, driver) = start(&partition, &env);
        assert_eq!(fetch(&coordinator, 0).await, None);
        let (written, ()) = tokio::join!(coordinator.commit(commit(0, 1)), async {
            backend.logs.commit();
        });
        assert_eq!(written.unwrap(), [Ok(())]);
        let error = coordinator.commit(commit(0, 2)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::CoordinatorNotAvailable, "{error}");
        let survives = matches!(keep, Keep::All);
        backend.logs.crash(&keep);
        driver.abort();

        let backend = backend.reopen();
        let partition = open(&backend, topic, 1, &env).await;
        // The old coordinator gets the partition anew, as from a broker that has repaired it.
        coordinator.lead(0, Arc::new(LedPartition::new(Arc::clone(&partition), env.clone())));
        let driven = Arc::clone(&coordinator);
        let driver = env.spawn("groups", async move { driven.run().await });
        assert_eq!(fetch(&coordinator, 0).await, Some(if survives { 2 } else { 1 }));
        driver.abort();
    }
}
