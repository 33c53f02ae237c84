//! What messages mean, and the way to and from `broker_core::api`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    DescribedGroup, FindCoordinator as Coordinated, FoundCoordinator, Generation, GroupId, GroupState,
};
use ottla_broker_core::api::{self, Acks, Appended, EpochEnd, Fetched, IsolationLevel, ListedOffset, OffsetSpec};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::log::Durability;
use ottla_broker_core::record::Compression;
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId, TopicName, TopicPartition};
use uuid::Uuid;

use super::zero_copy::batch;
use crate::messages::{
    ApiVersion, ApiVersionsResponse, Cursor, DescribeClusterResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, Fetch, FetchRequest, FetchResponse,
    FetchedPartition, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, ListOffsetsPartition,
    ListOffsetsRequest, ListOffsetsResponse, Metadata, MetadataRequest, MetadataRequestTopic, MetadataResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, Produce, ProducePartition, ProduceRequest,
    ProduceResponse, ProduceTopic, SaslAuthenticateRequest, Token,
};
use crate::{ApiKey, NoCommonVersion, Records, ServerVersions, TopicRef, Versions};

fn name(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(name(topic), partition)
}

fn by_name(topic: &TopicName) -> TopicRef {
    TopicRef::from(topic)
}

fn producing(records: Option<Records>) -> ProduceRequest {
    let partitions = vec![ProducePartition { partition: 0, records }];
    let topics = vec![ProduceTopic { topic: TopicRef::Name("t".into()), partitions }];
    ProduceRequest { acks: -1, topics, ..ProduceRequest::default() }
}

fn refusal(records: Option<Records>, version: i16) -> ErrorCode {
    producing(records).take_batches(version).remove(0).unwrap_err().code
}

#[test]
fn a_produce_request_has_one_sound_batch_a_partition() {
    let one = batch(b"x", Compression::None).to_bytes();
    assert!(producing(Some(Records::Raw(one.clone()))).take_batches(9)[0].is_ok());
    assert_eq!(refusal(None, 9), ErrorCode::InvalidRecord);
    assert_eq!(refusal(Some(Records::default()), 9), ErrorCode::InvalidRecord);
    assert_eq!(refusal(Some(Records::Raw(Bytes::from([&one[..], &one[..]].concat()))), 9), ErrorCode::InvalidRecord);
    assert_eq!(
        refusal(Some(Records::Raw(Bytes::copy_from_slice(&one[..one.len() - 1]))), 9),
        ErrorCode::CorruptMessage
    );
    // A message set of format 1.
    let mut old = one.to_vec();
    old[16] = 1;
    assert_eq!(refusal(Some(Records::Raw(Bytes::from(old))), 9), ErrorCode::InvalidRecord);
}

#[test]
fn zstd_needs_version_7_of_produce() {
    let zstd = || Some(Records::Batches(vec![batch(&[7; 500], Compression::Zstd)]));
    assert_eq!(refusal(zstd(), 6), ErrorCode::UnsupportedCompressionType);
    assert!(producing(zstd()).take_batches(7)[0].is_ok());
}

fn appended(offset: i64) -> Appended {
    Appended {
        base_offset: Some(Offset(offset)),
        log_append_time_ms: None,
        log_start_offset: Offset(2),
        durability: Durability::Unknown,
        replicas: 1,
    }
}

