//! What waits to be written may fail, and what moves may be rewritten meanwhile: the log is what was applied.

use ottla_broker_core::Offset;
use ottla_broker_core::log::{Bounds, Error, ErrorKind, TrimBase};

use crate::engine::testing::{EPOCH, batch, core, extent, log};
use crate::engine::{Applied, Core, Log};

/// Offsets 0 to 9, durable, each in a file of its own.
fn ten(core: &Core, log: &std::sync::Arc<Log>) {
    for base in 0..10 {
        let batch = batch(base, 100);
        drop(log.append(core, EPOCH, batch.clone()).unwrap());
        log.apply(core, [Applied::Batch(extent(&batch, base as u64, 0))]);
    }
    core.queue.drain();
}

fn everywhere(_: u64) -> bool {
    true
}

#[test]
fn what_a_truncation_cut_off_does_not_come_back_with_a_move() {
    for submitted_first in [false, true] {
        let core = core(1 << 20);
        let log = log(&core, 1);
        ten(&core, &log);
        let before = log.extents_in(everywhere);
        drop(log.truncate(&core, EPOCH, Offset(5)).unwrap().unwrap());
        // The compactor may look between the submission and the writing, too.
        let seen = if submitted_first { log.extents_in(everywhere) } else { before };
        log.apply(&core, [Applied::Truncate(Offset(5))]);
        let again = batch(5, 200);
        drop(log.append(&core, EPOCH, again.clone()).unwrap());
        log.apply(&core, [Applied::Batch(extent(&again, 20, 0))]);
        let extents: Vec<_> = seen.stretches.into_iter().flatten().collect();
        assert!(!log.moved(seen.rewrites, extents, |file| file < 10), "it is not the log of before");
        let bases: Vec<_> = log.extents().iter().map(|extent| extent.base.0).collect();
        assert_eq!(bases, [0, 1, 2, 3, 4, 5]);
        assert_eq!(log.extents()[5].file, 20);
    }
}

#[test]
fn a_reset_is_not_undone_by_a_move() {
    let core = core(1 << 20);
    let log = log(&core, 1);
    ten(&core, &log);
    drop(log.reset(&core, EPOCH, Offset(3), &TrimBase::default()).unwrap().unwrap());
    let seen = log.extents_in(everywhere);
    log.apply(&core, [Applied::Reset(Offset(3), TrimBase::default())]);
    let extents: Vec<_> = seen.stretches.into_iter().flatten().collect();
    assert!(!log.moved(seen.rewrites, extents, everywhere));
    assert!(log.extents().is_empty());
}

#[test]
fn a_truncation_or_reset_that_was_not_written_did_not_happen() {
    for reset in [false, true] {
        let core = core(1 << 20);
        let log = log(&core, 1);
        ten(&core, &log);
        if reset {
            drop(log.reset(&core, EPOCH, Offset(3), &TrimBase::default()).unwrap().unwrap());
        } else {
            drop(log.truncate(&core, EPOCH, Offset(3)).unwrap().unwrap());
        }
        // A checkpoint that is taken now has what is in the journal.
        let saved = log.saved();
        assert_eq!((saved.start, saved.end), (Offset(0), Offset(10)));
        assert_eq!(saved.extents.last().unwrap().next, saved.end);
        let full = Error::new(ErrorKind::Full, "the disk is full");
        for group in core.queue.drain() {
            core.fail(group, &full);
        }
        assert_eq!(log.bounds(), Bounds { start: Offset(0), durable_end: Offset(10), end: Offset(10) });
        assert_eq!(core.tail.used(), 0, "what is in memory would no longer reach the end");
        let found = log.find(Offset(0), Offset(10), usize::MAX).unwrap();
        let super::Found::There { extents, until } = found else { panic!("all of it is on the medium") };
        assert_eq!((extents.len(), until), (10, Offset(10)));
        assert_eq!(log.check_writer(EPOCH).unwrap_err().kind(), ErrorKind::Full, "and it is to be opened anew");
    }
}

#[test]
fn neighbours_move_together_and_others_apart() {
    let core = core(1 << 20);
    let log = log(&core, 1);
    ten(&core, &log);
    let found = log.extents_in(|file| file != 3 && file != 4 && file != 7);
    let stretches: Vec<Vec<i64>> =
        found.stretches.iter().map(|stretch| stretch.iter().map(|extent| extent.base.0).collect()).collect();
    assert_eq!(stretches, [vec![0, 1, 2], vec![5, 6], vec![8, 9]]);
}
