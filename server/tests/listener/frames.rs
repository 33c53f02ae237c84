//! What is served, and what comes of bytes that are no request.

use std::time::Duration;

use ottla_broker_core::error::ErrorCode;
use ottla_server::{Error, Limits, Server};
use ottla_wire::ApiKey;
use ottla_wire::messages::{ApiVersions, ApiVersionsRequest, Metadata, MetadataRequest, MetadataRequestTopic};
use tokio::io::AsyncWriteExt;

use crate::support::{TOPIC, world, world_with};

#[tokio::test]
async fn what_is_served_is_told_and_where() {
    let world = world().await;
    let mut client = world.client().await;
    let versions = client.ask::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.error, None);
    // librdkafka takes a broker that does not serve Produce from 0 on for one without compression.
    assert_eq!(versions.versions_of(ApiKey::Produce).unwrap().min, 0);

    let metadata = client.ask::<Metadata>(12, &MetadataRequest::default()).await;
    let places: Vec<_> = metadata.brokers.iter().map(|broker| (&*broker.host, broker.port)).collect();
    assert_eq!(places, [("broker.example", 19_092)]);
    assert_eq!(metadata.topics.len(), 1);
    assert_eq!((metadata.topics[0].name.as_deref(), metadata.topics[0].partitions.len()), (Some(TOPIC), 2));
    world.close().await;
}

#[tokio::test]
async fn every_advertised_version_of_every_api_is_one_that_is_read() {
    let world = world().await;
    let mut client = world.client().await;
    let versions = client.ask::<ApiVersions>(0, &ApiVersionsRequest::default()).await;
    for api in &versions.apis {
        let key = ApiKey::from_code(api.key).unwrap();
        let spec = key.spec();
        assert_eq!((api.min, api.max), (spec.advertised.min, spec.advertised.max), "{key}");
    }
    assert_eq!(versions.apis.len(), ApiKey::ALL.len(), "what is spoken is served");
    world.close().await;
}

#[tokio::test]
async fn topics_are_told_by_name_and_id_and_created_if_that_is_allowed() {
    let world = world().await;
    let mut client = world.client().await;
    let named = |name: &str| MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let ask = |topics, allow| MetadataRequest {
        topics: Some(topics),
        allow_auto_topic_creation: allow,
        ..MetadataRequest::default()
    };
    let told = client.ask::<Metadata>(12, &ask(vec![named("a b"), named(TOPIC), named("new")], false)).await;
    let errors: Vec<_> = told.topics.iter().map(|topic| topic.error).collect();
    assert_eq!(errors, [Some(ErrorCode::InvalidTopic), None, Some(ErrorCode::UnknownTopicOrPartition)]);
    let id = told.topics[1].id;

    let told = client.ask::<Metadata>(12, &ask(vec![named("new")], true)).await;
    assert_eq!(told.topics[0].error, Some(ErrorCode::LeaderNotAvailable));
    let told = client.ask::<Metadata>(12, &ask(vec![named("new")], true)).await;
    assert_eq!(told.topics[0].error, None);

    let by_id = |id| MetadataRequestTopic { id, name: None };
    let told = client.ask::<Metadata>(12, &ask(vec![by_id(uuid::Uuid::from_u128(9)), by_id(id)], false)).await;
    assert_eq!(told.topics[0].error, Some(ErrorCode::UnknownTopicId));
    assert_eq!((told.topics[1].error, told.topics[1].name.as_deref()), (None, Some(TOPIC)));
    world.close().await;
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0_and_the_connection_goes_on() {
    let world = world().await;
    let mut client = world.client().await;
    client.write(&[0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 77, 0, 1, b'c']).await;
    let (number, versions) = client.receive::<ApiVersions>(0).await;
    assert_eq!((number, versions.error), (77, Some(ErrorCode::UnsupportedVersion)));
    assert_eq!(versions.versions_of(ApiKey::ApiVersions).map(|range| range.max), Some(4));
    let versions = client.ask::<ApiVersions>(4, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.error, None);
    world.close().await;
}

/// What a client gets for `bytes`, and that the reason is there.
async fn ends(bytes: &[u8], reason: &str) {
    let world = world().await;
    let mut client = world.client().await;
    client.write(bytes).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.frame().await, None);
    world.ended(reason).await;
    world.close().await;
}

#[tokio::test]
async fn an_unknown_api_ends_the_connection() {
    ends(&[0, 0, 0, 10, 3, 231, 0, 0, 0, 0, 0, 1, 255, 255], "bad_request").await;
}

#[tokio::test]
async fn an_unknown_version_ends_the_connection() {
    ends(&[0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 255, 255], "bad_request").await;
}

#[tokio::test]
async fn versions_that_are_only_advertised_end_the_connection() {
    ends(&[0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 255, 255], "bad_request").await;
}

#[tokio::test]
async fn a_frame_that_is_cut_off_ends_the_connection() {
    ends(&[0, 0, 0, 10, 0, 18], "truncated").await;
    let mut long = vec![0, 2, 0, 0];
    long.resize(40_000, 7);
    ends(&long, "truncated").await;
}

#[tokio::test]
async fn a_length_that_cannot_be_ends_the_connection() {
    ends(&[255, 255, 255, 255], "bad_frame").await;
    // One byte more than a request may have: nothing is waited for.
    ends(&(100_i32 * (1 << 20) + 1).to_be_bytes(), "bad_frame").await;
    // "GET " is a length too.
    ends(b"GET / HTTP/1.1\r\n\r\n", "bad_frame").await;
}

#[tokio::test]
async fn who_says_nothing_and_goes_is_no_trouble() {
    ends(&[], "goodbye").await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let mut limits = Limits::default();
    limits.connections_per_address = 2;
    let world = world_with(limits).await;
    let (mut one, mut two) = (world.client().await, world.client().await);
    for client in [&mut one, &mut two] {
        client.ask::<ApiVersions>(0, &ApiVersionsRequest::default()).await;
    }
    let mut three = world.client().await;
    three.send::<ApiVersions>(0, &ApiVersionsRequest::default()).await;
    assert_eq!(three.frame().await, None);
    world.ended("refused").await;
    drop(one);
    while world.server.connections() > 1 {
        tokio::task::yield_now().await;
    }
    let mut three = world.client().await;
    three.ask::<ApiVersions>(0, &ApiVersionsRequest::default()).await;
    world.close().await;
}

#[tokio::test]
async fn limits_that_would_serve_nobody_are_refused() {
    let world = world().await;
    let refused = async |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        let server = Server::builder(world.broker.clone()).limits(limits).bind("127.0.0.1:0".parse().unwrap());
        matches!(server.await, Err(Error::Limits(_)))
    };
    assert!(refused(|limits| limits.frame_bytes = limits.request_bytes + 1).await);
    assert!(refused(|limits| (limits.frame_bytes, limits.request_bytes) = (100, 100_000)).await);
    assert!(refused(|limits| limits.connections = 0).await);
    // A client would renew it after 0.85 s, and be refused for having just logged in.
    assert!(refused(|limits| limits.session = Some(Duration::from_secs(1))).await);
    assert!(!refused(|limits| limits.session = Some(Duration::from_secs(2))).await);
    world.close().await;
}
