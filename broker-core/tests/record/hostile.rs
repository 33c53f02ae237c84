//! Input that lies: nothing panics, and memory follows the bytes that are there.

use bytes::Bytes;
use ottla_broker_core::record::{Batch, Compression, ControlRecord, Error, Flags};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Input, build, codecs};
use crate::allocations::peak;

/// A cap on decompression for these tests, in bytes.
const LIMIT: usize = 256 << 10;
/// What a decoder may hold besides: its own tables and windows, and error texts.
const WORKSPACE: usize = 128 << 10;

/// A batch of arbitrary parts around `records`, its CRC left at 0 and its timestamps too.
pub(crate) fn forge(records: &[u8], record_count: i32, last_offset_delta: i32, attributes: i16) -> Bytes {
    let length = i32::try_from(records.len() + 49).unwrap();
    let mut raw = Vec::new();
    raw.extend_from_slice(&0_i64.to_be_bytes());
    raw.extend_from_slice(&length.to_be_bytes());
    raw.extend_from_slice(&(-1_i32).to_be_bytes());
    raw.push(2);
    raw.extend_from_slice(&0_u32.to_be_bytes());
    raw.extend_from_slice(&attributes.to_be_bytes());
    raw.extend_from_slice(&last_offset_delta.to_be_bytes());
    raw.extend_from_slice(&[0; 16]);
    raw.extend_from_slice(&(-1_i64).to_be_bytes());
    raw.extend_from_slice(&(-1_i16).to_be_bytes());
    raw.extend_from_slice(&(-1_i32).to_be_bytes());
    raw.extend_from_slice(&record_count.to_be_bytes());
    raw.extend_from_slice(records);
    raw.into()
}

/// Does all that one can do with untrusted bytes, within bounds of memory.
fn consume(raw: &Bytes) {
    let ((), held) = peak(|| {
        let mut run = raw.clone();
        while let Ok(Some(batch)) = Batch::split_first(&mut run) {
            let _ = (batch.verify_crc(), batch.last_sequence(), batch.next_offset(), batch.to_bytes());
            let _ = batch.validate_records(LIMIT);
            let _ = ControlRecord::of_batch(&batch);
            if let Ok(records) = batch.records_with_limit(LIMIT) {
                for record in records.flatten() {
                    let _ = (record.headers.get("a"), record.headers.iter().count(), record.headers.refs().count());
                }
            }
        }
    });
    // Decompressed bytes are held once, in a buffer that may have doubled.
    assert!(held <= 2 * LIMIT + WORKSPACE + 2 * raw.len(), "{held} bytes for {} bytes of input", raw.len());
}

fn sample(codec: Compression) -> Batch {
    let headers: &[(&str, Option<&[u8]>)] = &[("a", Some(b"1")), ("b", None)];
    let inputs: Vec<_> =
        (0..20).map(|i| Input::new(i, 1000 + i64::from(i), Some(b"key"), Some(&[7; 50]), headers)).collect();
    build(&inputs, codec, None, Flags::default())
}

