//! Fields of one size side by side: that ours are those of Kafka's names, and not each other.

use bytes::BytesMut;
use kafka_wire::{
    fetch_request, fetch_response, list_offsets_response, offset_for_leader_epoch_response, produce_response,
};
use kafka_wire_core::{ApiVersion, KafkaEncode};
use ottla_broker_core::api::IsolationLevel;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::codec::{Decoder, Field};
use crate::messages::{
    FetchRequest, FetchResponse, InitProducerIdRequest, ListOffsetsResponse, OffsetForLeaderEpochResponse,
    ProduceResponse,
};

/// A message of the other implementation, in a flexible version, as ours.
pub(super) fn read<T: Field>(theirs: &impl KafkaEncode, version: i16) -> T {
    let mut bytes = BytesMut::new();
    theirs.encode_into(&mut bytes, ApiVersion::new(version)).unwrap();
    let bytes = bytes.freeze();
    let mut decoder = Decoder::new(&bytes, version, true);
    let value = T::read(&mut decoder, true).unwrap();
    decoder.finish().unwrap();
    value
}

/// A value of a type that has no literal.
macro_rules! with {
    ($type:ty { $($field:ident: $value:expr),* $(,)? }) => {{
        let mut value = <$type>::default();
        $(value.$field = $value;)*
        value
    }};
}
pub(super) use with;

#[test]
fn of_fetch() {
    let partition = with!(fetch_request::FetchPartition {
        partition: 1,
        current_leader_epoch: 2,
        fetch_offset: 3,
        last_fetched_epoch: 4,
        log_start_offset: 5,
        partition_max_bytes: 6,
    });
    let topic = with!(fetch_request::FetchTopic { topic: "t".into(), partitions: vec![partition] });
    let request = with!(kafka_wire::FetchRequest {
        replica_id: 7,
        max_wait_ms: 8,
        min_bytes: 9,
        max_bytes: 10,
        isolation_level: 1,
        session_id: 11,
        session_epoch: 12,
        topics: vec![topic],
        rack_id: "r".into(),
    });
    let ours: FetchRequest = read(&request, 12);
    assert_eq!((ours.follower(), ours.max_wait.as_millis()), (Some(BrokerId(7)), 8));
    assert_eq!((ours.min_bytes, ours.max_bytes, ours.isolation), (9, 10, IsolationLevel::ReadCommitted));
    assert_eq!((ours.session_id, ours.session_epoch, &*ours.rack), (11, 12, "r"));
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.current_leader_epoch), (1, Some(LeaderEpoch(2))));
    assert_eq!((ours.offset, ours.last_fetched_epoch), (Offset(3), Some(LeaderEpoch(4))));
    assert_eq!((ours.log_start_offset, ours.max_bytes), (Some(Offset(5)), 6));

    let aborted = with!(fetch_response::AbortedTransaction { producer_id: 8, first_offset: 9 });
    let partition = with!(fetch_response::PartitionData {
        partition_index: 1,
        error_code: 2,
        high_watermark: 3,
        last_stable_offset: 4,
        log_start_offset: 5,
        preferred_read_replica: 6,
        aborted_transactions: Some(vec![aborted]),
    });
    let topic = with!(fetch_response::FetchableTopicResponse { topic: "t".into(), partitions: vec![partition] });
    let response = with!(kafka_wire::FetchResponse { throttle_time_ms: 10, session_id: 11, responses: vec![topic] });
    let ours: FetchResponse = read(&response, 12);
    assert_eq!((ours.throttle_time_ms, ours.session_id), (10, 11));
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.error), (1, Some(ErrorCode::CorruptMessage)));
    assert_eq!((ours.high_watermark, ours.last_stable_offset, ours.log_start_offset), (3, 4, 5));
    assert_eq!(ours.preferred_read_replica, Some(BrokerId(6)));
    let aborted = &ours.aborted.as_ref().unwrap()[0];
    assert_eq!((aborted.producer_id, aborted.first_offset), (ProducerId(8), Offset(9)));
}

#[test]
fn of_produce() {
    let partition = with!(produce_response::PartitionProduceResponse {
        index: 1,
        error_code: 2,
        base_offset: 3,
        log_append_time_ms: 4,
        log_start_offset: 5,
    });
    let topic =
        with!(produce_response::TopicProduceResponse { name: "t".into(), partition_responses: vec![partition] });
    let response = with!(kafka_wire::ProduceResponse { responses: vec![topic], throttle_time_ms: 6 });
    let ours: ProduceResponse = read(&response, 9);
    assert_eq!(ours.throttle_time_ms, 6);
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.error), (1, Some(ErrorCode::CorruptMessage)));
    assert_eq!((ours.base_offset, ours.log_append_time_ms, ours.log_start_offset), (3, 4, 5));
}

#[test]
fn of_offsets_and_producers() {
    let partition = with!(list_offsets_response::ListOffsetsPartitionResponse {
        partition_index: 1,
        timestamp: 2,
        offset: 3,
        leader_epoch: 4,
    });
    let topic =
        with!(list_offsets_response::ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] });
    let ours: ListOffsetsResponse = read(&with!(kafka_wire::ListOffsetsResponse { topics: vec![topic] }), 7);
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.timestamp), (1, 2));
    assert_eq!((ours.offset, ours.leader_epoch), (Some(Offset(3)), Some(LeaderEpoch(4))));

    let partition =
        with!(offset_for_leader_epoch_response::EpochEndOffset { partition: 1, leader_epoch: 2, end_offset: 3 });
    let topic = with!(offset_for_leader_epoch_response::OffsetForLeaderTopicResult {
        topic: "t".into(),
        partitions: vec![partition],
    });
    let theirs = with!(kafka_wire::OffsetForLeaderEpochResponse { topics: vec![topic] });
    let ours: OffsetForLeaderEpochResponse = read(&theirs, 4);
    let ours = &ours.topics[0].partitions[0];
    assert_eq!((ours.partition, ours.leader_epoch, ours.end_offset), (1, Some(LeaderEpoch(2)), 3));

    let theirs =
        with!(kafka_wire::InitProducerIdRequest { transaction_timeout_ms: 1, producer_id: 2, producer_epoch: 3 });
    let ours: InitProducerIdRequest = read(&theirs, 4);
    assert_eq!(ours.transaction_timeout.as_millis(), 1);
    assert_eq!((ours.producer_id, ours.producer_epoch), (ProducerId(2), ProducerEpoch(3)));
}
