//! As `names`, for groups and administration.

use std::time::Duration;

use kafka_wire::{
    alter_user_scram_credentials_request, create_topics_response, delete_records_response, describe_configs_response,
    describe_groups_response, describe_log_dirs_response, describe_producers_response, list_groups_response,
    offset_commit_request, offset_fetch_response,
};
use ottla_broker_core::api::group::{Generation, GroupId, InstanceId, MemberId};
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{LeaderEpoch, Offset, ProducerId};

use super::names::{read, with};
use crate::messages::{
    AlterUserScramCredentialsRequest, CreateTopicsResponse, DeleteRecordsResponse, DescribeConfigsResponse,
    DescribeGroupsResponse, DescribeLogDirsResponse, DescribeProducersResponse, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetDeleteResponse,
    OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
};

#[test]
fn of_membership() {
    let ours: JoinGroupRequest = read(
        &with!(kafka_wire::JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 1,
            rebalance_timeout_ms: 2,
            member_id: "m".into(),
            group_instance_id: Some("i".into()),
            protocol_type: "t".into(),
            reason: Some("r".into()),
        }),
        9,
    );
    assert_eq!((ours.session_timeout, ours.rebalance_timeout), (Duration::from_millis(1), Duration::from_millis(2)));
    assert_eq!((ours.group.as_str(), ours.member, ours.instance), ("g", Some("m".into()), Some("i".into())));
    assert_eq!((&*ours.protocol_type, ours.reason.as_deref()), ("t", Some("r")));

    let ours: JoinGroupResponse = read(
        &with!(kafka_wire::JoinGroupResponse {
            throttle_time_ms: 1,
            generation_id: 2,
            protocol_type: Some("t".into()),
            protocol_name: Some("p".into()),
            leader: "l".into(),
            member_id: "m".into(),
        }),
        9,
    );
    assert_eq!((ours.throttle_time_ms, ours.generation), (1, Generation(2)));
    assert_eq!((ours.protocol_type.as_deref(), ours.protocol.as_deref()), (Some("t"), Some("p")));
    assert_eq!((ours.leader.as_str(), ours.member), ("l", Some(MemberId::from("m"))));

    let ours: SyncGroupRequest = read(
        &with!(kafka_wire::SyncGroupRequest {
            group_id: "g".into(),
            member_id: "m".into(),
            protocol_type: Some("t".into()),
            protocol_name: Some("p".into()),
        }),
        5,
    );
    assert_eq!((ours.group.as_str(), ours.member.as_str()), ("g", "m"));
    assert_eq!((ours.protocol_type.as_deref(), ours.protocol.as_deref()), (Some("t"), Some("p")));
    let theirs =
        with!(kafka_wire::SyncGroupResponse { protocol_type: Some("t".into()), protocol_name: Some("p".into()) });
    let ours: SyncGroupResponse = read(&theirs, 5);
    assert_eq!((ours.protocol_type.as_deref(), ours.protocol.as_deref()), (Some("t"), Some("p")));
    let ours: HeartbeatRequest =
        read(&with!(kafka_wire::HeartbeatRequest { group_id: "g".into(), member_id: "m".into() }), 4);
    assert_eq!((ours.group.as_str(), ours.member.as_str()), ("g", "m"));
}

