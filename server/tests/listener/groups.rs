//! A group's whole life.

use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{LeaderEpoch, Offset, TopicId};
use ottla_wire::messages::{
    DeleteGroups, DeleteGroupsRequest, DescribeGroups, DescribeGroupsRequest, FindCoordinator, FindCoordinatorRequest,
    Heartbeat, HeartbeatRequest, JoinGroup, JoinGroupProtocol, JoinGroupRequest, LeaveGroup, LeaveGroupMember,
    LeaveGroupRequest, ListGroups, ListGroupsRequest, Metadata, MetadataRequest, OffsetCommit, OffsetCommitPartition,
    OffsetCommitRequest, OffsetCommitTopic, OffsetFetch, OffsetFetchGroup, OffsetFetchRequest, OffsetFetchTopic,
    SyncGroup, SyncGroupAssignment, SyncGroupRequest,
};
use ottla_wire::{Api, TopicRef};

use crate::support::{Client, TOPIC, World, world};

fn join() -> JoinGroupRequest {
    JoinGroupRequest {
        group: "readers".into(),
        session_timeout: Duration::from_secs(30),
        rebalance_timeout: Duration::from_secs(30),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupProtocol { name: "range".into(), metadata: Bytes::new() }],
        ..JoinGroupRequest::default()
    }
}

/// Joins by version 2, which needs no second try, and looks for the coordinator until it is there.
async fn joined(world: &World, client: &mut Client) -> ottla_wire::messages::JoinGroupResponse {
    let find = FindCoordinatorRequest { keys: vec!["readers".into()], ..FindCoordinatorRequest::default() };
    loop {
        let found = client.ask::<FindCoordinator>(4, &find).await.coordinators.remove(0);
        if found.error.is_none() {
            assert_eq!((&*found.host, found.port), ("broker.example", 19_092));
            assert_eq!(found.broker, world.broker.id());
        }
        let joined = client.ask::<JoinGroup>(3, &join()).await;
        match joined.error {
            None => return joined,
            Some(code) => assert!(code.is_retriable(), "{code}"),
        }
    }
}

#[tokio::test]
async fn a_member_joins_works_and_leaves() {
    let world = world().await;
    let mut client = world.client().await;
    let joined = joined(&world, &mut client).await;
    let member = joined.member.clone().unwrap();
    assert_eq!((&joined.leader, joined.members.len()), (&member, 1));

    let sync = SyncGroupRequest {
        group: "readers".into(),
        generation: joined.generation,
        member: member.clone(),
        assignments: vec![SyncGroupAssignment { member: member.clone(), assignment: Bytes::from_static(b"all") }],
        ..SyncGroupRequest::default()
    };
    assert_eq!(client.ask::<SyncGroup>(3, &sync).await.assignment, Bytes::from_static(b"all"));
    let heartbeat = HeartbeatRequest {
        group: "readers".into(),
        generation: joined.generation,
        member: member.clone(),
        ..HeartbeatRequest::default()
    };
    assert_eq!(client.ask::<Heartbeat>(4, &heartbeat).await.error, None);

    let commit = |partition| OffsetCommitPartition { partition, offset: Offset(7), ..OffsetCommitPartition::default() };
    let commit = OffsetCommitRequest {
        group: "readers".into(),
        generation: joined.generation,
        member: Some(member.clone()),
        topics: vec![OffsetCommitTopic { topic: TopicRef::Name(TOPIC.into()), partitions: vec![commit(0), commit(9)] }],
        ..OffsetCommitRequest::default()
    };
    let committed = client.ask::<OffsetCommit>(8, &commit).await;
    let errors: Vec<_> = committed.topics[0].partitions.iter().map(|partition| partition.error).collect();
    assert_eq!(errors, [None, Some(ErrorCode::UnknownTopicOrPartition)]);

    // All topics, one topic, and none.
    let group = |topics| OffsetFetchGroup { group: "readers".into(), topics, ..OffsetFetchGroup::default() };
    let one = OffsetFetchTopic { topic: TopicRef::Name(TOPIC.into()), partitions: vec![0, 1] };
    let groups = vec![group(None), group(Some(vec![one])), group(Some(Vec::new()))];
    let fetched = client.ask::<OffsetFetch>(8, &OffsetFetchRequest { groups, ..OffsetFetchRequest::default() }).await;
    let told = |at: usize| -> Vec<_> {
        let topics = fetched.groups[at].topics.iter();
        topics.flat_map(|topic| topic.partitions.iter().map(|one| (one.partition, one.offset))).collect()
    };
    assert_eq!(told(0), [(0, Some(Offset(7)))]);
    assert_eq!(told(1), [(0, Some(Offset(7))), (1, None)]);
    assert_eq!(told(2), []);

    let describe = DescribeGroupsRequest { groups: vec!["readers".into()], ..DescribeGroupsRequest::default() };
    let described = client.ask::<DescribeGroups>(5, &describe).await.groups.remove(0);
    assert_eq!((&*described.state, &*described.members[0].client_id), ("Stable", "test"));
    assert_eq!(&*described.members[0].client_host, "/127.0.0.1");
    let listed = client.ask::<ListGroups>(4, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups.len(), 1);

    let delete = DeleteGroupsRequest { groups: vec!["readers".into()] };
    let refused = client.ask::<DeleteGroups>(2, &delete).await;
    assert_eq!(refused.results[0].error, Some(ErrorCode::NonEmptyGroup));
    let members = vec![LeaveGroupMember { member: Some(member), ..LeaveGroupMember::default() }];
    let leave = LeaveGroupRequest { group: "readers".into(), member: None, members };
    assert_eq!(client.ask::<LeaveGroup>(4, &leave).await.members[0].error, None);
    assert_eq!(client.ask::<DeleteGroups>(2, &delete).await.results[0].error, None);
    world.close().await;
}

