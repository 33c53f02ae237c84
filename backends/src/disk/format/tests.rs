//! What is written is read; what was changed is found; what is made up does no harm.

use bytes::Bytes;
use ottla_broker_core::log::TrimBase;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    Checkpoint, FILE_HEADER_BYTES, FileEntry, FileHeader, FileKind, LOCK_NAME, Name, checkpoint_name, journal_name,
    segment_name, temporary_name,
};
use crate::engine::chunk::Bad;
use crate::engine::{Extent, Key, Saved, Space};

const STORAGE: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const HEADER: FileHeader =
    FileHeader { kind: FileKind::Journal, storage: STORAGE, file: 21, incarnation: 22, first_chunk: 23, durable: 24 };

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Makes the checksum of a checkpoint that of its bytes.
fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..60]), &bytes[64..]);
    bytes[60..64].copy_from_slice(&crc.to_be_bytes());
}

fn key(partition: i32) -> Key {
    Key { space: Space::Records, id: PartitionId { topic: TopicId(STORAGE), partition } }
}

fn sample() -> Checkpoint {
    let extent = |base, file, position| Extent {
        base: Offset(base),
        next: Offset(base + 10),
        file,
        position,
        bytes: 700,
        max_timestamp: 5_000 + base,
    };
    let log = |partition, extents| Saved {
        key: key(partition),
        epoch: LeaderEpoch(4),
        start: Offset(3),
        end: Offset(40),
        base: TrimBase { start: Offset(3), state: Bytes::from_static(b"state") },
        extents,
    };
    Checkpoint {
        storage: STORAGE,
        incarnation: 6,
        clean: true,
        next_chunk: 77,
        next_file: 9,
        files: vec![
            FileEntry { number: 2, kind: FileKind::Segment, bytes: 90_000, closed: true, adopted: false },
            FileEntry { number: 8, kind: FileKind::Journal, bytes: 4096, closed: false, adopted: false },
        ],
        logs: vec![log(0, vec![extent(0, 2, 4096), extent(10, 2, 4796), extent(30, 8, 4160)]), log(1, vec![])],
    }
}

fn keys() -> impl Strategy<Value = Key> {
    (0..3_u8, any::<u128>(), any::<i32>()).prop_map(|(space, topic, partition)| Key {
        space: Space::from_code(space).unwrap(),
        id: PartitionId { topic: TopicId(Uuid::from_u128(topic)), partition },
    })
}

fn extents() -> impl Strategy<Value = Vec<Extent>> {
    let piece = (0..1_000_i64, 1..100_000_i64, any::<u64>(), any::<u64>(), any::<u32>(), any::<i64>());
    (any::<i32>(), vec(piece, 0..8)).prop_map(|(from, pieces)| {
        let mut end = i64::from(from);
        let mut extents = Vec::new();
        for (gap, offsets, file, position, bytes, max_timestamp) in pieces {
            let base = end + gap;
            end = base + offsets;
            extents.push(Extent { base: Offset(base), next: Offset(end), file, position, bytes, max_timestamp });
        }
        extents
    })
}

fn logs() -> impl Strategy<Value = Saved> {
    (keys(), any::<i32>(), any::<[i64; 3]>(), vec(any::<u8>(), 0..30), extents()).prop_map(
        |(key, epoch, [start, end, base], state, extents)| Saved {
            key,
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
            end: Offset(end),
            base: TrimBase { start: Offset(base), state: state.into() },
            extents,
        },
    )
}

fn kinds() -> impl Strategy<Value = FileKind> {
    prop_oneof![Just(FileKind::Journal), Just(FileKind::Segment)]
}

fn checkpoints() -> impl Strategy<Value = Checkpoint> {
    let files = vec(
        (any::<u64>(), kinds(), any::<u64>(), any::<[bool; 2]>())
            .prop_map(|(number, kind, bytes, [closed, adopted])| FileEntry { number, kind, bytes, closed, adopted }),
        0..6,
    );
    (any::<u128>(), any::<[u64; 3]>(), any::<bool>(), files, vec(logs(), 0..5)).prop_map(
        |(storage, [incarnation, next_chunk, next_file], clean, files, logs)| Checkpoint {
            storage: Uuid::from_u128(storage),
            incarnation,
            clean,
            next_chunk,
            next_file,
            files,
            logs,
        },
    )
}

/// Bytes that a decoded checkpoint holds.
fn held(checkpoint: &Checkpoint) -> usize {
    let log = |log: &Saved| log.base.state.len() + log.extents.capacity() * size_of::<Extent>();
    checkpoint.files.capacity() * size_of::<FileEntry>()
        + checkpoint.logs.capacity() * size_of::<Saved>()
        + checkpoint.logs.iter().map(log).sum::<usize>()
}