fn first_error(batch: &Batch) -> Error {
    let (outcome, held) = peak(|| {
        // All at once, as a careless caller might: nothing may be reserved for a count.
        let all: Vec<_> = batch.records_with_limit(LIMIT)?.collect();
        all.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    });
    assert!(held <= 2 * LIMIT + WORKSPACE, "{held} bytes");
    outcome.unwrap_err()
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        consume(&bytes.into());
    }

    #[test]
    fn random_records_do_no_harm(
        records in vec(prop_oneof![0..20_u8, any::<u8>()], 0..200),
        count in prop_oneof![0..30, any::<i32>()],
        delta in prop_oneof![0..30, any::<i32>()],
        attributes in 0..128_i16,
    ) {
        consume(&forge(&records, count, delta, attributes));
    }

    #[test]
    fn mutated_batches_do_no_harm(
        codec in prop::sample::select(codecs().collect::<Vec<_>>()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in 0..10_usize,
    ) {
        let mut raw = sample(codec).to_bytes().to_vec();
        raw.truncate(raw.len() - cut);
        for (index, byte) in changes {
            let at = index.index(raw.len());
            raw[at] = byte;
        }
        consume(&raw.into());
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let records = sample(Compression::None).records_bytes();
    let refused = |count, delta, attributes| Batch::parse(forge(&records, count, delta, attributes)).unwrap_err();
    assert!(matches!(refused(-1, 19, 0), Error::InvalidHeader { .. }));
    assert!(matches!(refused(20, 18, 0), Error::InvalidHeader { .. }));
    assert!(matches!(refused(0, -1, 0), Error::InvalidHeader { .. }));
    assert!(matches!(refused(i32::MAX, i32::MAX, 0), Error::InvalidHeader { .. }), "more than its bytes can hold");
    assert!(matches!(refused(20, 19, 1 << 7), Error::InvalidHeader { .. }));
    assert!(matches!(refused(20, 19, 5), Error::UnknownCompression { id: 5, .. }));

    let good = forge(&records, 20, 19, 0);
    let with = |at: usize, byte| {
        let mut raw = good.to_vec();
        raw[at] = byte;
        Batch::parse(raw.into()).unwrap_err()
    };
    assert!(matches!(with(16, 1), Error::UnsupportedMagic { magic: 1, .. }));
    assert!(matches!(with(8, 0xff), Error::InvalidHeader { .. }), "negative length");
    assert!(matches!(with(8, 0x7f), Error::Truncated(_)), "a length of 2 GiB");
    let longer = [&good[..], b"x"].concat();
    assert!(matches!(Batch::parse(longer.into()), Err(Error::InvalidHeader { .. })));
    let mut far = good.to_vec();
    far[..8].copy_from_slice(&i64::MAX.to_be_bytes());
    assert!(matches!(Batch::parse(far.into()), Err(Error::InvalidHeader { .. })), "offsets overflow");
}

#[test]
fn records_that_lie_are_refused() {
    // length, attributes, timestamp delta, offset delta, key, value, header count; all zigzag.
    let good = [12, 0, 0, 0, 1, 1, 0];
    let refused = |records: &[u8], count| first_error(&Batch::parse(forge(records, count, count - 1, 0)).unwrap());
    let huge = [0xfe, 0xff, 0xff, 0xff, 0x0f]; // 2^31 - 1
    let wide = |front: &[u8], behind: &[u8]| {
        let body = [front, &huge, behind].concat();
        [&[u8::try_from(2 * body.len()).unwrap()], &body[..]].concat()
    };
    let lies = [
        ("a huge record", [&huge[..], &good].concat()),
        ("a huge key", wide(&[0, 0, 0], &[1, 0])),
        ("a huge value", wide(&[0, 0, 0, 1], &[0])),
        ("a huge count of headers", wide(&[0, 0, 0, 1, 1], &[0, 1, 0, 1])),
        ("a huge offset delta", wide(&[0, 0], &[1, 1, 0])),
        ("a negative record length", vec![1, 0, 0, 0, 1, 1, 0]),
        ("a negative count of headers", vec![12, 0, 0, 0, 1, 1, 1]),
        ("a null header key", vec![16, 0, 0, 0, 1, 1, 2, 1, 1]),
        ("a record longer than its parts", vec![14, 0, 0, 0, 1, 1, 0, 0]),
        ("a number of six bytes", vec![24, 0, 0, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 0]),
        ("bytes after the last record", [&good[..], &[0]].concat()),
    ];
    for (what, records) in lies {
        let error = refused(&records, 1);
        assert!(matches!(error, Error::InvalidRecord { .. }), "{what}: {error}");
    }
    let repeated = [good, good].concat();
    assert!(matches!(refused(&repeated, 2), Error::InvalidRecord { index: 1, .. }), "an offset twice");
}

#[test]
fn what_a_client_may_not_send_is_refused() {
    let sparse = [Input::new(0, 1, None, None, &[]), Input::new(2, 1, None, None, &[])];
    let sparse = build(&sparse, Compression::None, None, Flags::default());
    assert!(sparse.records().unwrap().all(|record| record.is_ok()), "a log may hold it");
    assert!(matches!(sparse.validate_records(0), Err(Error::InvalidHeader { .. })));

    let mut raw = sample(Compression::None).to_bytes().to_vec();
    raw[42] ^= 1; // the max timestamp
    assert!(matches!(Batch::parse(raw.into()).unwrap().validate_records(0), Err(Error::InvalidHeader { .. })));

    let shifted = [12, 0, 0, 2, 1, 1, 0];
    let shifted = Batch::parse(forge(&[&shifted[..], &[12, 0, 0, 4, 1, 1, 0]].concat(), 2, 2, 0)).unwrap();
    assert!(shifted.records().unwrap().all(|record| record.is_ok()), "compaction removed the first");
    assert!(shifted.validate_records(0).is_err());
}

#[test]
fn a_count_beyond_what_was_compressed_is_refused() {
    for codec in codecs().filter(|codec| *codec != Compression::None) {
        let mut raw = sample(codec).to_bytes().to_vec();
        raw[23..27].copy_from_slice(&i32::MAX.to_be_bytes());
        raw[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
        let batch = Batch::parse(raw.into()).unwrap();
        assert!(matches!(first_error(&batch), Error::InvalidRecord { index: 20, .. }), "{codec}");
    }
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
    for codec in codecs().filter(|codec| *codec != Compression::None) {
        let bomb = [Input::new(0, 0, None, Some(&vec![0; 16 << 20]), &[])];
        let bomb = build(&bomb, codec, None, Flags::default());
        assert_eq!(first_error(&bomb), Error::DecompressedTooLarge { limit: LIMIT }, "{codec}");
        assert_eq!(bomb.records_with_limit(17 << 20).unwrap().count(), 1, "{codec}");
    }
}

#[test]
fn the_limit_is_exact() {
    let plain = sample(Compression::None).records_bytes().len();
    for codec in codecs().filter(|codec| *codec != Compression::None) {
        let batch = sample(codec);
        assert!(batch.records_with_limit(plain).is_ok(), "{codec}");
        let error = batch.records_with_limit(plain - 1).unwrap_err();
        assert_eq!(error, Error::DecompressedTooLarge { limit: plain - 1 }, "{codec}");
    }
}

#[test]
fn codecs_reserve_nothing_on_a_claim() {
    let claims: [(Compression, &[u8]); 5] = [
        // A block of snappy that claims 32 MiB, bare and framed.
        (Compression::Snappy, b"\x80\x80\x80\x10\0"),
        (Compression::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\x80\x80\x80\x10\0"),
        // A frame of blocks of 4 MiB, and in it a block of two bytes; then one that claims nearly 2 GiB.
        (Compression::Lz4, b"\x04\x22\x4d\x18\x60\x70\x73\x02\0\0\0\xf0\xff"),
        (Compression::Lz4, b"\x04\x22\x4d\x18\x60\x70\x73\xff\xff\xff\x7f\0"),
        // A frame with a window of 2 GiB.
        (Compression::Zstd, b"\x28\xb5\x2f\xfd\0\xa8\x01\0\0"),
    ];
    for (codec, data) in claims.into_iter().filter(|(codec, _)| codec.is_enabled()) {
        let batch = Batch::parse(forge(data, 1, 0, codec.id().into())).unwrap();
        let (outcome, held) = peak(|| batch.records().map(Iterator::count));
        assert!(matches!(outcome, Err(Error::Codec { .. })), "{codec}: {outcome:?}");
        assert!(held < WORKSPACE, "{codec}: {held} bytes");
    }
}
