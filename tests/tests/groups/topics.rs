//! `__consumer_offsets` among the topics, and what becomes of offsets when a topic goes.

use std::time::Duration;

use ottla_broker_core::api::group::{GroupState, ListGroups, OffsetsKey};
use ottla_broker_core::api::{
    Acks, AlterConfig, ConfigOp, ConfigResource, ErrorCode, FetchPartition, FetchRequest, IsolationLevel,
    ProducePartition, ProduceRequest,
};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, OpenPartition};
use ottla_broker_core::record::{Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::support::*;

const LOG: &str = "__consumer_offsets";

#[tokio::test(start_paused = true)]
async fn the_log_is_made_when_the_first_group_is_looked_for() {
    let (memory, env) = (memory(), Env::seeded(1));
    let (broker, _keeper) = start(&memory, &env).await;
    create(&broker, "emails", 1).await;
    assert_eq!(topics(&broker).await, ["emails"]);
    assert!(broker.list_groups(ListGroups::default()).await.unwrap().is_empty());
    assert_eq!(code(broker.describe_groups(vec!["g".into()]).await), ErrorCode::NotCoordinator);
    // Many at once make one.
    let found = futures::future::join_all((0..8).map(|n| find(&broker, ["a", "b", "c", "d"][n % 4]))).await;
    assert!(found.into_iter().all(|found| found.unwrap().broker == broker.id()));
    assert_eq!(topics(&broker).await, [LOG, "emails"]);
    assert_eq!(memory.logs.list().await.unwrap().len(), 51);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_the_brokers_own_and_can_be_read() {
    let (_, env, broker, _keeper) = fresh("g").await;
    broker.offset_commit(commit("g", None, partition("emails", 0), 5)).await.unwrap().remove(0).unwrap();
    let invalid = ErrorCode::InvalidTopic;

    let mut batch = Builder::new(BuilderOptions::default());
    batch.append(env.wall_ms(), Some(b"k"), Some(b"v"), &[]).unwrap();
    let batch = batch.finish(None, Flags::default()).unwrap();
    let partitions = vec![ProducePartition { partition: partition(LOG, 0), batch }];
    let written = broker.produce(ProduceRequest { acks: Acks::All, timeout: LIMIT, partitions }).await;
    assert_eq!(code(written.unwrap().remove(0)), invalid);
    assert_eq!(code(broker.delete_topics(vec![name(LOG)]).await.unwrap().remove(0)), invalid);
    assert_eq!(code(broker.create_topics(vec![new_topic(LOG, 1)], false).await.unwrap().remove(0)), invalid);
    assert_eq!(code(broker.create_partitions(vec![(name(LOG), 60)], false).await.unwrap().remove(0)), invalid);
    assert_eq!(code(broker.delete_records(vec![(partition(LOG, 0), Offset::MAX)]).await.unwrap().remove(0)), invalid);
    let change = AlterConfig { name: "retention.ms".to_owned(), op: ConfigOp::Set("1".to_owned()) };
    let altered = broker.alter_configs(vec![(ConfigResource::Topic(name(LOG)), vec![change])], false).await;
    assert_eq!(code(altered.unwrap().remove(0)), invalid);
    // What is old in it never goes by the clock.
    let configs = broker.describe_configs(vec![ConfigResource::Topic(name(LOG))]).await.unwrap().remove(0).unwrap();
    assert!(configs.iter().any(|entry| entry.name == "retention.ms" && entry.value == "-1"));

    let wanted = (0..50).map(|n| FetchPartition {
        partition: partition(LOG, n),
        offset: Offset(0),
        max_bytes: 1 << 20,
        current_leader_epoch: None,
    });
    let request = FetchRequest {
        replica: None,
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadCommitted,
        partitions: wanted.collect(),
    };
    let mut keys = Vec::new();
    for fetched in broker.fetch(request).await.unwrap() {
        for batch in fetched.unwrap().batches {
            keys.extend(batch.records().unwrap().map(|record| record.unwrap().key.unwrap()));
        }
    }
    assert_eq!(keys.len(), 1);
    let key = OffsetsKey::decode(&keys[0]).unwrap();
    assert_eq!(key, OffsetsKey::Offset("g".into(), partition("emails", 0)));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_takes_its_offsets_along() {
    let (memory, env, broker, keeper) = fresh("g").await;
    create(&broker, "letters", 1).await;
    for group in ["g", "other", "both"] {
        broker.offset_commit(commit(group, None, partition("emails", 0), 5)).await.unwrap().remove(0).unwrap();
    }
    broker.offset_commit(commit("both", None, partition("letters", 0), 1)).await.unwrap().remove(0).unwrap();
    // A member's subscription does not keep them.
    alone(&broker, "g").await;
    broker.delete_topics(vec![name("emails")]).await.unwrap().remove(0).unwrap();
    create(&broker, "emails", 3).await;
    for group in ["g", "other", "both"] {
        assert_eq!(committed(&broker, group).await, None, "{group} would go on in the middle of a new topic");
    }
    assert_eq!(described(&broker, "g").await.state, GroupState::Stable);
    assert_eq!(described(&broker, "other").await.state, GroupState::Dead, "nothing was left of it");
    assert_eq!(described(&broker, "both").await.state, GroupState::Empty);
    // And it is written so.
    broker.close(LIMIT).await.unwrap();
    assert!(keeper.await);
    let (broker, _keeper) = start(&memory.reopen(), &env).await;
    assert_eq!(committed(&broker, "g").await, None);
    assert_eq!(described(&broker, "other").await.state, GroupState::Dead);
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_deleted_topic_go_later_if_the_log_cannot_be_written() {
    let (memory, env, broker, _keeper) = fresh("g").await;
    broker.offset_commit(commit("g", None, partition("emails", 0), 5)).await.unwrap().remove(0).unwrap();
    let request = ottla_broker_core::api::MetadataRequest {
        topics: ottla_broker_core::api::TopicsWanted::Names(vec![name(LOG)]),
        allow_auto_create: false,
    };
    let topic = broker.metadata(request).await.unwrap().topics.remove(0).unwrap().id;
    // Somebody opens the logs beside the metadata: this broker's handles are fenced.
    let stolen: Vec<_> = (0..50)
        .map(|partition| OpenPartition { id: PartitionId { topic, partition }, epoch: LeaderEpoch(1) })
        .collect();
    drop(memory.logs.open_many(&stolen).await);
    broker.delete_topics(vec![name("emails")]).await.unwrap().remove(0).unwrap();
    env.sleep(Duration::from_secs(30)).await;
    create(&broker, "emails", 3).await;
    assert_eq!(committed(&broker, "g").await, None);
    assert_eq!(described(&broker, "g").await.state, GroupState::Dead);
}