#[test]
fn a_file_header_is_as_drawn() {
    let bytes = HEADER.encode();
    assert_eq!(bytes.len(), FILE_HEADER_BYTES);
    assert_eq!(bytes[..8], *b"OTLG\0\x01\x01\0");
    assert_eq!(bytes[8..24], *STORAGE.as_bytes());
    for (at, number) in [(24, 21_u64), (32, 22), (40, 23), (48, 24)] {
        assert_eq!(bytes[at..at + 8], number.to_be_bytes());
    }
    assert!(bytes[56..4092].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[4092..], crc32c::crc32c(&bytes[..4092]).to_be_bytes());
}

#[test]
fn every_changed_bit_of_a_file_header_is_found() {
    let mut bytes = HEADER.encode();
    for bit in 0..FILE_HEADER_BYTES * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let bad = FileHeader::parse(&bytes).unwrap_err();
        assert!(matches!(bad, Bad::Crc { .. } | Bad::Magic { .. }), "bit {bit}: {bad}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(FileHeader::parse(&bytes), Ok(HEADER));
}

#[test]
fn a_file_that_is_not_ours_or_newer_says_so() {
    let mut bytes = HEADER.encode();
    for end in [0, 1, 63, FILE_HEADER_BYTES - 1] {
        assert!(matches!(FileHeader::parse(&bytes[..end]), Err(Bad::Truncated { .. })));
    }
    assert!(matches!(FileHeader::parse(&[0; FILE_HEADER_BYTES]), Err(Bad::Magic { .. })));
    let mut sealed = |at: usize, byte| {
        bytes[at] = byte;
        let crc = crc32c::crc32c(&bytes[..4092]);
        bytes[4092..].copy_from_slice(&crc.to_be_bytes());
        FileHeader::parse(&bytes)
    };
    assert!(matches!(sealed(6, 3), Err(Bad::Structure(_))));
    let bad = sealed(5, 2).unwrap_err();
    assert_eq!(bad, Bad::Version { what: "a file", found: 2, known: 1 });
    assert_eq!(bad.to_string(), "a file has format version 2; this release knows version 1 only");
}

#[test]
fn names_are_read_as_they_are_made() {
    for number in [0, 7, u64::MAX] {
        let names = [
            (journal_name(number), Name::Journal(number)),
            (segment_name(number), Name::Segment(number)),
            (checkpoint_name(number), Name::Checkpoint(number)),
        ];
        for (name, meaning) in names {
            assert_eq!(Name::parse(&name), meaning, "{name}");
            assert_eq!(Name::parse(&temporary_name(&name)), Name::Temporary, "{name}");
            assert_eq!(Name::parse(&temporary_name(&temporary_name(&name))), Name::Foreign, "{name}");
        }
    }
    assert_eq!(journal_name(42), "00000000000000000042.journal");
    assert_eq!(Name::parse(LOCK_NAME), Name::Lock);
    assert!(journal_name(9) < journal_name(10), "they sort as numbers");
    let foreign = [
        "",
        "notes.txt",
        "notes.tmp",
        ".tmp",
        "lock.tmp",
        "42.journal",
        "+0000000000000000042.journal",
        "99999999999999999999.journal",
        "00000000000000000042.journal2",
        "00000000000000000042",
        "0000000000000000000４.journal",
    ];
    for name in foreign {
        assert_eq!(Name::parse(name), Name::Foreign, "{name}");
    }
}

#[test]
fn every_changed_bit_of_a_checkpoint_is_found() {
    let bytes = sample().encode();
    assert_eq!(Checkpoint::decode(&bytes), Ok(sample()));
    for bit in 0..bytes.len() * 8 {
        let found = Checkpoint::decode(&flipped(&bytes, bit));
        assert!(found.is_err(), "bit {bit} (byte {}) is not found", bit / 8);
    }
}

#[test]
fn a_checkpoint_that_is_cut_off_or_goes_on_says_so() {
    let mut bytes = sample().encode();
    for end in 0..bytes.len() {
        assert!(matches!(Checkpoint::decode(&bytes[..end]), Err(Bad::Truncated { .. })), "{end}");
    }
    bytes.push(0);
    assert_eq!(Checkpoint::decode(&bytes), Err(Bad::Crc { what: "a checkpoint" }));
    seal(&mut bytes);
    assert_eq!(Checkpoint::decode(&bytes), Err(Bad::Structure("a checkpoint goes on after its end")));
    assert_eq!(Checkpoint::decode(&[0; 100]), Err(Bad::Magic { what: "a checkpoint" }));
}

#[test]
fn a_newer_checkpoint_is_named() {
    let mut bytes = sample().encode();
    bytes[5] = 9;
    seal(&mut bytes);
    assert_eq!(Checkpoint::decode(&bytes), Err(Bad::Version { what: "a checkpoint", found: 9, known: 1 }));
}

#[test]
fn counts_are_not_believed() {
    // Wherever a count stands, a huge one with a good checksum is refused before memory is asked for.
    for body in [&[][..], &[0], &[0, 2]] {
        let mut bytes = sample().encode();
        bytes.truncate(64);
        bytes.extend_from_slice(body);
        if body == [0, 2] {
            bytes.extend_from_slice(&[0; 21]);
            bytes.extend_from_slice(&[0; 5]);
        }
        // The greatest number of 64 bits that is not negative.
        bytes.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        bytes.extend_from_slice(&[0; 40]);
        let length = bytes.len() as u64 - 64;
        bytes[8..16].copy_from_slice(&length.to_be_bytes());
        seal(&mut bytes);
        let bad = Bad::Structure("a checkpoint counts more than its bytes can hold");
        assert_eq!(Checkpoint::decode(&bytes), Err(bad), "after {body:?}");
    }
}

#[test]
fn extents_are_in_order() {
    let mut checkpoint = sample();
    checkpoint.logs[0].extents.swap(0, 1);
    let bad = Checkpoint::decode(&checkpoint.encode());
    assert_eq!(bad, Err(Bad::Structure("the extents of a log are not in order")));
}

#[test]
fn a_large_index_is_small() {
    // 5 GiB of 64 KiB extents, as 10,000 partitions that take turns in the journal leave them.
    let logs = (0..10_000_u64).map(|log| {
        let extents = (0..8_u64).map(|turn| Extent {
            base: Offset(i64::try_from(turn * 600).unwrap()),
            next: Offset(i64::try_from(turn * 600 + 600).unwrap()),
            file: (turn * 10_000 * 65_536) >> 26,
            position: (turn * 10_000 + log) * 65_536 % (1 << 26),
            bytes: 65_536,
            max_timestamp: 1_767_225_600_000 + i64::try_from(turn * 60_000).unwrap(),
        });
        Saved {
            key: key(i32::try_from(log).unwrap()),
            epoch: LeaderEpoch(1),
            start: Offset(0),
            end: Offset(4_800),
            base: TrimBase::default(),
            extents: extents.collect(),
        }
    });
    let checkpoint = Checkpoint { logs: logs.collect(), ..sample() };
    let bytes = checkpoint.encode();
    assert!(bytes.len() < 80_000 * 20, "{} bytes", bytes.len());
    assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
}

proptest! {
    #[test]
    fn a_file_header_is_read_as_it_was_written(
        kind in kinds(), storage: u128, file: u64, incarnation: u64, first_chunk: u64, durable: u64,
        behind in vec(any::<u8>(), 0..20),
    ) {
        let header = FileHeader { kind, storage: Uuid::from_u128(storage), file, incarnation, first_chunk, durable };
        let mut bytes = header.encode();
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(FileHeader::parse(&bytes), Ok(header));
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written(
        checkpoint in checkpoints(), bit in any::<prop::sample::Index>(),
    ) {
        let bytes = checkpoint.encode();
        let read = Checkpoint::decode(&bytes).unwrap();
        prop_assert!(held(&read) <= 16 * bytes.len());
        prop_assert_eq!(read, checkpoint);
        prop_assert!(Checkpoint::decode(&flipped(&bytes, bit.index(bytes.len() * 8))).is_err());
    }

    #[test]
    fn made_up_files_do_no_harm(bytes in vec(any::<u8>(), 0..300), name in ".{0,40}", digits in "[0-9]{18,22}[.a-z]{0,12}") {
        prop_assert!(Checkpoint::decode(&bytes).is_err());
        let mut page = bytes;
        page.resize(FILE_HEADER_BYTES, 0);
        prop_assert!(FileHeader::parse(&page).is_err());
        let _ = (Name::parse(&name), Name::parse(&digits));
    }

    /// As if a bug had written it: the checksum is good.
    #[test]
    fn made_up_bodies_do_no_harm(
        checkpoint in checkpoints(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let mut bytes = checkpoint.encode();
        for (index, byte) in changes {
            let index = 64 + index.index(bytes.len() - 64);
            bytes[index] = byte;
        }
        seal(&mut bytes);
        if let Ok(read) = Checkpoint::decode(&bytes) {
            prop_assert!(held(&read) <= 16 * bytes.len());
        }
    }
}