#[tokio::test]
async fn who_waits_for_the_others_of_a_group_delays_nobody_and_is_told_of_a_shutdown() {
    let world = world().await;
    let (mut one, mut two) = (world.client().await, world.client().await);
    let first = joined(&world, &mut one).await;
    // The first has to join again before the second is in, and does not.
    two.send::<JoinGroup>(3, &join()).await;
    let heartbeat = HeartbeatRequest {
        group: "readers".into(),
        generation: first.generation,
        member: first.member.clone().unwrap(),
        ..HeartbeatRequest::default()
    };
    while one.ask::<Heartbeat>(4, &heartbeat).await.error != Some(ErrorCode::RebalanceInProgress) {}
    world.server.shutdown(Duration::from_secs(60)).await.unwrap();
    assert_eq!(two.receive::<JoinGroup>(3).await.1.error, Some(ErrorCode::NotCoordinator));
    assert_eq!(two.frame().await, None);
    world.broker.close(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version_with_their_epochs() {
    let world = world().await;
    let mut client = world.client().await;
    joined(&world, &mut client).await;
    let topics = client.ask::<Metadata>(12, &MetadataRequest::default()).await.topics;
    let id = topics.iter().find(|topic| topic.name.as_deref() == Some(TOPIC)).unwrap().id;
    let topic = |by_id| if by_id { TopicRef::Id(TopicId(id)) } else { TopicRef::Name(TOPIC.into()) };
    for version in OffsetCommit::SPEC.versions.iter() {
        // A group without members: who commits needs not be one.
        let commit = |offset| OffsetCommitRequest {
            group: "without members".into(),
            topics: vec![OffsetCommitTopic {
                topic: topic(version >= 10),
                partitions: vec![OffsetCommitPartition {
                    partition: 1,
                    offset: Offset(offset),
                    leader_epoch: (version >= 6).then_some(LeaderEpoch(0)),
                    metadata: Some("note".into()),
                }],
            }],
            ..OffsetCommitRequest::default()
        };
        let offset = i64::from(version);
        let answer = client.ask::<OffsetCommit>(version, &commit(offset)).await;
        assert_eq!(answer.topics[0].topic, topic(version >= 10));
        assert_eq!(answer.topics[0].partitions[0].error, None, "version {version}");
        for fetched in OffsetFetch::SPEC.versions.iter() {
            let topics = vec![OffsetFetchTopic { topic: topic(fetched >= 10), partitions: vec![1] }];
            let group = OffsetFetchGroup {
                group: "without members".into(),
                topics: Some(topics.clone()),
                ..OffsetFetchGroup::default()
            };
            let request = if fetched >= 8 {
                OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
            } else {
                OffsetFetchRequest {
                    group: "without members".into(),
                    topics: Some(topics),
                    ..OffsetFetchRequest::default()
                }
            };
            let answer = client.ask::<OffsetFetch>(fetched, &request).await;
            let told = if fetched >= 8 { &answer.groups[0].topics } else { &answer.topics };
            assert_eq!(told[0].topic, topic(fetched >= 10));
            let told = &told[0].partitions[0];
            assert_eq!(
                (told.error, told.offset, told.metadata.as_deref()),
                (None, Some(Offset(offset)), Some("note")),
                "version {fetched} of {version}"
            );
            let epoch = (version >= 6 && fetched >= 5).then_some(LeaderEpoch(0));
            assert_eq!(told.leader_epoch, epoch, "committed by version {version} and fetched by {fetched}");
        }
    }
    world.close().await;
}

#[tokio::test]
async fn who_joins_first_is_sent_back_for_a_name_from_version_4_on_unless_it_has_one() {
    let world = world().await;
    let mut client = world.client().await;
    let of = |group: String| JoinGroupRequest { group: group.as_str().into(), ..join() };
    joined(&world, &mut client).await;
    for version in JoinGroup::SPEC.versions.iter() {
        let first = client.ask::<JoinGroup>(version, &of(format!("g{version}"))).await;
        if version < 4 {
            assert_eq!(first.error, None, "version {version}");
            continue;
        }
        assert_eq!(first.error, Some(ErrorCode::MemberIdRequired), "version {version}");
        let named = JoinGroupRequest { member: first.member.clone(), ..of(format!("g{version}")) };
        let second = client.ask::<JoinGroup>(version, &named).await;
        assert_eq!((second.error, &second.member), (None, &first.member));
        if version >= 5 {
            let stays = JoinGroupRequest { instance: Some("one".into()), ..of(format!("s{version}")) };
            assert_eq!(client.ask::<JoinGroup>(version, &stays).await.error, None, "version {version}");
        }
    }
    world.close().await;
}

/// Each kind of client has the code that it does not ask again on, and the words.
#[tokio::test]
async fn transactions_have_no_coordinator_and_clients_do_not_ask_again() {
    let world = world().await;
    let mut client = world.client().await;
    let find = FindCoordinatorRequest { key: "tx".into(), key_type: 1, keys: vec!["tx".into()] };
    let told = client.ask::<FindCoordinator>(2, &find).await;
    let words = told.error_message.as_deref().unwrap();
    assert_eq!(told.error, Some(ErrorCode::TransactionalIdAuthorizationFailed));
    assert!(words.contains("transactions are not built yet"), "{words}");
    let told = client.ask::<FindCoordinator>(4, &find).await.coordinators.remove(0);
    let words = told.error_message.as_deref().unwrap();
    assert_eq!(told.error, Some(ErrorCode::UnsupportedVersion));
    assert!(words.contains("transactions are not built yet"), "{words}");
    world.close().await;
}
