//! Calls that fail: nothing that was acknowledged is lost, nothing more is acknowledged than was written, and what can go
//! on goes on.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::noop_waker_ref;
use ottla_broker_core::log::{ErrorKind, LogStorage, PartitionLog, TrimBase};
use ottla_broker_core::{LeaderEpoch, Offset};

use super::crash::check::observe;
use super::crash::model::Model;
use super::crash::workload::{batch, keys, open, open_log, run};
use crate::disk::Level;
use crate::disk::files::Files;
use crate::disk::files::crash::{Call, Choice, CrashFiles, Failure, Fault};
use crate::disk::storage::DiskStorage;
use crate::engine::Key;

struct Bench {
    files: CrashFiles,
    storage: Arc<DiskStorage>,
    log: Arc<dyn PartitionLog>,
    key: Key,
    next: Offset,
}

impl Bench {
    fn new(level: Level) -> Self {
        let files = CrashFiles::new();
        let storage = open(&files, level).unwrap();
        let key = keys()[0];
        let log = run(&storage, open_log(&storage, key, LeaderEpoch(1))).unwrap();
        storage.tend_now();
        Self { files, storage, log, key, next: Offset::ZERO }
    }

    /// Appends one record of so many bytes, and writes it.
    fn append(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        let batch = batch(self.next, 1, bytes, self.log.epoch(), 1);
        let ticket = self.log.append(batch).map_err(|error| error.kind())?;
        run(&self.storage, ticket).map_err(|error| error.kind())?;
        self.next = Offset(self.next.0 + 1);
        Ok(())
    }

    fn reopen_log(&mut self) {
        let epoch = LeaderEpoch(self.log.epoch().0 + 1);
        self.log = run(&self.storage, open_log(&self.storage, self.key, epoch)).unwrap();
    }

    /// What is there after a crash that leaves this.
    fn after(&self, choice: Choice) -> Model {
        let storage = open(&self.files.crash(choice), Level::Fsync).unwrap();
        observe(&storage).remove(0).1
    }

    fn offsets(model: &Model) -> Vec<i64> {
        model.batches.iter().map(|batch| batch.base_offset().0).collect()
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_it_is_opened_anew() {
    let mut bench = Bench::new(Level::Fsync);
    bench.append(100).unwrap();
    bench.files.fail(Fault::next(Call::Sync, Failure::Io));
    assert!(bench.storage.poisoned().is_none());
    assert_eq!(bench.append(100), Err(ErrorKind::Poisoned));
    assert_eq!(bench.storage.poisoned().unwrap().kind(), ErrorKind::Poisoned);
    // The next sync would succeed, and say nothing of what the first one lost.
    assert_eq!(bench.append(100), Err(ErrorKind::Poisoned));
    assert_eq!(run(&bench.storage, bench.storage.close()).unwrap_err().kind(), ErrorKind::Poisoned);
    for choice in [Choice::NOTHING, Choice::random(3)] {
        assert_eq!(Bench::offsets(&bench.after(choice))[..1], [0]);
    }
    bench.storage = open(&bench.files, Level::Fsync).unwrap();
    let found = observe(&bench.storage).remove(0).1;
    bench.next = found.end;
    bench.reopen_log();
    bench.append(100).unwrap();
    let after = bench.after(Choice::NOTHING);
    assert_eq!(Bench::offsets(&after), (0..bench.next.0).collect::<Vec<_>>(), "what was served stays");
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_until_it_is_opened_anew() {
    let mut bench = Bench::new(Level::Fsync);
    bench.append(100).unwrap();
    bench.files.fail(Fault::next(Call::Write, Failure::Io));
    assert_eq!(bench.append(2_000), Err(ErrorKind::Poisoned));
    assert_eq!(bench.append(100), Err(ErrorKind::Poisoned));
    for choice in [Choice::NOTHING, Choice::ALL, Choice::random(3)] {
        assert_eq!(Bench::offsets(&bench.after(choice)), [0]);
    }
}

#[test]
fn a_checkpoint_refers_to_nothing_whose_sync_failed() {
    // Without a sync for each group, it is the checkpoint that makes the journal durable.
    let mut bench = Bench::new(Level::Os);
    bench.append(100).unwrap();
    bench.files.fail(Fault::next(Call::Sync, Failure::Io));
    assert!(bench.storage.checkpoint_now().is_err());
    assert_eq!(bench.append(100), Err(ErrorKind::Poisoned));
    // The sync would succeed now, and the checkpoint would refer to what is lost.
    let _ = bench.storage.checkpoint_now();
    let after = open(&bench.files.crash(Choice::NOTHING), Level::Os).unwrap();
    observe(&after); // every batch below the end is there
}

#[test]
fn a_full_disk_refuses_records_and_goes_on_when_there_is_room() {
    let mut bench = Bench::new(Level::Fsync);
    bench.files.set_capacity(Some(200 << 10));
    let refused = loop {
        if let Err(refused) = bench.append(3_000) {
            break refused;
        }
        let _ = bench.storage.tend();
    };
    assert_eq!(refused, ErrorKind::Full);
    let acknowledged = bench.next;
    assert!(acknowledged > Offset(20), "{acknowledged}");
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), (0..acknowledged.0).collect::<Vec<_>>());
    // It can be opened anew, but takes no records.
    bench.reopen_log();
    let batch = batch(bench.next, 1, 10, bench.log.epoch(), 1);
    assert_eq!(bench.log.append(batch).unwrap_err().kind(), ErrorKind::Full);
    // What gives room back is taken.
    let half = Offset(acknowledged.0 / 2);
    run(&bench.storage, bench.log.trim_prefix(half, TrimBase { start: half, state: Bytes::new() })).unwrap();
    for _ in 0..3 {
        let _ = bench.storage.tend();
    }
    bench.append(3_000).unwrap();
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), (half.0..bench.next.0).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_can_be_opened_anew_and_emptied() {
    let mut bench = Bench::new(Level::Fsync);
    bench.files.set_capacity(Some(200 << 10));
    while bench.append(3_000).is_ok() {
        let _ = bench.storage.tend();
    }
    let expected: Vec<_> = (0..bench.next.0).collect();
    // Closed in order: nothing is kept to be used again.
    bench.files.set_capacity(None);
    run(&bench.storage, bench.storage.close()).unwrap();
    let left = bench.files.crash(Choice::NOTHING);
    let used = |files: &CrashFiles| -> u64 {
        let names = files.list().unwrap();
        names.iter().map(|name| files.open(name, false).unwrap().size().unwrap()).sum()
    };
    let checkpoint_and_least_file = 14 << 10;
    left.set_capacity(Some(used(&left) + checkpoint_and_least_file));
    bench.files = left;
    bench.storage = open(&bench.files, Level::Fsync).unwrap();
    assert_eq!(Bench::offsets(&observe(&bench.storage)[0].1), expected);
    bench.reopen_log();
    // The least file is a few pages.
    let refused = (0..4).find_map(|_| bench.append(3_000).err());
    assert_eq!(refused, Some(ErrorKind::Full));
    bench.reopen_log();
    let half = Offset(bench.next.0 / 2);
    run(&bench.storage, bench.log.trim_prefix(half, TrimBase { start: half, state: Bytes::new() })).unwrap();
    for _ in 0..3 {
        let _ = bench.storage.tend();
    }
    bench.append(3_000).unwrap();
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), (half.0..bench.next.0).collect::<Vec<_>>());
}

