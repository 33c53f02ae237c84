//! Idempotent producers over the wire.

use std::time::Duration;

use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{ProducerEpoch, ProducerId};
use ottla_wire::Records;
use ottla_wire::messages::{InitProducerId, InitProducerIdRequest, Produce};

use crate::support::{Client, TOPIC, WRITTEN_MS, fetch, produce, values, world};

fn stamped(id: i64, epoch: i16, base_sequence: i32, texts: &[&str]) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for text in texts {
        builder.append(WRITTEN_MS, None, Some(text.as_bytes()), &[]).unwrap();
    }
    let stamp = ProducerStamp { id: ProducerId(id), epoch: ProducerEpoch(epoch), base_sequence };
    builder.finish(Some(stamp), Flags::default()).unwrap()
}

/// Where a batch went.
async fn send(client: &mut Client, batch: Batch) -> Result<i64, ErrorCode> {
    let mut request = produce(-1, TOPIC, "");
    request.topics[0].partitions[0].records = Some(Records::Batches(vec![batch]));
    let answer = client.ask::<Produce>(9, &request).await;
    let answer = &answer.topics[0].partitions[0];
    answer.error.map_or(Ok(answer.base_offset), Err)
}

#[tokio::test]
async fn a_retry_gets_the_offset_of_the_first_try() {
    let world = world().await;
    let mut client = world.client().await;
    let identity = client.ask::<InitProducerId>(4, &InitProducerIdRequest::default()).await;
    assert_eq!((identity.error, identity.producer_epoch), (None, ProducerEpoch(0)));
    let batch = |sequence, text| stamped(identity.producer_id.0, 0, sequence, &[text]);
    for (sequence, text) in (0..).zip(["one", "two", "three"]) {
        assert_eq!(send(&mut client, batch(sequence, text)).await, Ok(i64::from(sequence)));
    }
    // Over another connection too: it is the producer that is known.
    let mut again = world.client().await;
    for (sequence, text) in (0..).zip(["one", "two", "three"]) {
        assert_eq!(send(&mut again, batch(sequence, text)).await, Ok(i64::from(sequence)));
    }
    assert_eq!(send(&mut client, batch(4, "five")).await, Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(values(client.fetch(&fetch(0, Duration::ZERO)).await), ["one", "two", "three"]);
    world.close().await;
}

#[tokio::test]
async fn a_producer_that_is_not_known_begins_anywhere_and_sequences_wrap_to_0() {
    let world = world().await;
    let mut client = world.client().await;
    // Its two records are the last sequence numbers that there are.
    assert_eq!(send(&mut client, stamped(77, 3, i32::MAX - 1, &["a", "b"])).await, Ok(0));
    assert_eq!(send(&mut client, stamped(77, 3, 0, &["c"])).await, Ok(2));
    assert_eq!(send(&mut client, stamped(77, 3, i32::MAX - 1, &["a", "b"])).await, Ok(0));
    assert_eq!(send(&mut client, stamped(77, 2, 1, &["d"])).await, Err(ErrorCode::InvalidProducerEpoch));
    // A batch whose numbers run over the end.
    assert_eq!(send(&mut client, stamped(78, 0, i32::MAX, &["x", "y", "z"])).await, Ok(3));
    assert_eq!(send(&mut client, stamped(78, 0, 2, &["w"])).await, Ok(6));
    world.close().await;
}

#[tokio::test]
async fn headers_that_lie_are_refused_and_the_base_offset_is_the_brokers() {
    let world = world().await;
    let mut client = world.client().await;
    let honest = stamped(-1, -1, -1, &["one", "two"]).to_bytes().to_vec();
    // Byte by byte as in the format: what lies under the CRC gets a right one.
    let with = |at: usize, bytes: &[u8]| {
        let mut lie = honest.clone();
        lie[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = crc32c(&lie[21..]);
        lie[17..21].copy_from_slice(&crc.to_be_bytes());
        lie
    };
    let cases = [
        (with(57, &3_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        (with(57, &1_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        (with(23, &5_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        (with(23, &0_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        // The second record's delta: after the first record of 10 bytes, behind its length, attributes and time.
        (with(61 + 10 + 3, &[6]), ErrorCode::InvalidRecord),
        (with(8, &9_999_i32.to_be_bytes()), ErrorCode::CorruptMessage),
        // A control batch.
        (with(21, &[0, 0x20]), ErrorCode::InvalidRecord),
    ];
    for (nth, (bytes, code)) in cases.into_iter().enumerate() {
        let mut request = produce(-1, TOPIC, "");
        request.topics[0].partitions[0].records = Some(Records::Raw(bytes.into()));
        let answer = client.ask::<Produce>(9, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error, Some(code), "case {nth}");
    }
    let mut request = produce(-1, TOPIC, "");
    request.topics[0].partitions[0].records = Some(Records::Raw(with(0, &77_i64.to_be_bytes()).into()));
    let answer = client.ask::<Produce>(9, &request).await;
    assert_eq!((answer.topics[0].partitions[0].error, answer.topics[0].partitions[0].base_offset), (None, 0));
    assert_eq!(values(client.fetch(&fetch(0, Duration::ZERO)).await), ["one", "two"]);
    world.close().await;
}

/// CRC-32C, bit by bit: a second opinion.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
