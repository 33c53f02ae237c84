//! Bits that flip, files that are missing, files of others, files of a later release.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ottla_broker_core::log::{Error, ErrorKind, LogStorage};

use ottla_broker_core::LeaderEpoch;

use super::crash::check::try_observe;
use super::crash::model::{History, Model};
use super::crash::workload::{Workload, keys, open, open_log, run};
use crate::disk::Level;
use crate::disk::files::Files;
use crate::disk::files::crash::{Choice, CrashFiles};
use crate::disk::format::{FILE_HEADER_BYTES, Name};
use crate::engine::Key;

type Seen = Vec<(Key, Model)>;

/// A directory after a load, as a crash or an orderly end leaves it, and what is in it.
fn directory(closed: bool) -> (CrashFiles, Seen, History) {
    let load = Workload::run(11, Level::Fsync, 300);
    if closed {
        let storage = open(&load.files, Level::Fsync).unwrap();
        run(&storage, storage.close()).unwrap();
    }
    let files = load.files.crash(Choice::NOTHING);
    let seen = look(&files.crash(Choice::NOTHING)).unwrap();
    (files, seen, load.history)
}

fn look(files: &CrashFiles) -> Result<Seen, Error> {
    let storage = open(files, Level::Fsync)?;
    try_observe(&storage)
}

fn whole(files: &CrashFiles) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let file = files.open(&name, false).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        (name, bytes)
    };
    files.list().unwrap().into_iter().map(read).collect()
}

/// Whether this is what the logs were at some time: what is missing is missing at the end.
fn was_once(history: &History, after: &Seen) -> bool {
    after.iter().all(|(key, model)| history.allowed(*key, &[]).contains(model))
}

/// Flips bits all over the directory; says how many were detected, made no difference, and made it look torn.
fn flip(closed: bool) -> (usize, usize, usize) {
    let (files, seen, history) = directory(closed);
    let all = whole(&files);
    let (mut detected, mut harmless, mut torn) = (0, 0, 0);
    let mut last = None;
    for (name, bytes) in &all {
        // All of the beginning, and then samples; where there are zeros, few.
        let mut position = 0;
        while position < bytes.len() {
            let bit = (position % 8) as u8;
            let damaged = files.crash(Choice::NOTHING);
            damaged.flip_bit(name, position as u64, bit).unwrap();
            let outcome = catch_unwind(AssertUnwindSafe(|| look(&damaged)));
            match outcome {
                Err(panic) => {
                    eprintln!("{name}, byte {position}, bit {bit}");
                    std::panic::resume_unwind(panic);
                }
                Ok(Err(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}, byte {position}: {error:?}");
                    detected += 1;
                }
                Ok(Ok(after)) if after == seen => harmless += 1,
                Ok(Ok(after)) => {
                    assert!(!closed, "{name}, byte {position}: it was closed, and something is missing");
                    assert!(was_once(&history, &after), "{name}, byte {position}: something else is served");
                    // One chunk at most: all such places are in one file.
                    assert!(last.is_none_or(|last: &String| last == name), "{name} and {last:?}");
                    last = Some(name);
                    torn += 1;
                }
            }
            let dull = bytes[position..].iter().take(512).all(|byte| *byte == 0);
            position += match Name::parse(name) {
                Name::Checkpoint(_) => 7,
                _ if dull => 509,
                _ if position < 128 || (FILE_HEADER_BYTES..FILE_HEADER_BYTES + 512).contains(&position) => 5,
                _ => 61,
            };
        }
    }
    println!("flipped bits, closed: {closed}: {detected} detected, {harmless} in unused bytes, {torn} look torn");
    (detected, harmless, torn)
}

#[test]
fn every_flipped_bit_of_a_closed_log_is_detected() {
    let (detected, _, torn) = flip(true);
    assert!(detected > 300 && torn == 0, "{detected} {torn}");
}

#[test]
fn every_flipped_bit_of_an_unclean_log_is_detected_but_in_its_last_chunk() {
    let (detected, _, torn) = flip(false);
    assert!(detected > 300 && torn > 0, "{detected} {torn}");
}

#[test]
fn a_missing_file_is_told_and_nothing_is_changed() {
    for closed in [false, true] {
        let (files, seen, history) = directory(closed);
        let mut told = 0;
        for name in files.list().unwrap() {
            let lacking = files.crash(Choice::NOTHING);
            lacking.remove(&name).unwrap();
            let before = whole(&lacking);
            match look(&lacking) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error:?}");
                    assert_eq!(whole(&lacking), before, "{name}");
                    told += 1;
                }
                // A file that was made ahead, or kept to be written again, or the last one, which may never have been.
                Ok(after) if closed => assert_eq!(after, seen, "{name}"),
                Ok(after) => assert!(was_once(&history, &after), "{name}"),
            }
        }
        assert!(told > 1, "{told}");
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let (files, seen, _) = directory(false);
    let others = ["notes.txt", "7.journal", "00000000000000000001.journal.bak", "x.tmp", ".hidden"];
    for name in others {
        let file = files.create(name, 0).unwrap();
        file.write_at(0, &mut [std::io::IoSlice::new(name.as_bytes())]).unwrap();
    }
    assert_eq!(look(&files).unwrap(), seen);
    let storage = open(&files, Level::Fsync).unwrap();
    run(&storage, storage.close()).unwrap();
    let left = whole(&files);
    for name in others {
        assert!(left.contains(&(name.to_owned(), name.as_bytes().to_vec())), "{name}");
    }
}

/// Says in the file that it is of the next version, with a checksum that is right.
fn make_newer(files: &CrashFiles, name: &str) {
    let (_, mut bytes) = whole(files).into_iter().find(|(other, _)| other == name).unwrap();
    bytes[5] += 1;
    let crc_at = match Name::parse(name) {
        Name::Checkpoint(_) => 60,
        _ => FILE_HEADER_BYTES - 4,
    };
    let crc = match Name::parse(name) {
        Name::Checkpoint(_) => crc32c::crc32c_append(crc32c::crc32c(&bytes[..60]), &bytes[64..]),
        _ => crc32c::crc32c(&bytes[..crc_at]),
    };
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_be_bytes());
    files.open(name, true).unwrap().write_at(0, &mut [std::io::IoSlice::new(&bytes)]).unwrap();
}

#[test]
fn a_newer_format_is_told_and_nothing_is_changed() {
    let (files, ..) = directory(false);
    let names = files.list().unwrap();
    let checkpoint = names.iter().rfind(|name| matches!(Name::parse(name), Name::Checkpoint(_))).unwrap();
    make_newer_and_look(&files, checkpoint);
    // A journal file that the checkpoint does not know yet.
    let files = CrashFiles::new();
    let storage = open(&files, Level::Fsync).unwrap();
    run(&storage, open_log(&storage, keys()[0], LeaderEpoch(1))).unwrap();
    make_newer_and_look(&files, "00000000000000000001.journal");
}

fn make_newer_and_look(files: &CrashFiles, name: &str) {
    let newer = files.crash(Choice::NOTHING);
    make_newer(&newer, name);
    let before = whole(&newer);
    let error = look(&newer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(whole(&newer), before, "{name}");
}
