//! Reads of what is not in memory, on a medium whose files move meanwhile.

mod ahead;

use std::sync::Arc;

use futures::FutureExt;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::record::Batch;

use crate::engine::testing::{EPOCH, Meanwhile, Memory, batch, core_over, key, log};
use crate::engine::{Applied, Core, Log};

/// A log of ten batches in file 1; the last of them are in memory, too.
fn ten(in_memory: i64) -> (Arc<Memory>, Arc<Core>, Arc<Log>) {
    let medium: Arc<Memory> = Arc::default();
    let core = Arc::new(core_over(&medium, 1 << 20));
    let log = log(&core, 1);
    for base in 0..10 {
        let batch = batch(base, 100);
        drop(log.append(&core, EPOCH, batch.clone()).unwrap());
        log.apply(&core, [Applied::Batch(medium.put(&key(1), 1, &batch))]);
    }
    core.tail.give_back(log.evict(Offset(10 - in_memory)));
    (medium, core, log)
}

fn read(core: &Core, log: &Log, from: i64, max_bytes: usize) -> Result<Vec<i64>, Error> {
    let read: Result<Vec<Batch>, _> =
        log.read(core, Offset(from), Offset(10), max_bytes).now_or_never().expect("this medium never waits");
    read.map(|batches| batches.iter().map(|batch| batch.base_offset().0).collect())
}

/// Moves all of the log to file 2, as the compactor does; file 1 is what `left` makes of it.
fn move_away(medium: &Arc<Memory>, log: &Arc<Log>, left: impl FnOnce(&mut Option<Vec<u8>>)) {
    let from = log.extents_in(|file| file == 1);
    let mut index = crate::engine::index::Index::default();
    for base in 0..10 {
        index.push(medium.put(&key(1), 2, &batch(base, 100)));
    }
    assert!(log.moved(from.rewrites, index.extents().copied().collect(), |file| file == 1));
    left(&mut medium.files.lock().unwrap()[1]);
}

#[test]
fn a_read_goes_on_from_the_medium_into_memory() {
    let (medium, core, log) = ten(4);
    assert_eq!(read(&core, &log, 0, usize::MAX).unwrap(), (0..10).collect::<Vec<_>>());
    assert_eq!(read(&core, &log, 5, usize::MAX).unwrap(), [5, 6, 7, 8, 9]);
    let before = *medium.reads.lock().unwrap();
    assert_eq!(read(&core, &log, 6, usize::MAX).unwrap(), [6, 7, 8, 9]);
    assert_eq!(*medium.reads.lock().unwrap(), before, "what is in memory is not read");
}

#[test]
fn the_size_bounds_a_read_over_both_and_one_batch_is_read_whatever_it_is() {
    let (_, core, log) = ten(4);
    let size = batch(0, 100).size_in_bytes();
    assert_eq!(read(&core, &log, 4, 3 * size).unwrap(), [4, 5, 6]);
    assert_eq!(read(&core, &log, 5, 1).unwrap(), [5]);
    assert_eq!(read(&core, &log, 5, 2 * size - 1).unwrap(), [5]);
    assert_eq!(read(&core, &log, 9, 1).unwrap(), [9]);
}

#[test]
fn a_file_that_moved_under_a_reader_is_looked_for_anew() {
    for gone in [true, false] {
        let (medium, core, log) = ten(0);
        let (there, moving) = (Arc::clone(&medium), Arc::clone(&log));
        let act = move || {
            move_away(&there, &moving, |file| {
                if gone {
                    *file = None;
                } else if let Some(bytes) = file {
                    // Recycled: whole batches of another log lie there now.
                    let length = bytes.len();
                    bytes.fill(0x5A);
                    assert!(length > 0);
                }
            });
        };
        *medium.meanwhile.lock().unwrap() = Some(Meanwhile(Box::new(act)));
        assert_eq!(read(&core, &log, 3, usize::MAX).unwrap(), [3, 4, 5, 6, 7, 8, 9], "no damage is told");
    }
}

#[test]
fn what_is_damaged_where_the_index_has_it_is_told_after_a_second_look() {
    let (medium, core, log) = ten(0);
    medium.files.lock().unwrap()[1].as_mut().unwrap()[200] ^= 1;
    let error = read(&core, &log, 0, usize::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("file 1"), "{error}");
    assert_eq!(*medium.reads.lock().unwrap(), 2);
}

#[test]
fn a_batch_of_another_log_is_never_served() {
    let (medium, core, log) = ten(0);
    // Good bytes, of the same offsets and the same length, under the key of another.
    let mut files = medium.files.lock().unwrap();
    files[1] = None;
    drop(files);
    for base in 0..10 {
        medium.put(&key(2), 1, &batch(base, 100));
    }
    assert_eq!(read(&core, &log, 0, usize::MAX).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_time_is_found_on_the_medium_and_in_memory() {
    let (_, core, log) = ten(4);
    for base in 0..10 {
        let found = log.offset_for_timestamp(&core, 1_000 + base).now_or_never().unwrap().unwrap();
        assert_eq!(found, Some(Offset(base)));
    }
    assert_eq!(log.offset_for_timestamp(&core, 2_000).now_or_never().unwrap().unwrap(), None);
    let boundary = log.boundary(&core, Offset(3)).now_or_never().unwrap().unwrap();
    assert_eq!(boundary, Some(Offset(3)));
}
