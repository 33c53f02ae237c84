//! Topics, configs and what is told to administrators.

use std::time::Duration;

use ottla_broker_core::Offset;
use ottla_broker_core::ProducerId;
use ottla_broker_core::error::ErrorCode;
use ottla_server::Server;
use ottla_wire::messages::{
    ConfigToAlter, CreatableTopic, CreatePartitions, CreatePartitionsRequest, CreatePartitionsTopic, CreateTopics,
    CreateTopicsRequest, DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic, DeleteTopics,
    DeleteTopicsRequest, DescribeCluster, DescribeClusterRequest, DescribeConfigs, DescribeConfigsRequest,
    DescribeConfigsResource, DescribeLogDirs, DescribeLogDirsRequest, DescribeProducers, DescribeProducersRequest,
    DescribeProducersTopic, DescribeTopicPartitions, DescribeTopicPartitionsRequest, ElectLeaders, ElectLeadersRequest,
    ElectLeadersTopic, IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    InitProducerId, InitProducerIdRequest,
};

use crate::support::{TOPIC, fetch, values, world};

const TOPIC_KIND: i8 = 2;

#[tokio::test]
async fn a_topic_is_created_configured_grown_and_deleted() {
    let world = world().await;
    let mut client = world.client().await;
    let topic = |name: &str| CreatableTopic { name: name.into(), ..CreatableTopic::default() };
    let create = CreateTopicsRequest { topics: vec![topic("new"), topic(TOPIC), topic("")], ..Default::default() };
    let created = client.ask::<CreateTopics>(7, &create).await;
    let errors: Vec<_> = created.topics.iter().map(|topic| topic.error).collect();
    assert_eq!(errors, [None, Some(ErrorCode::TopicAlreadyExists), Some(ErrorCode::InvalidTopic)]);
    assert_eq!(created.topics[0].partitions, 1);
    assert!(created.topics[0].configs.as_ref().is_some_and(|configs| configs.len() > 5));

    let set = ConfigToAlter { name: "retention.ms".into(), operation: 0, value: Some("5000".into()) };
    let resource = |name: &str| IncrementalAlterConfigsResource {
        kind: TOPIC_KIND,
        name: name.into(),
        configs: vec![set.clone()],
    };
    let alter =
        IncrementalAlterConfigsRequest { resources: vec![resource("new"), resource("old")], validate_only: false };
    let altered = client.ask::<IncrementalAlterConfigs>(1, &alter).await;
    assert_eq!(altered.results[0].error, None);
    assert_eq!(altered.results[1].error, Some(ErrorCode::UnknownTopicOrPartition));
    let keys = Some(vec!["retention.ms".into()]);
    let resources = vec![DescribeConfigsResource { kind: TOPIC_KIND, name: "new".into(), keys }];
    let told = client.ask::<DescribeConfigs>(4, &DescribeConfigsRequest { resources, ..Default::default() }).await;
    assert_eq!(told.results[0].configs[0].value.as_deref(), Some("5000"));

    let grow = |total| CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: "new".into(), total, assignments: None }],
        ..CreatePartitionsRequest::default()
    };
    assert_eq!(client.ask::<CreatePartitions>(3, &grow(3)).await.results[0].error, None);
    let same = client.ask::<CreatePartitions>(3, &grow(3)).await;
    assert_eq!(same.results[0].error, Some(ErrorCode::InvalidPartitions));
    let page = DescribeTopicPartitionsRequest { response_partition_limit: 4, ..Default::default() };
    let page = client.ask::<DescribeTopicPartitions>(0, &page).await;
    let told: Vec<_> =
        page.topics.iter().map(|topic| (topic.name.as_deref().unwrap(), topic.partitions.len())).collect();
    assert_eq!(told, [(TOPIC, 2), ("new", 2)]);
    assert_eq!(page.next_cursor.map(|cursor| cursor.partition), Some(2));

    let delete = DeleteTopicsRequest { names: vec!["new".into(), "old".into()], ..DeleteTopicsRequest::default() };
    let deleted = client.ask::<DeleteTopics>(5, &delete).await;
    let errors: Vec<_> = deleted.topics.iter().map(|topic| topic.error).collect();
    assert_eq!(errors, [None, Some(ErrorCode::UnknownTopicOrPartition)]);
    world.close().await;
}

