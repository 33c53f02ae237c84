//! Records in and out, and the order of answers.

use std::time::Duration;

use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{LeaderEpoch, Offset};
use ottla_wire::messages::{
    ApiVersions, ApiVersionsRequest, Fetch, ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
    Produce,
};

use crate::support::{TOPIC, fetch, produce, values, world};

#[tokio::test]
async fn what_is_written_is_read() {
    let world = world().await;
    let mut client = world.client().await;
    for (at, text) in (0..).zip(["one", "two"]) {
        let answer = &client.produce(-1, text).await.topics[0].partitions[0];
        assert_eq!((answer.error, answer.base_offset), (None, at));
    }
    let mut read = client.fetch(&fetch(0, Duration::ZERO)).await;
    let partition = &mut read.topics[0].partitions[0];
    assert_eq!((partition.high_watermark, partition.last_stable_offset, partition.log_start_offset), (2, 2, 0));
    assert_eq!(values(read), ["one", "two"]);
    // At the end there is nothing, which is no error; beyond it there is an error.
    assert!(values(client.fetch(&fetch(2, Duration::ZERO)).await).is_empty());
    let beyond = client.fetch(&fetch(3, Duration::from_secs(3_600))).await;
    assert_eq!(beyond.topics[0].partitions[0].error, Some(ErrorCode::OffsetOutOfRange));
    world.close().await;
}

#[tokio::test]
async fn damaged_and_misdirected_batches_are_refused_by_their_codes() {
    let world = world().await;
    let mut client = world.client().await;
    let refused = |topic: &str, damage: fn(&mut Vec<u8>)| {
        let mut request = produce(-1, topic, "text");
        let records = request.topics[0].partitions[0].records.take().unwrap();
        let mut bytes = records.to_bytes().to_vec();
        damage(&mut bytes);
        request.topics[0].partitions[0].records = Some(ottla_wire::Records::Raw(bytes.into()));
        request
    };
    let cases = [
        (refused("nowhere", |_| {}), ErrorCode::UnknownTopicOrPartition),
        (refused("a b", |_| {}), ErrorCode::InvalidTopic),
        (refused(TOPIC, |bytes| *bytes.last_mut().unwrap() ^= 1), ErrorCode::CorruptMessage),
        (refused(TOPIC, |bytes| bytes[16] = 1), ErrorCode::InvalidRecord),
    ];
    for (request, code) in cases {
        let answer = client.ask::<Produce>(9, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error, Some(code));
    }
    let answer = client.ask::<Produce>(9, &produce(7, TOPIC, "text")).await;
    assert_eq!(answer.topics[0].partitions[0].error, Some(ErrorCode::InvalidRequiredAcks));
    // Nothing of it is in the log, and the connection goes on.
    assert!(values(client.fetch(&fetch(0, Duration::ZERO)).await).is_empty());
    world.close().await;
}