#[test]
fn produce_answers_come_back_in_the_order_of_the_request() {
    let part = |partition: TopicPartition| api::ProducePartition { partition, batch: batch(b"x", Compression::None) };
    let asked = api::ProduceRequest {
        acks: Acks::Leader,
        timeout: Duration::from_secs(3),
        partitions: vec![part(at("a", 1)), part(at("a", 0)), part(at("b", 0)), part(at("a", 2))],
    };
    let mut request = ProduceRequest::from_api(asked, by_name);
    assert_eq!(request.acks().unwrap(), Acks::Leader);
    assert_eq!(request.take_batches(9).len(), 4);
    let refused = Error::new(ErrorCode::NotLeaderOrFollower, "moved");
    let written_before = Appended { base_offset: None, ..appended(0) };
    let results = [Ok(appended(10)), Err(refused), Ok(written_before), Ok(appended(13))];
    let mut response = ProduceResponse::from_api(&request, results.clone());
    assert_eq!(response.topics[1].partitions[0].error, Some(ErrorCode::DuplicateSequenceNumber));
    // A server may answer in any order.
    response.topics.reverse();
    let answers = response.clone().into_api(&request, 1);
    assert_eq!(answers[0], results[0]);
    assert_eq!(answers[1].as_ref().unwrap_err().code, ErrorCode::NotLeaderOrFollower);
    assert!(answers[1].as_ref().unwrap_err().message.contains("moved"));
    assert_eq!(answers[2], results[2]);
    assert_eq!(answers[3], results[3]);
    response.topics.pop();
    assert_eq!(response.into_api(&request, 1)[0].as_ref().unwrap_err().code, ErrorCode::UnknownServerError);
    assert_eq!(ProduceRequest { acks: 2, ..request }.acks().unwrap_err().code, ErrorCode::InvalidRequiredAcks);
}

#[test]
fn fetches_go_there_and_back() {
    let wanted = |partition| api::FetchPartition {
        partition,
        offset: Offset(5),
        max_bytes: usize::MAX,
        current_leader_epoch: Some(LeaderEpoch(3)),
    };
    let asked = api::FetchRequest {
        replica: Some(BrokerId(4)),
        max_wait: Duration::from_millis(500),
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadCommitted,
        partitions: vec![wanted(at("a", 0)), wanted(at("b", 7))],
    };
    let id = TopicId(Uuid::from_u128(3));
    for version in Fetch::versions() {
        let topic = |name: &TopicName| if version < 13 { TopicRef::from(name) } else { TopicRef::Id(id) };
        let request = FetchRequest::from_api(&asked, topic);
        let sent = crate::encode_request::<Fetch>(1, None, version, &request).unwrap();
        let (_, crate::Request::Fetch(read)) = crate::decode_request(&super::frame(&sent)).unwrap() else { panic!() };
        assert_eq!(read.follower(), Some(BrokerId(4)), "version {version}");
        let partitions = read.partitions().zip(["a", "b"]).map(|((_, part), topic)| part.to_api(name(topic)));
        let came = read.to_api(partitions.collect());
        let epoch = (version >= 9).then_some(LeaderEpoch(3));
        let expected = asked.partitions.iter().map(|part| api::FetchPartition {
            current_leader_epoch: epoch,
            max_bytes: i32::MAX as usize,
            ..part.clone()
        });
        assert_eq!(came, api::FetchRequest { partitions: expected.collect(), ..asked.clone() });
    }

    let request = FetchRequest::from_api(&asked, by_name);
    let fetched = Fetched {
        high_watermark: Offset(9),
        last_stable_offset: Offset(8),
        log_start_offset: Offset(1),
        batches: vec![batch(b"x", Compression::None)],
        aborted: vec![api::AbortedTransaction { producer_id: ProducerId(6), first_offset: Offset(5) }],
    };
    let there = FetchedPartition::from_api(0, IsolationLevel::ReadCommitted, Ok(fetched.clone()));
    let missing = FetchedPartition::from_api(7, IsolationLevel::ReadCommitted, Err(ErrorCode::OffsetOutOfRange.into()));
    assert_eq!(missing.records, Some(Records::default()));
    let response = FetchResponse::of([(TopicRef::Name("b".into()), missing), (TopicRef::Name("a".into()), there)]);
    let answers = response.into_api(&request).unwrap();
    let came = answers[0].as_ref().unwrap();
    assert_eq!(
        (came.high_watermark, came.last_stable_offset, came.log_start_offset),
        (Offset(9), Offset(8), Offset(1))
    );
    assert_eq!((&came.batches, &came.aborted), (&fetched.batches, &fetched.aborted));
    assert_eq!(answers[1].as_ref().unwrap_err().code, ErrorCode::OffsetOutOfRange);
    let uncommitted = FetchedPartition::from_api(0, IsolationLevel::ReadUncommitted, Ok(fetched));
    assert_eq!(uncommitted.aborted, None);
    let no_session = FetchResponse::refused(ErrorCode::FetchSessionIdNotFound);
    assert_eq!(no_session.into_api(&request).unwrap_err().code, ErrorCode::FetchSessionIdNotFound);
}

