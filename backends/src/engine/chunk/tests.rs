//! What is written is read; what was changed is found; what is made up does no harm.

use bytes::Bytes;
use ottla_broker_core::log::TrimBase;
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::header::ALIGNMENT;
use super::item::ITEM_HEAD_BYTES;
use super::{
    Bad, Entry, HEADER_BYTES, Header, Items, Run, decode_directory, encode, find_later, item_bytes, item_head,
};
use crate::engine::{Key, Space};

const KEY: Key = Key { space: Space::Records, id: PartitionId { topic: TopicId(Uuid::from_u128(7)), partition: 3 } };

fn batch(base: i64, values: &[&[u8]], producer: bool) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for value in values {
        builder.append(1_000, Some(b"key"), Some(value), &[]).unwrap();
    }
    let producer = producer.then_some(ProducerStamp { id: ProducerId(9), epoch: ProducerEpoch(1), base_sequence: 4 });
    builder.finish(producer, Flags::default()).unwrap().stamped(Offset(base), LeaderEpoch(5))
}

fn items(key: &Key, batches: &[Batch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend_from_slice(&item_head(key, batch));
        bytes.extend_from_slice(batch.body());
    }
    bytes
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Makes the header's checksum that of its bytes.
fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_be_bytes());
}

fn decode(bytes: &[u8]) -> Result<(Header, Vec<Entry>), Bad> {
    let header = Header::parse(bytes)?;
    let entries = decode_directory(&header, &bytes[HEADER_BYTES..])?;
    Ok((header, entries))
}

fn keys() -> impl Strategy<Value = Key> {
    (0..3_u8, any::<u128>(), any::<i32>()).prop_map(|(space, topic, partition)| Key {
        space: Space::from_code(space).unwrap(),
        id: PartitionId { topic: TopicId(Uuid::from_u128(topic)), partition },
    })
}

fn bases() -> impl Strategy<Value = TrimBase> {
    (any::<i64>(), vec(any::<u8>(), 0..40))
        .prop_map(|(start, state)| TrimBase { start: Offset(start), state: state.into() })
}

fn entries() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (keys(), 0..i64::MAX, 1..1_000_i64, 1..100_u32, 0..10_000_u32, any::<i64>()).prop_map(
            |(key, base, offsets, batches, more, max_timestamp)| Entry::Run(Run {
                key,
                base: Offset(base.min(i64::MAX - offsets)),
                next: Offset(base.min(i64::MAX - offsets) + offsets),
                batches,
                bytes: batches * 65 + more,
                max_timestamp,
            })
        ),
        (keys(), any::<i32>()).prop_map(|(key, epoch)| Entry::Open { key, epoch: LeaderEpoch(epoch) }),
        (keys(), any::<i64>(), bases()).prop_map(|(key, start, base)| Entry::Trim { key, start: Offset(start), base }),
        (keys(), any::<i64>(), bases()).prop_map(|(key, at, base)| Entry::Reset { key, at: Offset(at), base }),
        (keys(), any::<i64>()).prop_map(|(key, end)| Entry::Truncate { key, end: Offset(end) }),
        keys().prop_map(|key| Entry::Remove { key }),
    ]
}

/// One entry of each kind.
fn one_of_each() -> Vec<Entry> {
    let base = TrimBase { start: Offset(3), state: Bytes::from_static(b"state") };
    vec![
        Entry::Open { key: KEY, epoch: LeaderEpoch(5) },
        Entry::Run(Run { key: KEY, base: Offset(10), next: Offset(12), batches: 1, bytes: 90, max_timestamp: 1_000 }),
        Entry::Trim { key: KEY, start: Offset(11), base: base.clone() },
        Entry::Truncate { key: KEY, end: Offset(12) },
        Entry::Reset { key: KEY, at: Offset(40), base },
        Entry::Remove { key: KEY },
    ]
}