/// As clients before 0.11 wrote: offset, size, CRC, magic, attributes, from magic 1 on a timestamp, key, value.
fn old_message(magic: u8, value: &[u8]) -> Vec<u8> {
    let mut content = vec![magic, 0];
    if magic == 1 {
        content.extend_from_slice(&1_767_225_600_000_i64.to_be_bytes());
    }
    content.extend_from_slice(&(-1_i32).to_be_bytes());
    content.extend_from_slice(&i32::try_from(value.len()).unwrap().to_be_bytes());
    content.extend_from_slice(value);
    let mut message = vec![0; 8];
    message.extend_from_slice(&i32::try_from(content.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&content);
    message
}

/// Kafka's broker says the same: from version 3 on a Produce has batches of the new format only.
#[tokio::test]
async fn messages_of_old_formats_are_refused_by_their_code() {
    let world = world().await;
    let mut client = world.client().await;
    for magic in [0, 1] {
        for (version, value) in [(3, 1), (9, 1), (9, 200)] {
            let mut request = produce(-1, TOPIC, "");
            let message = old_message(magic, &vec![7; value]);
            request.topics[0].partitions[0].records = Some(ottla_wire::Records::Raw(message.into()));
            let answer = client.ask::<Produce>(version, &request).await;
            let error = answer.topics[0].partitions[0].error;
            assert_eq!(error, Some(ErrorCode::InvalidRecord), "magic {magic}, {value} bytes");
        }
    }
    assert_eq!(client.produce(-1, "new").await.topics[0].partitions[0].error, None);
    world.close().await;
}

#[tokio::test]
async fn topics_that_there_are_not_are_an_error_of_their_own() {
    let world = world().await;
    let mut client = world.client().await;
    let mut request = fetch(0, Duration::from_secs(3_600));
    let mut nowhere = request.topics[0].clone();
    nowhere.topic = ottla_wire::TopicRef::Name("nowhere".into());
    request.topics.push(nowhere);
    request.topics[0].partitions[0].partition = 9;
    let read = client.fetch(&request).await;
    for topic in &read.topics {
        assert_eq!(topic.partitions[0].error, Some(ErrorCode::UnknownTopicOrPartition));
    }
    world.close().await;
}

#[tokio::test]
async fn pipelined_batches_keep_their_order() {
    let world = world().await;
    let mut client = world.client().await;
    let texts: Vec<String> = (0..40).map(|number| format!("record {number}")).collect();
    let mut numbers = Vec::new();
    for text in &texts {
        numbers.push(client.send::<Produce>(9, &produce(-1, TOPIC, text)).await);
    }
    for (offset, number) in (0..).zip(numbers) {
        let (answered, answer) = client.receive::<Produce>(9).await;
        assert_eq!((answered, answer.topics[0].partitions[0].base_offset), (number, offset));
    }
    assert_eq!(values(client.fetch(&fetch(0, Duration::ZERO)).await), texts);
    world.close().await;
}

#[tokio::test]
async fn a_long_poll_keeps_its_place_and_delays_nobody_else() {
    let world = world().await;
    let (mut reader, mut writer) = (world.client().await, world.client().await);
    let poll = reader.send::<Fetch>(12, &fetch(0, Duration::from_secs(3_600))).await;
    let after = reader.send::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    writer.produce(1, "at last").await;
    let (number, read) = reader.receive::<Fetch>(12).await;
    assert_eq!((number, values(read)), (poll, vec!["at last".to_owned()]));
    assert_eq!(reader.receive::<ApiVersions>(3).await.0, after);
    world.close().await;
}

#[tokio::test]
async fn a_batch_behind_a_long_poll_of_its_own_connection_is_written() {
    let world = world().await;
    let mut client = world.client().await;
    let poll = client.send::<Fetch>(12, &fetch(0, Duration::from_secs(3_600))).await;
    let batch = client.send::<Produce>(9, &produce(-1, TOPIC, "for myself")).await;
    let (number, read) = client.receive::<Fetch>(12).await;
    assert_eq!((number, values(read)), (poll, vec!["for myself".to_owned()]));
    assert_eq!(client.receive::<Produce>(9).await.0, batch);
    world.close().await;
}

#[tokio::test]
async fn without_acks_there_is_no_answer() {
    let world = world().await;
    let mut client = world.client().await;
    client.send::<Produce>(9, &produce(0, TOPIC, "told to nobody")).await;
    client.ask::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    assert_eq!(values(client.fetch(&fetch(0, Duration::from_secs(3_600))).await), ["told to nobody"]);
    world.close().await;
}

#[tokio::test]
async fn without_acks_a_refusal_ends_the_connection() {
    let world = world().await;
    let mut client = world.client().await;
    client.send::<Produce>(9, &produce(0, "nowhere", "lost")).await;
    client.send::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    assert_eq!(client.frame().await, None);
    world.ended("refused_unanswered").await;
    world.close().await;
}

#[tokio::test]
async fn what_came_before_the_end_of_a_connection_is_written() {
    let world = world().await;
    let mut client = world.client().await;
    for text in ["one", "two", "three"] {
        client.send::<Produce>(9, &produce(0, TOPIC, text)).await;
    }
    drop(client);
    world.ended("goodbye").await;
    let mut client = world.client().await;
    assert_eq!(values(client.fetch(&fetch(0, Duration::ZERO)).await), ["one", "two", "three"]);
    world.close().await;
}

#[tokio::test]
async fn offsets_are_looked_up_and_fenced() {
    let world = world().await;
    let mut client = world.client().await;
    client.produce(-1, "one").await;
    let ask = |timestamp, current_leader_epoch| {
        let partition = ListOffsetsPartition { partition: 0, current_leader_epoch, timestamp };
        let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
        ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() }
    };
    for (timestamp, offset) in [(-1, Some(1)), (-2, Some(0)), (-3, Some(0)), (0, Some(0)), (i64::MAX, None), (-5, None)]
    {
        let listed = client.ask::<ListOffsets>(9, &ask(timestamp, None)).await;
        let listed = &listed.topics[0].partitions[0];
        assert_eq!((listed.error, listed.offset), (None, offset.map(Offset)), "{timestamp}");
    }
    let listed = client.ask::<ListOffsets>(9, &ask(-1, Some(LeaderEpoch(99)))).await;
    assert_eq!(listed.topics[0].partitions[0].error, Some(ErrorCode::UnknownLeaderEpoch));
    world.close().await;
}