#[test]
fn a_removal_that_a_full_disk_refused_can_be_tried_again() {
    let mut bench = Bench::new(Level::Fsync);
    bench.append(100).unwrap();
    bench.files.set_capacity(Some(0));
    // A batch for which there is no room, and what is submitted behind it.
    let large = batch(bench.next, 1, 60_000, bench.log.epoch(), 1);
    let large = bench.log.append(large).unwrap();
    let mut removal = Box::pin(bench.storage.remove(std::slice::from_ref(&bench.key.id)));
    assert!(removal.as_mut().poll(&mut Context::from_waker(noop_waker_ref())).is_pending());
    assert_eq!(run(&bench.storage, large).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(run(&bench.storage, removal).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), [0], "it is still there");
    run(&bench.storage, bench.storage.remove(std::slice::from_ref(&bench.key.id))).unwrap();
    assert_eq!(bench.after(Choice::NOTHING), Model::default());
}

#[test]
fn a_truncation_that_a_full_disk_refused_did_not_happen() {
    let mut bench = Bench::new(Level::Fsync);
    for _ in 0..4 {
        bench.append(100).unwrap();
    }
    let other = run(&bench.storage, open_log(&bench.storage, keys()[1], LeaderEpoch(1))).unwrap();
    bench.files.set_capacity(Some(0));
    let large = other.append(batch(Offset::ZERO, 1, 60_000, other.epoch(), 1)).unwrap();
    let log = Arc::clone(&bench.log);
    let mut cut = Box::pin(log.truncate_suffix().unwrap().truncate_to(Offset(1)));
    assert!(cut.as_mut().poll(&mut Context::from_waker(noop_waker_ref())).is_pending());
    assert_eq!(run(&bench.storage, large).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(run(&bench.storage, cut).unwrap_err().kind(), ErrorKind::Full);
    bench.files.set_capacity(None);
    let _ = bench.storage.tend();
    bench.reopen_log();
    assert_eq!(bench.log.bounds_cell().get().end, Offset(4));
    bench.append(100).unwrap();
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), [0, 1, 2, 3, 4]);
}