impl Fetch {
    fn versions() -> impl Iterator<Item = i16> {
        ApiKey::Fetch.spec().versions.iter()
    }
}

#[test]
fn special_timestamps_have_their_versions() {
    let spec = |timestamp, version| ListOffsetsPartition { timestamp, ..Default::default() }.spec(version);
    assert_eq!(spec(-1, 1), Ok(Some(OffsetSpec::Latest)));
    assert_eq!(spec(-2, 1), Ok(Some(OffsetSpec::Earliest)));
    assert_eq!(spec(0, 1), Ok(Some(OffsetSpec::Timestamp(0))));
    for (timestamp, since, meant) in
        [(-3, 7, Some(OffsetSpec::MaxTimestamp)), (-4, 8, Some(OffsetSpec::Earliest)), (-5, 9, None), (-6, 11, None)]
    {
        assert_eq!(spec(timestamp, since - 1).unwrap_err().code, ErrorCode::UnsupportedVersion);
        assert_eq!(spec(timestamp, since), Ok(meant));
    }
    assert_eq!(spec(-7, 11).unwrap_err().code, ErrorCode::UnsupportedVersion);
}

#[test]
fn offsets_and_epochs_come_back_in_order() {
    let wanted =
        [(at("a", 1), OffsetSpec::Latest), (at("b", 0), OffsetSpec::Timestamp(44)), (at("a", 0), OffsetSpec::Earliest)];
    let request = ListOffsetsRequest::from_api(IsolationLevel::ReadUncommitted, &wanted);
    let specs: Vec<_> = request.partitions().map(|(_, part)| part.spec(11).unwrap().unwrap()).collect();
    assert_eq!(specs, wanted.clone().map(|(_, spec)| spec));
    let listed = |offset| ListedOffset { offset, timestamp_ms: Some(45), leader_epoch: Some(LeaderEpoch(1)) };
    let results = [Ok(listed(Some(Offset(8)))), Ok(listed(None)), Err(ErrorCode::NotLeaderOrFollower.into())];
    let mut response = ListOffsetsResponse::from_api(&request, results.clone());
    response.topics.reverse();
    let answers = response.into_api(&request);
    assert_eq!((&answers[0], &answers[1]), (&results[0], &results[1]));
    assert_eq!(answers[2].as_ref().unwrap_err().code, ErrorCode::NotLeaderOrFollower);

    let wanted = [(at("a", 1), Some(LeaderEpoch(4)), LeaderEpoch(3)), (at("a", 2), None, LeaderEpoch(9))];
    let request = OffsetForLeaderEpochRequest::from_api(None, &wanted);
    let results =
        [Ok(EpochEnd { epoch: Some(LeaderEpoch(2)), end: Offset(7) }), Ok(EpochEnd { epoch: None, end: Offset(11) })];
    let response = OffsetForLeaderEpochResponse::from_api(&request, results.clone());
    assert_eq!(response.into_api(&request), results);
}

#[test]
fn a_producer_has_both_an_id_and_an_epoch_or_neither() {
    let none = InitProducerIdRequest::default();
    assert_eq!(none.to_api().unwrap().current, None);
    let half = InitProducerIdRequest { producer_id: ProducerId(1), ..none.clone() };
    assert_eq!(half.to_api().unwrap_err().code, ErrorCode::InvalidRequest);
    let both = InitProducerIdRequest { producer_epoch: ProducerEpoch(0), ..half };
    let asked = both.to_api().unwrap();
    assert_eq!(InitProducerIdRequest::from_api(&asked), both);
}