#[test]
fn the_layout_is_as_drawn() {
    let run = Run { key: KEY, base: Offset(10), next: Offset(12), batches: 1, bytes: 90, max_timestamp: 1_000 };
    let bytes = encode(0x0102_0304_0506_0708, 11, 9, &[Entry::Run(run)]);
    let mut expected = b"OTCH\0\x01\0\0\x01\x02\x03\x04\x05\x06\x07\x08".to_vec();
    expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 9]);
    expected.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 54, 0, 0, 0, 90]);
    assert_eq!(bytes[..44], expected);
    assert_eq!(bytes[44..48], crc32c::crc32c(&bytes[64..]).to_be_bytes());
    assert_eq!(bytes[48..60], [0; 12]);
    assert_eq!(bytes[60..64], crc32c::crc32c(&bytes[..60]).to_be_bytes());
    let mut entry = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3];
    entry.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 12]);
    entry.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 90, 0, 0, 0, 0, 0, 0, 3, 232]);
    assert_eq!(bytes[64..], entry);

    let batch = batch(10, &[b"a"], false);
    let item = items(&KEY, std::slice::from_ref(&batch));
    assert_eq!(item.len(), item_bytes(&batch));
    assert_eq!(item[4..], batch.to_bytes());
    let mut checked = item[4..ITEM_HEAD_BYTES].to_vec();
    checked.extend_from_slice(&entry[1..22]);
    assert_eq!(item[..4], crc32c::crc32c(&checked).to_be_bytes());
}

#[test]
fn every_changed_bit_of_a_header_is_found() {
    let bytes = encode(1, 2, 1, &one_of_each());
    for bit in 0..HEADER_BYTES * 8 {
        let bad = Header::parse(&flipped(&bytes, bit)).unwrap_err();
        assert!(matches!(bad, Bad::Crc { .. } | Bad::Magic { .. }), "bit {bit}: {bad}");
    }
}

#[test]
fn every_changed_bit_of_a_directory_is_found() {
    let bytes = encode(1, 2, 1, &one_of_each());
    for bit in HEADER_BYTES * 8..bytes.len() * 8 {
        let found = decode(&flipped(&bytes, bit));
        assert_eq!(found.unwrap_err(), Bad::Crc { what: "a chunk's directory" }, "bit {bit}");
    }
}

#[test]
fn every_changed_bit_of_an_item_is_found() {
    let batches = [batch(10, &[b"first", b"second"], true), batch(12, &[b"third"], false)];
    let bytes = items(&KEY, &batches);
    for bit in 0..bytes.len() * 8 {
        let read: Vec<_> = Items::new(&KEY, flipped(&bytes, bit).into()).collect();
        let damaged = usize::from(bit / 8 >= item_bytes(&batches[0]));
        assert_eq!(read.len(), damaged + 1, "bit {bit}: it ends at the damage");
        assert!(read[damaged].is_err(), "bit {bit} is served");
        for (item, batch) in read.into_iter().take(damaged).zip(&batches) {
            assert_eq!(item.unwrap().1, *batch);
        }
    }
}

#[test]
fn an_item_is_of_one_log_only() {
    let bytes = Bytes::from(items(&KEY, &[batch(10, &[b"a"], false)]));
    let others = [
        Key { space: Space::Snapshots, ..KEY },
        Key { id: PartitionId { partition: 4, ..KEY.id }, ..KEY },
        Key { id: PartitionId { topic: TopicId(Uuid::from_u128(8)), ..KEY.id }, ..KEY },
    ];
    for other in others {
        let read: Vec<_> = Items::new(&other, bytes.clone()).collect();
        assert_eq!(read, [Err(Bad::Crc { what: "an item's place in its log" })]);
    }
}

