//! The foundation: bytes that Kafka's own code would write, and what hostile ones come to.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{BrokerId, LeaderEpoch};
use uuid::Uuid;

use super::frame;
use crate::messages::{
    ApiVersions, ApiVersionsRequest, ApiVersionsResponse, Metadata, MetadataBroker, MetadataPartition, MetadataRequest,
    MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
use crate::{
    ApiKey, DecodeError, EncodeError, FrameError, Progress, Request, RequestError, Response, decode_request,
    decode_response, encode_request, next_frame,
};

#[test]
fn api_versions_request_of_version_3_is_as_kafka_writes_it() {
    let request = ApiVersionsRequest { client_software_name: Arc::from("ab"), client_software_version: Arc::from("1") };
    let encoded = encode_request::<ApiVersions>(5, Some("c"), 3, &request).unwrap();
    let expected = [
        0, 0, 0, 18, // length
        0, 18, 0, 3, 0, 0, 0, 5, // key, version, correlation id
        0, 1, b'c', 0, // client id in the classic form, tagged fields of the header
        3, b'a', b'b', 2, b'1', 0, // compact texts, tagged fields
    ];
    assert_eq!(encoded.to_bytes(), expected[..]);
    let (header, decoded) = decode_request(&frame(&encoded)).unwrap();
    assert_eq!((header.correlation_id, header.client_id.as_deref()), (5, Some("c")));
    assert_eq!(decoded, Request::from(request));
}

#[test]
fn the_header_of_an_api_versions_response_has_no_tagged_fields() {
    let response = Response::from(ApiVersionsResponse::serving([ApiKey::Metadata]));
    let expected = [
        0, 0, 0, 19, // length
        0, 0, 0, 9, // correlation id, and no tag buffer
        0, 0, 2, 0, 3, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, // error, one entry, throttle time, no tags
    ];
    assert_eq!(response.encode(9, 3).unwrap().to_bytes(), expected[..]);
    // Any other response of a flexible version has one.
    let response = Response::from(MetadataResponse::default());
    assert_eq!(response.encode(9, 9).unwrap().to_bytes()[4..10], [0, 0, 0, 9, 0, 0]);
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let asked = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 4, 0xff, 0xff, 1, 2, 3]);
    let error = decode_request(&asked).unwrap_err();
    let answer = error.answer().expect("the client is told");
    let (correlation_id, answer) = decode_response::<ApiVersions>(0, &frame(&answer)).unwrap();
    assert_eq!((correlation_id, answer.error), (4, Some(ErrorCode::UnsupportedVersion)));
    assert_eq!(answer.versions_of(ApiKey::ApiVersions), Some(ApiKey::ApiVersions.spec().versions));
}

#[test]
fn other_unknown_requests_end_the_connection() {
    let unknown_api = decode_request(&Bytes::from_static(&[3, 231, 0, 0, 0, 0, 0, 4])).unwrap_err();
    assert_eq!(unknown_api, RequestError::UnknownApi { key: 999, version: 0 });
    let version = decode_request(&Bytes::from_static(&[0, 3, 0, 14, 0, 0, 0, 4])).unwrap_err();
    assert!(matches!(version, RequestError::UnsupportedVersion { key: ApiKey::Metadata, version: 14, .. }));
    let short = decode_request(&Bytes::from_static(&[0, 3, 0])).unwrap_err();
    assert_eq!(short, RequestError::NoHeader(3));
    let cut = decode_request(&Bytes::from_static(&[0, 3, 0, 1, 0, 0, 0, 4, 0])).unwrap_err();
    assert!(matches!(cut, RequestError::Malformed { source: DecodeError::Truncated(_), .. }));
    for error in [unknown_api, version, short, cut] {
        assert!(error.answer().is_none());
    }
}

