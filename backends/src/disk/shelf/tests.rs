//! However many files a log has, few are open.

use std::sync::Arc;

use super::{About, MOST_OPEN, Shelf, name};
use crate::disk::files::Files;
use crate::disk::files::crash::CrashFiles;
use crate::disk::format::FileKind;
use crate::disk::pool::Pool;

const FILES: u64 = MOST_OPEN as u64 * 2;

fn shelf() -> (CrashFiles, Shelf) {
    let files = CrashFiles::new();
    for number in 1..=FILES {
        files.create(&name(number, FileKind::Segment), 8).unwrap();
    }
    (files.clone(), Shelf::new(Arc::new(files), Pool::new(0), 0))
}

fn about(closed: bool) -> About {
    About { kind: FileKind::Segment, bytes: 8, closed, adopted: false }
}

/// Handles that are really held, and what the books say.
fn held(shelf: &Shelf) -> (usize, usize) {
    let books = shelf.lock();
    (books.by_number.values().filter(|book| book.handle.is_some()).count(), books.open)
}

#[test]
fn files_that_are_read_are_shut_again_the_longest_unused_first() {
    let (_, shelf) = shelf();
    for number in 1..=FILES {
        shelf.add(number, about(true), None);
    }
    for number in 1..=FILES {
        shelf.open(number).unwrap().unwrap();
        shelf.open(1).unwrap().unwrap();
        let (held, counted) = held(&shelf);
        assert_eq!(held, counted);
        assert!(held <= MOST_OPEN, "{held} files are open");
    }
    let books = shelf.lock();
    assert!(books.by_number[&1].handle.is_some(), "what is in use stays open");
    assert!(books.by_number[&2].handle.is_none());
    assert!(books.by_number[&FILES].handle.is_some());
}

#[test]
fn files_that_were_written_are_shut_too() {
    let (files, shelf) = shelf();
    // The journal's file is not: it is written.
    shelf.add(1, about(false), Some(files.open(&name(1, FileKind::Segment), true).unwrap()));
    for number in 2..=FILES {
        let handle = files.open(&name(number, FileKind::Segment), false).unwrap();
        shelf.add(number, about(true), Some(handle));
        let (held, counted) = held(&shelf);
        assert_eq!(held, counted);
        assert!(held <= MOST_OPEN, "{held} files are open after {number} were made");
    }
    assert!(shelf.lock().by_number[&1].handle.is_some());
}

#[test]
fn a_file_that_is_gone_is_not_there_and_counts_no_more() {
    let (_, shelf) = shelf();
    shelf.add(1, about(true), None);
    let reader = shelf.open(1).unwrap().unwrap();
    shelf.drop_file(1);
    assert_eq!(held(&shelf), (0, 0));
    assert!(shelf.open(1).unwrap().is_none());
    assert!(shelf.read_now(1, 0, 8).unwrap().is_none());
    assert_eq!(reader.size().unwrap(), 8, "whoever has a handle goes on");
}