#[tokio::test]
async fn records_are_deleted() {
    let world = world().await;
    let mut client = world.client().await;
    for text in ["one", "two", "three"] {
        client.produce(-1, text).await;
    }
    let delete = |before| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: TOPIC.into(),
            partitions: vec![DeleteRecordsPartition { partition: 0, before }],
        }],
        ..DeleteRecordsRequest::default()
    };
    let deleted = client.ask::<DeleteRecords>(2, &delete(2)).await;
    assert_eq!(deleted.topics[0].partitions[0].low_watermark, Some(Offset(2)));
    assert_eq!(values(client.fetch(&fetch(2, Duration::ZERO)).await), ["three"]);
    let below = client.fetch(&fetch(1, Duration::ZERO)).await;
    assert_eq!(below.topics[0].partitions[0].error, Some(ErrorCode::OffsetOutOfRange));
    let beyond = client.ask::<DeleteRecords>(2, &delete(9)).await;
    assert_eq!(beyond.topics[0].partitions[0].error, Some(ErrorCode::OffsetOutOfRange));
    world.close().await;
}

#[tokio::test]
async fn brokers_logs_producers_and_leaders_are_told() {
    let world = world().await;
    let mut client = world.client().await;
    client.produce(-1, "one").await;
    let cluster = client.ask::<DescribeCluster>(1, &DescribeClusterRequest::default()).await;
    assert_eq!((&*cluster.brokers[0].host, cluster.brokers[0].port), ("broker.example", 19_092));

    let dirs = client.ask::<DescribeLogDirs>(4, &DescribeLogDirsRequest::default()).await;
    assert_eq!(dirs.dirs[0].topics[0].partitions.len(), 2);
    assert!(dirs.dirs[0].topics[0].partitions[0].size > 60);

    let init = |at: i64| InitProducerIdRequest { producer_id: ProducerId(at), ..InitProducerIdRequest::default() };
    let first = client.ask::<InitProducerId>(5, &init(-1)).await;
    let second = client.ask::<InitProducerId>(5, &init(-1)).await;
    assert_eq!((first.error, second.producer_id.0 - first.producer_id.0), (None, 1));
    // An id without an epoch is no identity.
    assert_eq!(client.ask::<InitProducerId>(5, &init(5)).await.error, Some(ErrorCode::InvalidRequest));

    let topic = DescribeProducersTopic { name: TOPIC.into(), partitions: vec![0, 9] };
    let producers = client.ask::<DescribeProducers>(0, &DescribeProducersRequest { topics: vec![topic] }).await;
    let errors: Vec<_> = producers.topics[0].partitions.iter().map(|one| one.error).collect();
    assert_eq!(errors, [None, Some(ErrorCode::UnknownTopicOrPartition)]);

    let topics = Some(vec![ElectLeadersTopic { name: TOPIC.into(), partitions: vec![0] }]);
    let elected = client.ask::<ElectLeaders>(2, &ElectLeadersRequest { topics, ..Default::default() }).await;
    assert_eq!(elected.topics[0].partitions[0].error, Some(ErrorCode::ElectionNotNeeded));
    let all = client.ask::<ElectLeaders>(2, &ElectLeadersRequest::default()).await;
    assert_eq!((all.error, all.topics.len()), (None, 0));
    world.close().await;
}

#[tokio::test]
async fn a_name_for_clients_goes_with_the_port_that_is_listened_on() {
    let world = world().await;
    let builder = Server::builder(world.broker.clone()).advertised_host("log.example");
    let other = builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    assert_eq!(other.advertised().to_string(), format!("log.example:{}", other.address().port()));
    other.shutdown(Duration::from_secs(10)).await.unwrap();
    world.close().await;
}
