//! Brokers with a keeper, and members in as few words as tests need.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::api::group::*;
use ottla_broker_core::api::{CreateTopic, Error, ErrorCode, TopicsWanted};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{Env, Task};
use ottla_broker_core::{Offset, TopicName, TopicPartition};

pub(super) const LIMIT: Duration = Duration::from_secs(30);
pub(super) const SESSION: Duration = Duration::from_secs(10);

pub(super) fn memory() -> MemoryBackend {
    MemoryBackend::new(MemoryOptions::default())
}

/// A broker without anyone who keeps house.
pub(super) async fn start_alone(memory: &MemoryBackend, env: &Env) -> Arc<Broker> {
    Broker::start(BrokerConfig::default(), memory.backend(), env.clone()).await.unwrap()
}

/// Keeps house, as a client does.
pub(super) fn keep(broker: &Arc<Broker>) -> Task {
    let kept = Arc::clone(broker);
    broker.env().spawn("keeper", async move { kept.run_housekeeping().await })
}

pub(super) async fn start(memory: &MemoryBackend, env: &Env) -> (Arc<Broker>, Task) {
    let broker = start_alone(memory, env).await;
    let keeper = keep(&broker);
    (broker, keeper)
}

/// A broker in new memory, with a topic `emails` of three partitions and a coordinator for `group`.
pub(super) async fn fresh(group: &str) -> (MemoryBackend, Env, Arc<Broker>, Task) {
    let (memory, env) = (memory(), Env::seeded(7));
    let (broker, keeper) = start(&memory, &env).await;
    create(&broker, "emails", 3).await;
    find(&broker, group).await.unwrap();
    (memory, env, broker, keeper)
}

pub(super) fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

pub(super) fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(name(topic), partition)
}

pub(super) fn new_topic(topic: &str, partitions: i32) -> CreateTopic {
    CreateTopic {
        name: name(topic),
        partitions: Some(partitions),
        replication_factor: None,
        configs: std::collections::BTreeMap::new(),
    }
}

pub(super) async fn create(broker: &Broker, topic: &str, partitions: i32) {
    broker.create_topics(vec![new_topic(topic, partitions)], false).await.unwrap().remove(0).unwrap();
}

pub(super) async fn find(broker: &Broker, group: &str) -> Result<FoundCoordinator, Error> {
    broker.find_coordinator(FindCoordinator::Group(group.into())).await
}

/// Asks again while the coordinator is not there yet, as every client does.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    env: &Env,
    ask: impl Fn() -> F,
) -> Result<T, Error> {
    for _ in 0..1_000 {
        match ask().await {
            Err(error) if error.is_retriable() => env.sleep(Duration::from_millis(5)).await,
            answer => return answer,
        }
    }
    panic!("the coordinator did not come back");
}

pub(super) fn join(group: &str, topics: &[&str]) -> JoinGroup {
    let metadata = Subscription::to(topics.iter().map(|topic| name(topic)).collect()).encode().unwrap();
    JoinGroup {
        group: group.into(),
        member: None,
        instance: None,
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: SESSION,
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: CONSUMER.into(),
        protocols: vec![GroupProtocol { name: "range".into(), metadata }],
        requires_known_member: true,
        can_skip_assignment: true,
    }
}

/// Joins as a client does that is told its name first.
pub(super) async fn joined(broker: &Broker, mut request: JoinGroup) -> JoinedGroup {
    loop {
        match broker.join_group(request.clone()).await {
            Ok(joined) => return joined,
            Err(refused) if refused.error.code == ErrorCode::MemberIdRequired => request.member = refused.member,
            Err(refused) => panic!("{refused}"),
        }
    }
}

/// Joins in the background; the task ends with the answer.
pub(super) fn joining(broker: &Arc<Broker>, request: JoinGroup) -> tokio::task::JoinHandle<JoinedGroup> {
    let broker = Arc::clone(broker);
    tokio::spawn(async move { joined(&broker, request).await })
}