#[test]
fn of_groups() {
    let member = with!(describe_groups_response::DescribedGroupMember {
        member_id: "m".into(),
        group_instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "h".into(),
        member_metadata: bytes::Bytes::from("d"),
        member_assignment: bytes::Bytes::from("a"),
    });
    let group = with!(describe_groups_response::DescribedGroup {
        error_message: Some("e".into()),
        group_id: "g".into(),
        group_state: "s".into(),
        protocol_type: "t".into(),
        protocol_data: "p".into(),
        members: vec![member],
    });
    let ours: DescribeGroupsResponse = read(&with!(kafka_wire::DescribeGroupsResponse { groups: vec![group] }), 6);
    let ours = &ours.groups[0];
    assert_eq!((ours.error_message.as_deref(), ours.group.as_str(), &*ours.state), (Some("e"), "g", "s"));
    assert_eq!((&*ours.protocol_type, &*ours.protocol), ("t", "p"));
    let ours = &ours.members[0];
    assert_eq!((ours.member.as_str(), ours.instance.clone()), ("m", Some(InstanceId::from("i"))));
    assert_eq!((&*ours.client_id, &*ours.client_host), ("c", "h"));
    assert_eq!((&ours.metadata[..], &ours.assignment[..]), (&b"d"[..], &b"a"[..]));

    let group = with!(list_groups_response::ListedGroup {
        group_id: "g".into(),
        protocol_type: "t".into(),
        group_state: "s".into(),
        group_type: "k".into(),
    });
    let ours: ListGroupsResponse = read(&with!(kafka_wire::ListGroupsResponse { groups: vec![group] }), 5);
    let ours = &ours.groups[0];
    assert_eq!((ours.group.as_str(), &*ours.protocol_type, &*ours.state, &*ours.group_type), ("g", "t", "s", "k"));
    let theirs = with!(kafka_wire::ListGroupsRequest { states_filter: vec!["s".into()] });
    let ours: ListGroupsRequest = read(&theirs, 5);
    assert_eq!((ours.states.len(), ours.types.len()), (1, 0));
}

#[test]
fn of_committed_offsets() {
    let partition = with!(offset_commit_request::OffsetCommitRequestPartition {
        partition_index: 1,
        committed_offset: 2,
        committed_leader_epoch: 3,
        committed_metadata: Some("n".into()),
    });
    let topic =
        with!(offset_commit_request::OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition] });
    let theirs = with!(kafka_wire::OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: 4,
        member_id: "m".into(),
        topics: vec![topic],
    });
    let ours: OffsetCommitRequest = read(&theirs, 9);
    assert_eq!((ours.group.as_str(), ours.generation, ours.member), ("g", Generation(4), Some("m".into())));
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.offset, ours.leader_epoch), (1, Offset(2), Some(LeaderEpoch(3))));

    let partition = with!(offset_fetch_response::OffsetFetchResponsePartitions {
        partition_index: 1,
        committed_offset: 2,
        committed_leader_epoch: 3,
        error_code: 4,
    });
    let topic =
        with!(offset_fetch_response::OffsetFetchResponseTopics { name: "t".into(), partitions: vec![partition] });
    let group = with!(offset_fetch_response::OffsetFetchResponseGroup { group_id: "g".into(), topics: vec![topic] });
    let ours: OffsetFetchResponse = read(&with!(kafka_wire::OffsetFetchResponse { groups: vec![group] }), 9);
    assert_eq!(ours.groups[0].group, GroupId::from("g"));
    let ours = &ours.groups[0].topics[0].partitions[0];
    assert_eq!((ours.partition, ours.offset, ours.leader_epoch), (1, Some(Offset(2)), Some(LeaderEpoch(3))));
    assert_eq!(ours.error, Some(ErrorCode::InvalidFetchSize));

    let mut bytes = bytes::BytesMut::new();
    let theirs = with!(kafka_wire::OffsetDeleteResponse { error_code: 1, throttle_time_ms: 2 });
    kafka_wire_core::KafkaEncode::encode_into(&theirs, &mut bytes, kafka_wire_core::ApiVersion::new(0)).unwrap();
    let bytes = bytes.freeze();
    let ours: OffsetDeleteResponse = crate::Field::read(&mut crate::Decoder::new(&bytes, 0, false), true).unwrap();
    assert_eq!((ours.error, ours.throttle_time_ms), (Some(ErrorCode::OffsetOutOfRange), 2));
}