#[test]
fn a_coordinator_is_found_alone_or_with_others() {
    let wanted = Coordinated::Group(GroupId::from("g"));
    let request = FindCoordinatorRequest::from_api(&wanted);
    let found = FoundCoordinator { broker: BrokerId(3), host: "h".to_owned(), port: 9092 };
    for version in ApiKey::FindCoordinator.spec().versions.iter() {
        let keys = request.keys(version);
        assert_eq!(request.to_api(&keys[0]).unwrap(), wanted);
        let response = FindCoordinatorResponse::from_api(keys.iter().map(|key| (Arc::clone(key), Ok(found.clone()))));
        let sent = crate::Response::from(response).encode(1, version).unwrap();
        let read = crate::decode_response::<crate::messages::FindCoordinator>(version, &super::frame(&sent)).unwrap().1;
        assert_eq!(read.into_api(version), Ok(found.clone()), "version {version}");
    }
    let share = FindCoordinatorRequest { key_type: 2, ..request };
    assert_eq!(share.to_api(&"g:t:0".into()).unwrap_err().code, ErrorCode::InvalidRequest);
}

/// Else the connection would be lost over them.
#[test]
fn words_that_are_too_long_are_cut() {
    let error = || Error::new(ErrorCode::UnknownServerError, "é".repeat(20_000));
    let group = GroupId::from("g".repeat(32_767));
    let groups = DescribeGroupsRequest { groups: vec![group.clone()], ..DescribeGroupsRequest::default() };
    let dead = DescribedGroup {
        group,
        state: GroupState::Dead,
        generation: Generation::NONE,
        protocol_type: Arc::default(),
        protocol: Arc::default(),
        members: Vec::new(),
    };
    let (produced, request) = (vec![Err(error())], producing(None));
    for (key, response) in [
        (ApiKey::FindCoordinator, FindCoordinatorResponse::from_api([("k".into(), Err(error()))]).into()),
        (ApiKey::DescribeGroups, DescribeGroupsResponse::from_api(6, &groups, [Err(error())]).into()),
        (ApiKey::DescribeGroups, DescribeGroupsResponse::from_api(6, &groups, [Ok(dead)]).into()),
        (ApiKey::DescribeCluster, DescribeClusterResponse::refused(&error()).into()),
        (ApiKey::Produce, ProduceResponse::from_api(&request, produced).into()),
    ] {
        let response: crate::Response = response;
        // From version 13 of Produce on topics have ids.
        for version in key.spec().versions.iter().filter(|version| key != ApiKey::Produce || *version < 13) {
            let encoded = response.encode(1, version).map(|encoded| encoded.to_bytes().len());
            assert!(encoded.as_ref().is_ok_and(|len| *len < 40_000), "{key} {version}: {encoded:?}");
        }
    }
}

fn topic(name_: &str, partitions: i32) -> Arc<api::TopicMetadata> {
    let partition = |partition| api::PartitionMetadata {
        partition,
        leader: (partition != 1).then_some(BrokerId(1)),
        leader_epoch: LeaderEpoch(4),
        replicas: vec![BrokerId(1)],
        isr: vec![BrokerId(1)],
    };
    Arc::new(api::TopicMetadata {
        name: name(name_),
        id: TopicId(Uuid::from_u128(u128::from(name_.as_bytes()[0]))),
        internal: false,
        partitions: (0..partitions).map(partition).collect(),
    })
}