pub(super) fn sync(group: &str, joined: &JoinedGroup, shares: &[(&JoinedGroup, &[i32])]) -> SyncGroup {
    let share = |partitions: &[i32]| {
        let partitions = vec![TopicPartitions { topic: name("emails"), partitions: partitions.to_vec() }];
        Assignment { partitions, user_data: None }.encode().unwrap()
    };
    SyncGroup {
        group: group.into(),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
        protocol_type: Some(CONSUMER.into()),
        protocol: Some("range".into()),
        assignments: shares.iter().map(|(of, partitions)| (of.member.clone(), share(partitions))).collect(),
    }
}

/// A stable group of one member, which has everything.
pub(super) async fn alone(broker: &Broker, group: &str) -> JoinedGroup {
    let member = joined(broker, join(group, &["emails"])).await;
    broker.sync_group(sync(group, &member, &[(&member, &[0, 1, 2])])).await.unwrap();
    member
}

/// A stable group of two members: the leader with partitions 0 and 1, the other with 2.
pub(super) async fn pair(broker: &Arc<Broker>, group: &str) -> (JoinedGroup, JoinedGroup) {
    let first = joined(broker, join(group, &["emails"])).await;
    let second = joining(broker, join(group, &["emails"]));
    // The first learns of the second by its heartbeat.
    loop {
        match broker.heartbeat(heartbeat(group, &first)).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::RebalanceInProgress, "{error}");
                break;
            }
        }
    }
    let again = JoinGroup { member: Some(first.member), ..join(group, &["emails"]) };
    let (first, second) = (joined(broker, again).await, second.await.unwrap());
    assert_eq!((&first.leader, first.members.len()), (&first.member, 2));
    let shares: &[(&JoinedGroup, &[i32])] = &[(&first, &[0, 1]), (&second, &[2])];
    let (leads, follows) =
        tokio::join!(broker.sync_group(sync(group, &first, shares)), broker.sync_group(sync(group, &second, &[])));
    assert_eq!(share(&leads.unwrap()), [0, 1]);
    assert_eq!(share(&follows.unwrap()), [2]);
    (first, second)
}

pub(super) fn share(synced: &SyncedGroup) -> Vec<i32> {
    Assignment::decode(&synced.assignment).unwrap().partitions.remove(0).partitions
}

pub(super) fn heartbeat(group: &str, member: &JoinedGroup) -> Heartbeat {
    Heartbeat { group: group.into(), generation: member.generation, member: member.member.clone(), instance: None }
}

pub(super) fn leave(group: &str, member: &JoinedGroup) -> LeaveGroup {
    LeaveGroup {
        group: group.into(),
        members: vec![LeavingMember { member: Some(member.member.clone()), instance: None }],
    }
}

pub(super) fn commit(group: &str, member: Option<&JoinedGroup>, of: TopicPartition, offset: i64) -> OffsetCommit {
    OffsetCommit {
        group: group.into(),
        generation: member.map_or(Generation::NONE, |member| member.generation),
        member: member.map(|member| member.member.clone()),
        instance: None,
        partitions: vec![OffsetCommitPartition {
            partition: of,
            offset: Offset(offset),
            leader_epoch: None,
            metadata: "note".into(),
        }],
    }
}

/// What a group has committed for `emails-0`, once the coordinator answers.
pub(super) async fn committed(broker: &Broker, group: &str) -> Option<i64> {
    let wanted = OffsetsWanted::Partitions(vec![partition("emails", 0)]);
    let request = OffsetFetch { group: group.into(), wanted, require_stable: true };
    let mut fetched = patiently(broker.env(), || broker.offset_fetch(request.clone())).await.unwrap();
    fetched.remove(0).committed.unwrap().map(|committed| committed.offset.0)
}

pub(super) async fn described(broker: &Broker, group: &str) -> DescribedGroup {
    patiently(broker.env(), || async { broker.describe_groups(vec![group.into()]).await?.remove(0) }).await.unwrap()
}

pub(super) async fn topics(broker: &Broker) -> Vec<String> {
    let request = ottla_broker_core::api::MetadataRequest { topics: TopicsWanted::All, allow_auto_create: false };
    let metadata = broker.metadata(request).await.unwrap();
    metadata.topics.into_iter().map(|topic| topic.unwrap().name.to_string()).collect()
}

pub(super) fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorCode {
    answer.unwrap_err().code
}