fn metadata_response(version: i16) -> MetadataResponse {
    let from = |first: i16| version >= first;
    MetadataResponse {
        throttle_time_ms: if from(3) { 7 } else { 0 },
        brokers: vec![MetadataBroker {
            id: BrokerId(1),
            host: Arc::from("h"),
            port: 9092,
            rack: from(1).then(|| Arc::from("r")),
        }],
        cluster_id: from(2).then(|| Arc::from("c")),
        controller: from(1).then_some(BrokerId(1)),
        topics: vec![MetadataTopic {
            error: None,
            name: Some(Arc::from("t")),
            id: if from(10) { Uuid::from_u128(9) } else { Uuid::nil() },
            internal: from(1),
            partitions: vec![MetadataPartition {
                error: Some(ErrorCode::LeaderNotAvailable),
                partition: 3,
                leader: None,
                leader_epoch: if from(7) { LeaderEpoch(2) } else { LeaderEpoch::NONE },
                replicas: vec![BrokerId(1), BrokerId(2)],
                isr: vec![BrokerId(2)],
                offline_replicas: if from(5) { vec![BrokerId(1)] } else { Vec::new() },
            }],
            authorized_operations: if from(8) { 5 } else { i32::MIN },
        }],
        cluster_authorized_operations: if (8..=10).contains(&version) { 3 } else { i32::MIN },
        error: from(13).then_some(ErrorCode::RequestTimedOut),
    }
}

#[test]
fn metadata_comes_back_in_every_version() {
    for version in ApiKey::Metadata.spec().versions.iter() {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic { id: Uuid::nil(), name: Some(Arc::from("t")) }]),
            allow_auto_topic_creation: version < 4,
            include_cluster_authorized_operations: (8..=10).contains(&version),
            include_topic_authorized_operations: version >= 8,
        };
        let encoded = encode_request::<Metadata>(1, None, version, &request).unwrap();
        assert_eq!(decode_request(&frame(&encoded)).unwrap().1, Request::from(request), "version {version}");

        let response = metadata_response(version);
        let encoded = Response::from(response.clone()).encode(2, version).unwrap();
        assert_eq!(decode_response::<Metadata>(version, &frame(&encoded)).unwrap(), (2, response), "version {version}");
    }
}

#[test]
fn what_follows_an_answer_is_left_unread() {
    let response = metadata_response(12);
    let encoded = Response::from(response.clone()).encode(2, 12).unwrap();
    let mut longer = frame(&encoded).to_vec();
    longer.push(0);
    assert_eq!(decode_response::<Metadata>(12, &longer.into()).unwrap(), (2, response));
}

#[test]
fn a_version_cannot_say_what_it_has_no_place_for() {
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let refused = encode_request::<Metadata>(1, None, 0, &all).unwrap_err();
    assert!(matches!(refused, EncodeError::NotInVersion { version: 0, .. }));
    let by_id = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { id: Uuid::from_u128(1), name: None }]),
        ..MetadataRequest::default()
    };
    assert!(encode_request::<Metadata>(1, None, 9, &by_id).is_err());
    assert!(encode_request::<Metadata>(1, None, 12, &by_id).is_ok());
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_anything_is_allocated() {
    // 2^31 - 1 topics in a frame of 15 bytes.
    let hostile = Bytes::from_static(&[0, 3, 0, 1, 0, 0, 0, 4, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 1]);
    let error = decode_request(&hostile).unwrap_err();
    assert!(matches!(error, RequestError::Malformed { source: DecodeError::Truncated(_), .. }));
    // As many as there are bytes: each would be far larger in memory.
    let mut hostile = vec![0, 3, 0, 1, 0, 0, 0, 4, 0xff, 0xff, 0, 15, 0x42, 0x40];
    hostile.resize(14 + 1_000_000, 0);
    let error = decode_request(&Bytes::from(hostile)).unwrap_err();
    assert!(matches!(error, RequestError::Malformed { source: DecodeError::OverBudget(_), .. }));
}

#[test]
fn frames_are_bounded_and_share_the_buffer() {
    let mut buffer = BytesMut::new();
    assert_eq!(next_frame(&mut buffer, 10).unwrap(), Progress::Missing(4));
    buffer.extend_from_slice(&[0, 0, 0, 3, 1, 2]);
    assert_eq!(next_frame(&mut buffer, 10).unwrap(), Progress::Missing(1));
    buffer.extend_from_slice(&[3, 0, 0, 0, 0]);
    assert_eq!(next_frame(&mut buffer, 10).unwrap(), Progress::Frame(Bytes::from_static(&[1, 2, 3])));
    assert_eq!(next_frame(&mut buffer, 10).unwrap(), Progress::Frame(Bytes::new()));
    assert_eq!(
        next_frame(&mut BytesMut::from(&[0, 0, 0, 11][..]), 10),
        Err(FrameError::TooLarge { len: 11, limit: 10 })
    );
    assert_eq!(next_frame(&mut BytesMut::from(&b"\xff\xff\xff\xffx"[..]), 10), Err(FrameError::Negative(-1)));
}