#[test]
fn metadata_goes_there_and_back() {
    let broker = api::BrokerMetadata { id: BrokerId(1), host: "h".to_owned(), port: 9092, rack: None };
    let metadata = api::Metadata {
        cluster_id: "c".into(),
        controller: Some(BrokerId(1)),
        brokers: [broker].into(),
        topics: vec![Ok(topic("a", 2)), Err(ErrorCode::UnknownTopicOrPartition.into())],
    };
    let asked =
        api::MetadataRequest { topics: api::TopicsWanted::Names(vec![name("a"), name("b")]), allow_auto_create: false };
    let wanted = MetadataRequest::from_api(&asked).wanted(9).unwrap().unwrap();
    let response = MetadataResponse::from_api(&metadata, Some(&wanted));
    assert_eq!(response.topics[1].name.as_deref(), Some("b"));
    for version in ApiKey::Metadata.spec().versions.iter().filter(|version| *version >= 10) {
        let sent = crate::Response::from(response.clone()).encode(1, version).unwrap();
        let read = crate::decode_response::<Metadata>(version, &super::frame(&sent)).unwrap().1.into_api().unwrap();
        assert_eq!(
            (&read.cluster_id, read.controller, &read.brokers),
            (&metadata.cluster_id, metadata.controller, &metadata.brokers)
        );
        assert_eq!(read.topics[0], metadata.topics[0]);
        assert_eq!(read.topics[1].as_ref().unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
    }
}

#[test]
fn what_metadata_wants_depends_on_the_version() {
    let empty = MetadataRequest { topics: Some(Vec::new()), ..MetadataRequest::default() };
    assert_eq!(empty.wanted(0), Ok(None));
    assert_eq!(empty.wanted(1), Ok(Some(Vec::new())));
    let by_id = |id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { id: Uuid::from_u128(id), name: None }]),
        ..MetadataRequest::default()
    };
    assert_eq!(by_id(1).wanted(11).unwrap_err().code, ErrorCode::InvalidRequest);
    assert_eq!(by_id(1).wanted(12), Ok(Some(vec![TopicRef::Id(TopicId(Uuid::from_u128(1)))])));
    assert_eq!(by_id(0).wanted(12).unwrap_err().code, ErrorCode::InvalidRequest);
}

#[test]
fn topics_come_a_page_at_a_time() {
    let topics = || {
        let unknown: Result<_, Error> = Err(ErrorCode::UnknownTopicOrPartition.into());
        [("c".into(), Ok(topic("c", 1))), ("b".into(), unknown), ("a".into(), Ok(topic("a", 3)))]
    };
    let mut request = DescribeTopicPartitionsRequest { response_partition_limit: 2, ..Default::default() };
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = DescribeTopicPartitionsResponse::from_api(&request, topics());
        pages += 1;
        let told: usize = page.topics.iter().map(|topic| topic.partitions.len()).sum();
        assert!(told <= 2);
        for topic in &page.topics {
            let name = topic.name.clone().unwrap();
            seen.extend(topic.partitions.iter().map(|part| format!("{name}-{}", part.partition)));
            if topic.error.is_some() {
                seen.push(format!("{name}?"));
            }
        }
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen, ["a-0", "a-1", "a-2", "b?", "c-0"]);
    assert_eq!(pages, 2);
    request.cursor = Some(Cursor { topic: "zzz".into(), partition: 0 });
    assert_eq!(
        DescribeTopicPartitionsResponse::from_api(&request, topics()),
        DescribeTopicPartitionsResponse::default()
    );
}

#[test]
fn the_newest_common_version_is_spoken() {
    let api = |key: ApiKey, min, max| ApiVersion { key: key.code(), min, max };
    let kafka_2_1 = ApiVersionsResponse {
        apis: vec![
            api(ApiKey::Produce, 0, 7),
            api(ApiKey::Fetch, 0, 99),
            api(ApiKey::Metadata, 20, 21),
            ApiVersion { key: 999, min: 0, max: 1 },
        ],
        ..ApiVersionsResponse::default()
    };
    let versions = ServerVersions::new(&kafka_2_1);
    assert_eq!(versions.newest::<Produce>(), Ok(7));
    assert_eq!(versions.newest::<Fetch>(), Ok(18));
    assert_eq!(versions.newest_of::<Fetch>(Versions::new(0, 12)), Ok(12));
    assert!(matches!(versions.newest::<Metadata>(), Err(NoCommonVersion::Apart { .. })));
    let missing = versions.newest::<crate::messages::DescribeCluster>();
    assert_eq!(missing, Err(NoCommonVersion::NotServed(ApiKey::DescribeCluster)));
}

#[test]
fn no_log_shows_a_password() {
    let request = SaslAuthenticateRequest { token: Token(Bytes::from_static(b"\0user\0secret")) };
    assert!(!format!("{request:?}").contains("secret"));
}