#[test]
fn background_work_that_failed_is_done_later_and_loses_nothing() {
    for call in [Call::Create, Call::Write, Call::Sync, Call::SyncNames, Call::Rename, Call::Remove, Call::List] {
        for skip in 0..12 {
            let mut bench = Bench::new(Level::Fsync);
            // Only one call fails, and none of the journal's own, which would poison.
            for round in 0..60 {
                bench.append(1_500).unwrap();
                if round == 20 {
                    bench.files.fail(Fault::next(call, Failure::NoSpace).after(skip));
                }
                let _ = bench.storage.tend();
                if round == 20 {
                    bench.files.heal();
                }
            }
            let expected: Vec<_> = (0..bench.next.0).collect();
            assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), expected, "{call:?} {skip}");
            assert_eq!(Bench::offsets(&bench.after(Choice::ALL)), expected, "{call:?} {skip}");
            run(&bench.storage, bench.storage.close()).unwrap();
            let files = bench.files.crash(Choice::NOTHING);
            let storage = open(&files, Level::Fsync).unwrap();
            assert_eq!(Bench::offsets(&observe(&storage)[0].1), expected, "{call:?} {skip}");
        }
    }
}

#[test]
fn a_checkpoint_that_failed_is_tried_again() {
    let mut bench = Bench::new(Level::Fsync);
    while bench.storage.checkpoints_due() == 0 {
        bench.append(2_000).unwrap();
    }
    bench.files.fail(Fault::next(Call::Create, Failure::NoSpace).on("").times(u64::MAX));
    assert!(bench.storage.tend().is_err());
    bench.files.heal();
    assert!(bench.storage.checkpoints_due() > 0, "it is still due");
    bench.storage.tend_now();
    assert_eq!(bench.storage.checkpoints_due(), 0);
}

#[test]
fn a_batch_larger_than_a_file_is_found_after_a_crash() {
    // The next file is ready when it comes, and too small.
    let mut bench = Bench::new(Level::Fsync);
    bench.append(100).unwrap();
    bench.storage.tend_now();
    bench.append(50_000).unwrap();
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), [0, 1]);
    bench.append(100).unwrap();
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), [0, 1, 2]);
}

#[test]
fn a_log_whose_removal_is_not_written_yet_is_in_the_checkpoint() {
    let mut bench = Bench::new(Level::Fsync);
    bench.append(100).unwrap();
    let mut removal = Box::pin(bench.storage.remove(std::slice::from_ref(&bench.key.id)));
    assert!(removal.as_mut().poll(&mut Context::from_waker(noop_waker_ref())).is_pending());
    bench.storage.checkpoint_now().unwrap();
    assert_eq!(Bench::offsets(&bench.after(Choice::NOTHING)), [0]);
    run(&bench.storage, removal).unwrap();
    assert_eq!(bench.after(Choice::NOTHING), Model::default());
}

#[test]
fn a_truncation_that_is_not_written_yet_is_not_in_the_checkpoint() {
    let mut bench = Bench::new(Level::Fsync);
    for _ in 0..4 {
        bench.append(100).unwrap();
    }
    let log = Arc::clone(&bench.log);
    let mut cut = Box::pin(log.truncate_suffix().unwrap().truncate_to(Offset(1)));
    assert!(matches!(cut.as_mut().poll(&mut Context::from_waker(noop_waker_ref())), Poll::Pending));
    bench.storage.checkpoint_now().unwrap();
    let before = bench.after(Choice::NOTHING);
    assert_eq!((before.end, Bench::offsets(&before)), (Offset(4), vec![0, 1, 2, 3]));
    run(&bench.storage, cut).unwrap();
    assert_eq!(bench.after(Choice::NOTHING).end, Offset(1));
}

#[test]
fn what_a_recovery_cut_off_does_not_come_back() {
    let files = CrashFiles::new();
    let key = keys()[4]; // one without epochs: its first append is the first chunk
    let write = |files: &CrashFiles, base: i64| {
        let storage = open(files, Level::Os).unwrap();
        let log = run(&storage, open_log(&storage, key, LeaderEpoch::NONE)).unwrap();
        for base in base..2 {
            run(&storage, log.append(batch(Offset(base), 1, 100, log.epoch(), 1)).unwrap()).unwrap();
        }
    };
    write(&files, 0);
    // The beginning of the file is lost, the second chunk is not: both are cut off, and the file is written again.
    let files = files.crash(Choice::ALL);
    files.flip_bit("00000000000000000001.journal", 10, 0).unwrap();
    let storage = open(&files, Level::Os).unwrap();
    assert_eq!(observe(&storage)[4].1, Model::default());
    let log = run(&storage, open_log(&storage, key, LeaderEpoch::NONE)).unwrap();
    run(&storage, log.append(batch(Offset(0), 1, 100, log.epoch(), 2)).unwrap()).unwrap();
    let after = open(&files.crash(Choice::ALL), Level::Os).unwrap();
    assert_eq!(Bench::offsets(&observe(&after)[4].1), [0]);
}
