//! Batches that kafka-python wrote; see `tests/vectors/README.md`.

use bytes::Bytes;
use ottla_broker_core::record::{Batch, Compression, ControlRecord, Flags, ProducerStamp, TimestampType};
use ottla_broker_core::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::{Input, build, decode};

macro_rules! vector {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("../vectors/", $name, ".bin")))
    };
}

const T0: i64 = 1_700_000_000_000;
const PRODUCER: ProducerStamp = ProducerStamp { id: ProducerId(4711), epoch: ProducerEpoch(3), base_sequence: 0 };

fn mixed() -> Vec<Input> {
    let headers: &[(&str, Option<&[u8]>)] =
        &[("trace", Some(b"1")), ("empty", Some(b"")), ("trace", None), ("schlüssel", Some(b"\x00\xff"))];
    vec![
        Input::new(0, T0, Some(b"key"), Some(b"value"), headers),
        Input::new(1, T0 + 5, None, Some(b"no key"), &[]),
        Input::new(2, T0 - 3, Some(b"tombstone"), None, &[]),
        Input::new(3, T0 + 70_000, Some(b""), Some(b""), &[("", Some(b""))]),
        Input::new(4, T0, None, None, &[]),
    ]
}

#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
fn long() -> Vec<Input> {
    (0..200)
        .map(|i| {
            let value = format!("record {i:04} of a batch that compresses well; ").repeat(13);
            let (key, number) = (format!("key-{}", i % 7), i.to_string());
            let headers: &[(&str, Option<&[u8]>)] = &[("n", Some(number.as_bytes()))];
            Input::new(i, T0 + 10 * i64::from(i), Some(key.as_bytes()), Some(value.as_bytes()), headers)
        })
        .collect()
}

/// Reads `vector` to `expected`; an uncompressed one of ours must have the same bytes.
fn check(vector: Bytes, expected: &[Input], producer: Option<ProducerStamp>, flags: Flags) -> Batch {
    let batch = Batch::parse(vector.clone()).unwrap();
    batch.verify_crc().unwrap();
    assert_eq!(decode(&batch), expected);
    assert_eq!(batch.record_count() as usize, expected.len());
    assert_eq!(batch.timestamp_type(), TimestampType::CreateTime);
    assert_eq!(batch.first_timestamp(), Some(expected[0].timestamp_ms));
    assert_eq!(batch.max_timestamp(), expected.iter().map(|input| input.timestamp_ms).max().unwrap());
    if batch.compression() == Compression::None {
        // kafka-python has 0 for "no leader epoch yet", Kafka's own clients and ours -1.
        let ours = build(expected, Compression::None, producer, flags).stamped(Offset::ZERO, LeaderEpoch(0));
        assert_eq!(ours.to_bytes(), vector);
    }
    batch
}

#[test]
fn mixed_records_are_read_and_written_alike() {
    let batch = check(vector!("mixed"), &mixed(), None, Flags::default());
    assert!(!batch.has_producer());
    batch.validate_records(0).unwrap();
    let first = batch.records().unwrap().next().unwrap().unwrap();
    assert_eq!(first.headers.get("trace"), Some(None), "the last of two");
    assert_eq!(first.headers.get("empty"), Some(Some(Bytes::new())));
    assert_eq!(first.headers.get("absent"), None);
    assert_eq!(first.headers.len(), 4);
}

#[test]
fn sparse_offsets_are_read_and_written_alike() {
    let mut expected = mixed();
    for (input, delta) in expected.iter_mut().zip([2, 3, 4, 1005, 1006]) {
        input.delta = delta;
    }
    let batch = check(vector!("sparse"), &expected, None, Flags::default());
    assert!(batch.validate_records(0).is_err(), "a client may not leave gaps");
}

#[test]
fn an_idempotent_producers_sequence_wraps() {
    let producer = ProducerStamp { base_sequence: i32::MAX - 1, ..PRODUCER };
    let batch = check(vector!("idempotent"), &mixed()[..3], Some(producer), Flags::default());
    assert_eq!((batch.producer_id(), batch.producer_epoch()), (ProducerId(4711), ProducerEpoch(3)));
    assert_eq!((batch.base_sequence(), batch.last_sequence()), (i32::MAX - 1, 0));
}

#[test]
fn a_transactional_batch_says_so() {
    let flags = Flags { transactional: true, control: false };
    let batch = check(vector!("transactional"), &mixed()[..1], Some(PRODUCER), flags);
    assert!(batch.is_transactional() && !batch.is_control());
}

#[test]
fn transaction_markers_are_read_and_written_alike() {
    let abort = ControlRecord::Abort { coordinator_epoch: 11 };
    let commit = ControlRecord::Commit { coordinator_epoch: 12 };
    for (vector, marker) in [(vector!("abort"), abort), (vector!("commit"), commit)] {
        let batch = Batch::parse(vector.clone()).unwrap();
        batch.verify_crc().unwrap();
        assert!(batch.is_transactional() && batch.is_control());
        assert_eq!(ControlRecord::of_batch(&batch), Ok(Some(marker)));
        let ours = marker.to_batch(PRODUCER.id, PRODUCER.epoch, T0).unwrap();
        assert_eq!(ours.stamped(Offset::ZERO, LeaderEpoch(0)).to_bytes(), vector);
    }
}

#[test]
fn a_run_of_batches_is_split() {
    let mut run = vector!("two-batches");
    let mut found = Vec::new();
    while let Some(batch) = Batch::split_first(&mut run).unwrap() {
        batch.verify_crc().unwrap();
        found.push(decode(&batch).len());
    }
    assert_eq!(found, [2, 3]);
}

macro_rules! codec_vectors {
    ($($test:ident, $feature:literal, $file:literal, $codec:ident;)*) => {
        $(
            #[test]
            #[cfg(feature = $feature)]
            fn $test() {
                let batch = check(vector!($file), &long(), None, Flags::default());
                assert_eq!(batch.compression(), Compression::$codec);
                batch.validate_records(1 << 20).unwrap();
            }
        )*
    };
}

codec_vectors! {
    gzip_is_read, "gzip", "long-gzip", Gzip;
    snappy_is_read, "snappy", "long-snappy", Snappy;
    lz4_is_read, "lz4", "long-lz4", Lz4;
    zstd_is_read, "zstd", "long-zstd", Zstd;
}