#[test]
fn what_is_cut_off_says_so() {
    let bytes = encode(1, 2, 1, &one_of_each());
    for end in 0..bytes.len() {
        let bad = decode(&bytes[..end]);
        let Err(Bad::Truncated { needed, remaining, .. }) = bad else { panic!("{end}: {bad:?}") };
        assert!(needed > remaining);
    }
    let item = items(&KEY, &[batch(10, &[b"a"], false)]);
    for end in 1..item.len() {
        let read: Vec<_> = Items::new(&KEY, item[..end].to_vec().into()).collect();
        assert!(matches!(read[..], [Err(Bad::Truncated { .. })]), "{end}: {read:?}");
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = encode(1, 2, 1, &one_of_each());
    bytes[4..6].copy_from_slice(&[0x01, 0x02]);
    seal(&mut bytes);
    let bad = Header::parse(&bytes).unwrap_err();
    assert_eq!(bad, Bad::Version { what: "a chunk", found: 0x0102, known: 1 });
    assert_eq!(bad.to_string(), "a chunk has format version 258; this release knows version 1 only");
    assert_eq!(find_later(&bytes, 1, 0), None);
}

#[test]
fn a_directory_is_what_its_header_says() {
    let whole = encode(1, 2, 1, &one_of_each());
    let header = Header::parse(&whole).unwrap();
    let directory = &whole[HEADER_BYTES..];
    let refused = |header: Header| match decode_directory(&header, directory) {
        Err(Bad::Structure(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Header { entries: u32::MAX, ..header }), "a directory has more entries than its bytes can hold");
    assert_eq!(refused(Header { entries: 5, ..header }), "a directory goes on after its last entry");
    assert_eq!(refused(Header { entries: 7, ..header }), "an entry goes beyond the end of its directory");
    assert_eq!(refused(Header { data_bytes: 91, ..header }), "a chunk's data is not as long as its runs");
    let cut = &directory[..directory.len() - 1];
    let bad = decode_directory(
        &Header { directory_bytes: header.directory_bytes - 1, directory_crc: crc32c::crc32c(cut), ..header },
        cut,
    );
    assert_eq!(bad, Err(Bad::Structure("an entry goes beyond the end of its directory")));
}

/// Chunks one after the other, each at the next multiple of 8, with their data.
fn file(chunks: &[(u64, u64)]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = b"what was here before, and cut off.......".to_vec();
    let mut positions = Vec::new();
    for (incarnation, number) in chunks {
        bytes.resize(bytes.len().next_multiple_of(usize::try_from(ALIGNMENT).unwrap()), 0xff);
        positions.push(bytes.len());
        bytes.extend_from_slice(&encode(*incarnation, *number, 0, &one_of_each()));
        bytes.resize(bytes.len() + 90, 0xaa);
    }
    (bytes, positions)
}

#[test]
fn a_later_chunk_of_the_chain_is_found() {
    let (bytes, at) = file(&[(8, 30), (9, 12), (9, 13), (9, 14)]);
    let found = |bytes: &[u8], from| find_later(bytes, 9, from).map(|(position, header)| (position, header.number));
    assert_eq!(found(&bytes, 13), Some((at[2], 13)), "not of another incarnation, not an earlier one");
    assert_eq!(found(&bytes, 0), Some((at[1], 12)));
    assert_eq!(found(&bytes, 15), None);
    assert_eq!(found(&[], 0), None);
    // One that is damaged is passed over, wherever in its front the damage is.
    let front = HEADER_BYTES + usize::try_from(Header::parse(&bytes[at[2]..]).unwrap().directory_bytes).unwrap();
    for bit in 0..front * 8 {
        assert_eq!(found(&flipped(&bytes, at[2] * 8 + bit), 13), Some((at[3], 14)), "bit {bit}");
    }
    // One whose directory goes beyond what is there counts; one whose header does has not begun.
    assert_eq!(found(&bytes[..at[3] + HEADER_BYTES], 14), Some((at[3], 14)));
    assert_eq!(found(&bytes[..at[3] + HEADER_BYTES - 1], 14), None);
    // Chunks begin at multiples of 8.
    assert_eq!(found(&bytes[1..], 0), None);
}

proptest! {
    #[test]
    fn a_chunk_is_read_as_it_was_written(
        incarnation: u64, number: u64, durable: u64, entries in vec(entries(), 0..12), behind in vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = encode(incarnation, number, durable, &entries);
        let front = bytes.len();
        bytes.extend_from_slice(&behind);
        let (header, read) = decode(&bytes).unwrap();
        prop_assert_eq!((header.incarnation, header.number, header.durable), (incarnation, number, durable));
        let data: u64 = entries.iter().map(|e| if let Entry::Run(run) = e { u64::from(run.bytes) } else { 0 }).sum();
        prop_assert_eq!(header.total_bytes(), front as u64 + data);
        prop_assert_eq!(read, entries);
    }

    #[test]
    fn items_are_read_as_they_were_written(
        key in keys(),
        batches in vec((0..1_000_000_i64, vec(vec(any::<u8>(), 0..50), 1..5), any::<bool>()), 0..6),
    ) {
        let batches: Vec<Batch> = batches
            .iter()
            .map(|(base, values, producer)| batch(*base, &values.iter().map(Vec::as_slice).collect::<Vec<_>>(), *producer))
            .collect();
        let bytes = Bytes::from(items(&key, &batches));
        let mut at = 0;
        let mut read = Items::new(&key, bytes.clone());
        for batch in &batches {
            let (position, found) = read.next().unwrap().unwrap();
            prop_assert_eq!(position as usize, at);
            prop_assert_eq!(&found, batch);
            // It shares the bytes: nothing is copied.
            prop_assert!(bytes.as_ptr_range().contains(&found.body().as_ptr()));
            at += item_bytes(batch);
        }
        prop_assert!(read.next().is_none());
        prop_assert_eq!(at, bytes.len());
    }

    #[test]
    fn made_up_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(Header::parse(&bytes).is_err());
        prop_assert_eq!(find_later(&bytes, 0, 0), None);
        prop_assert!(Items::new(&KEY, bytes.into()).all(|item| item.is_err()));
    }

    /// As if a bug had written it: all checksums are good.
    #[test]
    fn made_up_directories_do_no_harm(
        entries in vec(entries(), 0..6),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        count in prop_oneof![0..8_u32, any::<u32>()],
        data_bytes in any::<u32>(),
    ) {
        let mut directory = encode(1, 1, 1, &entries).split_off(HEADER_BYTES);
        for (index, byte) in changes {
            if !directory.is_empty() {
                let index = index.index(directory.len());
                directory[index] = byte;
            }
        }
        let header = Header {
            incarnation: 1,
            number: 1,
            durable: 1,
            entries: count,
            directory_bytes: u32::try_from(directory.len()).unwrap(),
            data_bytes,
            directory_crc: crc32c::crc32c(&directory),
        };
        if let Ok(read) = decode_directory(&header, &directory) {
            prop_assert_eq!(read.len(), count as usize);
            prop_assert!(read.capacity() * size_of::<Entry>() <= 8 * directory.len());
        }
    }

    /// As if someone who knows the log had made them: the stamp is good.
    #[test]
    fn made_up_batches_do_no_harm(
        mut prefix: [u8; 16], length in prop_oneof![0..200_i32, any::<i32>()], body in vec(any::<u8>(), 0..150),
    ) {
        prefix[8..12].copy_from_slice(&length.to_be_bytes());
        let mut checked = prefix.to_vec();
        checked.extend_from_slice(&super::key_bytes(&KEY));
        let mut item = crc32c::crc32c(&checked).to_be_bytes().to_vec();
        item.extend_from_slice(&prefix);
        item.push(2);
        item.extend_from_slice(&body);
        let read: Vec<_> = Items::new(&KEY, item.into()).collect();
        prop_assert!(matches!(read[..], [Err(_)]));
    }
}
