//! What is answered once although it is asked for often, and what is refused to some.

use ottla_broker_core::error::ErrorCode;
use ottla_server::{Authorizer, Operation, Principal, Resource};
use ottla_wire::messages::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource, DescribeGroups, DescribeGroupsRequest,
    DescribeProducers, DescribeProducersRequest, DescribeProducersTopic, Metadata, MetadataRequest,
    MetadataRequestTopic, OffsetFetch, OffsetFetchGroup, OffsetFetchRequest,
};

use crate::support::{TOPIC, world, world_of};

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.into()), ..MetadataRequestTopic::default() }
}

fn metadata(topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest { topics: Some(topics), allow_auto_topic_creation: true, ..MetadataRequest::default() }
}

#[tokio::test]
async fn what_is_asked_for_a_thousand_times_is_answered_once() {
    let world = world().await;
    let mut client = world.client().await;
    let mut topics = vec![named(TOPIC); 1_000];
    topics.push(named("a b"));
    let told = client.ask::<Metadata>(12, &metadata(topics)).await;
    let told: Vec<_> = told.topics.iter().map(|topic| (topic.name.as_deref().unwrap(), topic.id)).collect();
    assert_eq!((told.len(), told[0].0, told[1].0), (2, TOPIC, "a b"), "in the order of the request");
    let by_id = MetadataRequestTopic { id: told[0].1, name: None };
    assert_eq!(client.ask::<Metadata>(12, &metadata(vec![by_id; 1_000])).await.topics.len(), 1);

    let resource = DescribeConfigsResource { kind: 2, name: TOPIC.into(), keys: None };
    let request = DescribeConfigsRequest { resources: vec![resource; 1_000], ..DescribeConfigsRequest::default() };
    assert_eq!(client.ask::<DescribeConfigs>(4, &request).await.results.len(), 1);

    let request = DescribeGroupsRequest { groups: vec!["g".into(); 1_000], ..DescribeGroupsRequest::default() };
    assert_eq!(client.ask::<DescribeGroups>(5, &request).await.groups.len(), 1);

    let topic = DescribeProducersTopic { name: TOPIC.into(), partitions: vec![0, 1, 0] };
    let told = client.ask::<DescribeProducers>(0, &DescribeProducersRequest { topics: vec![topic; 1_000] }).await;
    assert_eq!(told.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>(), 2);

    let group = OffsetFetchGroup { group: "g".into(), topics: None, ..OffsetFetchGroup::default() };
    let request = OffsetFetchRequest { groups: vec![group; 1_000], ..OffsetFetchRequest::default() };
    assert_eq!(client.ask::<OffsetFetch>(8, &request).await.groups.len(), 1);
    world.close().await;
}

/// Lets clients see everything, and create what begins with `own`; or what the cluster may have, too.
#[derive(Debug)]
struct OwnOnly {
    and_all: bool,
}

impl Authorizer for OwnOnly {
    fn allows(&self, _: &Principal, operation: Operation, resource: Resource<'_>) -> bool {
        match (operation, resource) {
            (Operation::Create, Resource::Topic(name)) => name.as_str().starts_with("own"),
            (Operation::Create, _) => self.and_all,
            _ => true,
        }
    }
}

#[tokio::test]
async fn who_may_create_no_topics_creates_none_by_asking_for_them() {
    for and_all in [false, true] {
        let world = world_of(|builder| builder.authorizer(OwnOnly { and_all })).await;
        let mut client = world.client().await;
        let topics = vec![named("other"), named(TOPIC), named("a b"), named("own-1")];
        let told = client.ask::<Metadata>(12, &metadata(topics.clone())).await;
        let errors: Vec<_> = told.topics.iter().map(|topic| topic.error).collect();
        let new = Some(ErrorCode::LeaderNotAvailable);
        let other = if and_all { new } else { Some(ErrorCode::TopicAuthorizationFailed) };
        assert_eq!(errors, [other, None, Some(ErrorCode::InvalidTopic), new]);
        let all = MetadataRequest { allow_auto_topic_creation: false, ..metadata(topics) };
        let told = client.ask::<Metadata>(12, &all).await;
        let other = (!and_all).then_some(ErrorCode::UnknownTopicOrPartition);
        assert_eq!((told.topics[0].error, told.topics[3].error), (other, None));
        world.close().await;
    }
}