#[test]
fn of_topics_and_configs() {
    let topic = with!(create_topics_response::CreatableTopicResult {
        name: "t".into(),
        error_code: 36,
        error_message: Some("e".into()),
        topic_config_error_code: 29,
        num_partitions: 1,
        replication_factor: 2,
    });
    let ours: CreateTopicsResponse = read(&with!(kafka_wire::CreateTopicsResponse { topics: vec![topic] }), 7);
    let ours = &ours.topics[0];
    assert_eq!((ours.partitions, ours.replication_factor), (1, 2));
    assert_eq!(ours.error, Some(ErrorCode::TopicAlreadyExists));
    assert_eq!(ours.config_error, Some(ErrorCode::TopicAuthorizationFailed));

    let partition = with!(delete_records_response::DeleteRecordsPartitionResult {
        partition_index: 1,
        low_watermark: 2,
        error_code: 3,
    });
    let topic =
        with!(delete_records_response::DeleteRecordsTopicResult { name: "t".into(), partitions: vec![partition] });
    let ours: DeleteRecordsResponse = read(&with!(kafka_wire::DeleteRecordsResponse { topics: vec![topic] }), 2);
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.low_watermark), (1, Some(Offset(2))));

    let config = with!(describe_configs_response::DescribeConfigsResourceResult {
        name: "n".into(),
        value: Some("v".into()),
        read_only: true,
        config_source: 1,
        is_sensitive: false,
        config_type: 2,
        documentation: Some("d".into()),
    });
    let result = with!(describe_configs_response::DescribeConfigsResult {
        error_message: Some("e".into()),
        resource_type: 4,
        resource_name: "r".into(),
        configs: vec![config],
    });
    let ours: DescribeConfigsResponse = read(&with!(kafka_wire::DescribeConfigsResponse { results: vec![result] }), 4);
    let ours = &ours.results[0];
    assert_eq!((ours.error_message.as_deref(), ours.kind, &*ours.name), (Some("e"), 4, "r"));
    let ours = &ours.configs[0];
    assert_eq!((&*ours.name, ours.value.as_deref(), ours.documentation.as_deref()), ("n", Some("v"), Some("d")));
    assert_eq!((ours.read_only, ours.sensitive, ours.source, ours.config_type), (true, false, 1, 2));
}

#[test]
fn of_producers_directories_and_credentials() {
    let producer = with!(describe_producers_response::ProducerState {
        producer_id: 1,
        producer_epoch: 2,
        last_sequence: 3,
        last_timestamp: 4,
        coordinator_epoch: 5,
        current_txn_start_offset: 6,
    });
    let partition = with!(describe_producers_response::PartitionResponse { active_producers: vec![producer] });
    let topic = with!(describe_producers_response::TopicResponse { name: "t".into(), partitions: vec![partition] });
    let theirs = with!(kafka_wire::DescribeProducersResponse { topics: vec![topic] });
    let ours: DescribeProducersResponse = read(&theirs, 0);
    let ours = &ours.topics[0].partitions[0].producers[0];
    assert_eq!((ours.id, ours.epoch, ours.last_sequence, ours.last_timestamp), (ProducerId(1), 2, 3, 4));
    assert_eq!((ours.coordinator_epoch, ours.transaction_start), (5, Some(Offset(6))));

    let log = with!(describe_log_dirs_response::DescribeLogDirsPartition {
        partition_index: 1,
        partition_size: 2,
        offset_lag: 3,
    });
    let topic = with!(describe_log_dirs_response::DescribeLogDirsTopic { name: "t".into(), partitions: vec![log] });
    let dir = with!(describe_log_dirs_response::DescribeLogDirsResult {
        log_dir: "d".into(),
        topics: vec![topic],
        total_bytes: 4,
        usable_bytes: 5,
    });
    let ours: DescribeLogDirsResponse = read(&with!(kafka_wire::DescribeLogDirsResponse { results: vec![dir] }), 4);
    let ours = &ours.dirs[0];
    assert_eq!((ours.total_bytes, ours.usable_bytes), (4, 5));
    assert_eq!((ours.topics[0].partitions[0].size, ours.topics[0].partitions[0].offset_lag), (2, 3));

    let upsertion = with!(alter_user_scram_credentials_request::ScramCredentialUpsertion {
        name: "u".into(),
        mechanism: 1,
        iterations: 2,
        salt: bytes::Bytes::from("s"),
        salted_password: bytes::Bytes::from("p"),
    });
    let theirs = with!(kafka_wire::AlterUserScramCredentialsRequest { upsertions: vec![upsertion] });
    let ours: AlterUserScramCredentialsRequest = read(&theirs, 0);
    let ours = &ours.upsertions[0];
    assert_eq!((ours.mechanism, ours.iterations), (1, 2));
    assert_eq!((&ours.salt.0[..], &ours.salted_password.0[..]), (&b"s"[..], &b"p"[..]));
}
