//! Record batches are neither copied on their way in nor on their way out.

use bytes::{Bytes, BytesMut};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Compression, Flags, Header};
use ottla_broker_core::{LeaderEpoch, Offset};

use super::frame;
use crate::messages::{
    Fetch, FetchResponse, FetchedPartition, FetchedTopic, JoinGroupProtocol, JoinGroupRequest, Produce,
    ProducePartition, ProduceRequest, ProduceTopic, SyncGroupAssignment, SyncGroupRequest,
};
use crate::{
    Encoded, Progress, Records, Request, TopicRef, decode_request, decode_response, encode_request, encode_response,
    next_frame,
};

pub(super) fn batch(value: &[u8], compression: Compression) -> Batch {
    let mut builder = Builder::new(BuilderOptions { compression, ..BuilderOptions::default() });
    builder.append(1_700_000_000_000, None, Some(value), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap()
}

fn points_into(whole: &[u8], part: &[u8]) -> bool {
    whole.as_ptr_range().start <= part.as_ptr() && part.as_ptr_range().end <= whole.as_ptr_range().end
}

fn fetched(topic: TopicRef, batches: Vec<Batch>) -> FetchResponse {
    let records = Some(Records::Batches(batches));
    let partition = FetchedPartition { partition: 0, records, ..FetchedPartition::default() };
    FetchResponse { topics: vec![FetchedTopic { topic, partitions: vec![partition] }], ..FetchResponse::default() }
}

fn without_length(encoded: &Encoded) -> Bytes {
    frame(encoded)
}

#[test]
fn a_response_has_the_batches_as_they_were_given() {
    let batches: Vec<_> =
        (0..3).map(|n| batch(&[n; 3_000], Compression::None).stamped(Offset(n.into()), LeaderEpoch(5))).collect();
    let response = fetched(TopicRef::Name("t".into()), batches.clone());
    for version in [4, 12] {
        let encoded = encode_response::<Fetch>(1, version, &response).unwrap();
        for batch in &batches {
            assert!(encoded.chunks().any(|chunk| chunk.as_ptr() == batch.body().as_ptr()), "version {version}: copied");
        }
        // The stamps go along, although they are not in the batches' bytes.
        let (_, read) = decode_response::<Fetch>(version, &without_length(&encoded)).unwrap();
        let records = read.topics[0].partitions[0].records.clone().unwrap();
        assert_eq!(records.into_batches().unwrap(), batches);
        assert_eq!(encoded.len(), encoded.to_bytes().len());
        assert!(encoded.rest.iter().all(|chunk| !chunk.is_empty()));
    }
}

#[test]
fn a_request_is_read_where_it_lies() {
    let records = Some(Records::Batches(vec![batch(&[9; 3_000], Compression::None)]));
    let partitions = vec![ProducePartition { partition: 0, records }];
    let topics = vec![ProduceTopic { topic: TopicRef::Name("t".into()), partitions }];
    let request = ProduceRequest { acks: -1, topics, ..ProduceRequest::default() };
    let sent = encode_request::<Produce>(1, None, 9, &request).unwrap().to_bytes();
    let mut buffer = BytesMut::from(&sent[..]);
    let stored = buffer.as_ptr_range();
    let Progress::Frame(frame) = next_frame(&mut buffer, usize::MAX).unwrap() else { panic!("the frame is whole") };
    assert!(stored.contains(&frame.as_ptr()));
    let (_, Request::Produce(mut read)) = decode_request(&frame).unwrap() else { panic!("another request came out") };
    let batch = read.take_batches(9).remove(0).unwrap();
    batch.verify_crc().unwrap();
    assert!(points_into(&frame, batch.body()));
}

#[test]
fn what_is_kept_of_a_frame_does_not_keep_much_more() {
    let records = |value: &[u8]| Some(Records::Batches(vec![batch(value, Compression::None)]));
    let parts = [&[9; 100][..], &[9; 3_000], &[9; 3_000]];
    let partitions =
        parts.iter().zip(0..).map(|(value, partition)| ProducePartition { partition, records: records(value) });
    let topics = vec![ProduceTopic { topic: TopicRef::Name("t".into()), partitions: partitions.collect() }];
    let request = ProduceRequest { acks: -1, topics, ..ProduceRequest::default() };
    let within = |frame: &Bytes| -> Vec<_> {
        let (_, Request::Produce(mut read)) = decode_request(frame).unwrap() else {
            panic!("another request came out")
        };
        read.take_batches(9).into_iter().map(|batch| points_into(frame, batch.unwrap().body())).collect()
    };
    let sent = frame(&encode_request::<Produce>(1, None, 9, &request).unwrap());
    assert_eq!(within(&sent), [false, true, true], "one of three is small");
    // Bytes after the last field belong to nobody.
    let padded = Bytes::from([&sent[..], &[0; 100_000]].concat());
    assert_eq!(within(&padded), [false; 3]);
}

#[test]
fn what_a_group_keeps_is_apart_from_its_frame() {
    let bytes = Bytes::from(vec![7; 10_000]);
    let protocol = JoinGroupProtocol { name: "range".into(), metadata: bytes.clone() };
    let join = JoinGroupRequest { protocols: vec![protocol], ..JoinGroupRequest::default() };
    let join = join.to_api(5, "c".into(), "h".into());
    let sync = SyncGroupRequest {
        assignments: vec![SyncGroupAssignment { member: "m".into(), assignment: bytes.clone() }],
        ..SyncGroupRequest::default()
    };
    let sync = sync.to_api(4).unwrap();
    for kept in [&join.protocols[0].metadata, &sync.assignments[0].1] {
        assert_eq!(*kept, bytes);
        assert!(!points_into(&bytes, kept), "the frame stays with it");
    }
}

#[test]
fn a_batch_that_is_cut_off_at_the_end_is_left_for_the_next_fetch() {
    let whole = batch(b"one", Compression::None).to_bytes();
    let mut run = whole.to_vec();
    run.extend_from_slice(&whole[..Header::SIZE + 1]);
    let read = Records::Raw(Bytes::from(run)).into_batches().unwrap();
    assert_eq!(read.len(), 1);
    let mut broken = whole.to_vec();
    broken[16] = 1;
    assert!(Records::Raw(Bytes::from(broken)).into_batches().is_err());
}
