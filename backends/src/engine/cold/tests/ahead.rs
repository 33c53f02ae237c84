//! What is read ahead and shared: how often the medium is asked, and that nothing stale or damaged comes out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{Durability, Error, ErrorKind, TrimBase};
use ottla_broker_core::record::Batch;
use tokio::sync::oneshot;

use crate::engine::index::Index;
use crate::engine::testing::{COLD, EPOCH, Memory, batch, core_over, key, log};
use crate::engine::{Applied, ColdLimits, Core, Limits, Log, Medium, Piece, Stretch};

/// A log of so many batches in file 1, none in memory.
fn cold(medium: &Arc<Memory>, core: &Core, partition: i32, batches: i64) -> Arc<Log> {
    let log = log(core, partition);
    for base in 0..batches {
        let batch = batch(base, 100);
        drop(log.append(core, EPOCH, batch.clone()).unwrap());
        log.apply(core, [Applied::Batch(medium.put(&key(partition), 1, &batch))]);
    }
    core.tail.give_back(log.evict(Offset(batches)));
    // One extent for each batch: what is asked for is what is looked at.
    let mut extents = Vec::new();
    for extent in log.extents() {
        let each = extent.bytes / u32::try_from(extent.next.0 - extent.base.0).unwrap();
        for base in extent.base.0..extent.next.0 {
            let position = extent.position + u64::from(each) * u64::try_from(base - extent.base.0).unwrap();
            let (base, next) = (Offset(base), Offset(base + 1));
            extents.push(crate::engine::Extent { base, next, position, bytes: each, ..extent });
        }
    }
    assert!(log.moved(log.extents_in(|_| false).rewrites, extents, |_| true));
    log
}

fn size() -> usize {
    batch(0, 100).size_in_bytes()
}

fn reads(medium: &Memory) -> usize {
    *medium.reads.lock().unwrap()
}

fn read(core: &Core, log: &Log, from: i64, batches: usize) -> Result<Vec<Batch>, Error> {
    let until = log.bounds().end;
    log.read(core, Offset(from), until, batches * size()).now_or_never().expect("this medium never waits")
}

fn offsets(batches: &[Batch]) -> Vec<i64> {
    batches.iter().map(|batch| batch.base_offset().0).collect()
}

/// Reads on from `from` to the end; what came.
fn read_on(core: &Core, log: &Log, mut from: i64) -> Vec<i64> {
    let mut all = Vec::new();
    while from < log.bounds().end.0 {
        let batches = read(core, log, from, 2).unwrap();
        all.extend(offsets(&batches));
        from = batches.last().unwrap().next_offset().0;
    }
    all
}

fn setup(batches: i64) -> (Arc<Memory>, Core, Arc<Log>) {
    let medium: Arc<Memory> = Arc::default();
    let core = core_over(&medium, 1 << 20);
    let log = cold(&medium, &core, 1, batches);
    (medium, core, log)
}

#[test]
fn a_reader_that_goes_on_finds_the_next_pieces_read() {
    let (medium, core, log) = setup(100);
    assert_eq!(offsets(&read(&core, &log, 0, 2).unwrap()), [0, 1]);
    assert_eq!(reads(&medium), 1, "of a first read nothing is known: it may be the only one");
    assert_eq!(offsets(&read(&core, &log, 2, 2).unwrap()), [2, 3]);
    let ahead = reads(&medium);
    assert!(ahead > 3, "{ahead}");
    assert_eq!(offsets(&read(&core, &log, 4, 2).unwrap()), [4, 5]);
    assert_eq!(reads(&medium), ahead, "it is here, and enough is ahead");
    assert_eq!(read_on(&core, &log, 6), (6..100).collect::<Vec<_>>());
    // Five batches make a piece.
    let all = reads(&medium);
    assert!(all <= 24, "each piece is read once, and in pieces: {all}");
    assert!(core.cold.bytes() <= COLD.budget);
}

#[test]
fn what_is_ahead_does_not_grow_with_the_way() {
    let (medium, core, log) = setup(600);
    let mut from = 0;
    while from < 600 {
        // Three extents are looked at, and the third does not fit.
        let batches = log.read(&core, Offset(from), Offset(600), 2 * size() + 50).now_or_never().unwrap().unwrap();
        from = batches.last().unwrap().next_offset().0;
        assert!(core.cold.bytes() <= COLD.kept + COLD.ahead + 4 * COLD.piece, "{}", core.cold.bytes());
    }
    let all = reads(&medium);
    assert!(all <= 124, "{all}");
}

#[test]
fn who_jumps_about_is_not_read_ahead_of() {
    let (medium, core, log) = setup(100);
    for (times, from) in [90, 10, 50, 30, 70].into_iter().enumerate() {
        assert_eq!(offsets(&read(&core, &log, from, 2).unwrap()), [from, from + 1]);
        assert_eq!(reads(&medium), times + 1);
    }
}

#[test]
fn ten_readers_of_the_same_cost_one() {
    let (medium, core, log) = setup(100);
    let mut places = [0; 10];
    while places[0] < 100 {
        for place in &mut places {
            let batches = read(&core, &log, *place, 2).unwrap();
            assert_eq!(offsets(&batches), [*place, *place + 1]);
            *place += 2;
        }
    }
    let all = reads(&medium);
    assert!(all <= 26, "{all} reads for ten readers of twenty pieces");
}

/// Readers of one log, so many batches behind each other, take turns until all are at the end.
fn read_in_a_row(core: &Core, log: &Log, readers: i64, apart: i64) {
    let end = log.bounds().end.0;
    let mut places = vec![0; readers as usize];
    let mut rounds = 0;
    while places.iter().any(|place| *place < end) {
        for (place, readers) in places.iter_mut().zip(0..) {
            // They set out together, and each waits so much longer than the one before for others to go ahead.
            if *place < end && (*place < 4 || rounds * 2 >= readers * apart) {
                assert_eq!(offsets(&read(core, log, *place, 2).unwrap()), [*place, *place + 1]);
                *place += 2;
                assert!(core.cold.bytes() <= COLD.budget);
            }
        }
        rounds += 1;
    }
}

#[test]
fn who_comes_behind_finds_what_was_read_before_and_ahead() {
    for (readers, apart) in [(2, 40), (10, 4), (4, 12)] {
        let (alone, core, log) = setup(200);
        read_in_a_row(&core, &log, 1, 0);
        let one = reads(&alone);
        let (medium, core, log) = setup(200);
        read_in_a_row(&core, &log, readers, apart);
        let all = reads(&medium);
        assert!(all <= one + one / 10 + 1, "{all} reads for {readers} readers {apart} apart, {one} for one");
    }
}

#[test]
fn who_gave_up_on_the_way_keeps_nothing_for_ever() {
    let (_, core, log) = setup(400);
    assert_eq!(offsets(&read(&core, &log, 0, 2).unwrap()), [0, 1]);
    assert_eq!(offsets(&read(&core, &log, 2, 2).unwrap()), [2, 3]);
    // Another passes it, and reads on for long.
    assert_eq!(read_on(&core, &log, 0), (0..400).collect::<Vec<_>>());
    for _ in 0..2 {
        assert_eq!(read_on(&core, &log, 200), (200..400).collect::<Vec<_>>());
    }
    assert!(core.cold.bytes() <= COLD.kept + COLD.ahead + 4 * COLD.piece, "{}", core.cold.bytes());
}

#[test]
fn the_budget_holds_however_many_read() {
    let medium: Arc<Memory> = Arc::default();
    let core = core_over(&medium, 1 << 20);
    let logs: Vec<_> = (0..40).map(|partition| cold(&medium, &core, partition, 30)).collect();
    // Looking for times leaves pieces that somebody may come to.
    let mut most = 0;
    for base in 0..30 {
        for log in &logs {
            let found = log.offset_for_timestamp(&core, 1000 + base).now_or_never().unwrap().unwrap();
            assert_eq!(found, Some(Offset(base)));
            most = most.max(core.cold.bytes());
        }
    }
    assert!(most > COLD.budget / 2, "{most}");
    assert!(most <= COLD.budget, "{most}");
    // And reading them leaves few that were read.
    for log in &logs {
        assert_eq!(read_on(&core, log, 0), (0..30).collect::<Vec<_>>());
        assert!(core.cold.bytes() <= COLD.budget);
    }
    core.cold.clear();
    assert_eq!(core.cold.bytes(), 0);
}

#[test]
fn what_was_read_ahead_and_cut_off_does_not_come_out() {
    let (_, core, log) = setup(60);
    for from in [0, 2, 4] {
        read(&core, &log, from, 2).unwrap();
    }
    // Everything up to 20 or so is here by now.
    let ticket = log.truncate(&core, EPOCH, Offset(9)).unwrap().unwrap();
    log.apply(&core, [Applied::Truncate(Offset(9))]);
    drop(ticket);
    assert_eq!(read_on(&core, &log, 6), [6, 7, 8]);
    let start = log.trim(&core, EPOCH, Offset(7), TrimBase::default()).unwrap().unwrap();
    log.apply(&core, [Applied::Trim(Offset(7), TrimBase::default())]);
    drop(start);
    assert_eq!(read(&core, &log, 6, 2).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(read_on(&core, &log, 7), [7, 8]);
}

#[test]
fn new_batches_at_offsets_that_were_read_ahead_are_served() {
    for reset in [false, true] {
        let (medium, core, log) = setup(60);
        for from in [0, 2, 4] {
            read(&core, &log, from, 2).unwrap();
        }
        let at = if reset { 0 } else { 6 };
        if reset {
            drop(log.reset(&core, EPOCH, Offset(0), &TrimBase::default()).unwrap().unwrap());
            log.apply(&core, [Applied::Reset(Offset(0), TrimBase::default())]);
        } else {
            drop(log.truncate(&core, EPOCH, Offset(6)).unwrap().unwrap());
            log.apply(&core, [Applied::Truncate(Offset(6))]);
        }
        let new: Vec<_> = (at..40).map(|base| batch(base, 77)).collect();
        for batch in &new {
            drop(log.append(&core, EPOCH, batch.clone()).unwrap());
            log.apply(&core, [Applied::Batch(medium.put(&key(1), 2, batch))]);
        }
        core.tail.give_back(log.evict(Offset(40)));
        for (from, expected) in (at..).zip(new) {
            assert_eq!(read(&core, &log, from, 1).unwrap(), [expected], "reset: {reset}");
        }
    }
}

#[test]
fn what_was_cut_off_in_the_middle_of_an_extent_does_not_hide_what_came_after() {
    let medium: Arc<Memory> = Arc::default();
    let core = core_over(&medium, 1 << 20);
    let log = log(&core, 1);
    let put = |file, batch: &Batch| {
        drop(log.append(&core, EPOCH, batch.clone()).unwrap());
        log.apply(&core, [Applied::Batch(medium.put(&key(1), file, batch))]);
        core.tail.give_back(log.evict(batch.next_offset()));
    };
    let old: Vec<_> = (0..10).map(|base| batch(base, 100)).collect();
    old.iter().for_each(|batch| put(1, batch));
    assert_eq!(log.extents().len(), 1);
    assert_eq!(read(&core, &log, 0, 10).unwrap(), old);
    drop(log.truncate(&core, EPOCH, Offset(6)).unwrap().unwrap());
    log.apply(&core, [Applied::Truncate(Offset(6))]);
    let new: Vec<_> = (6..10).map(|base| batch(base, 77)).collect();
    new.iter().for_each(|batch| put(2, batch));
    let expected: Vec<_> = old.into_iter().take(6).chain(new).collect();
    let mut all = Vec::new();
    while all.len() < 10 {
        all.extend(read(&core, &log, all.len() as i64, 10).unwrap());
    }
    assert_eq!(all, expected);
}

#[test]
fn a_removed_log_serves_nothing_that_was_read_ahead() {
    let (_, core, log) = setup(60);
    for from in [0, 2, 4] {
        read(&core, &log, from, 2).unwrap();
    }
    drop(log.remove(&core).unwrap().unwrap());
    assert_eq!(read(&core, &log, 6, 2).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn what_moved_after_it_was_read_ahead_is_read_where_it_is_now() {
    let (medium, core, log) = setup(60);
    for from in [0, 2, 4] {
        read(&core, &log, from, 2).unwrap();
    }
    let from = log.extents_in(|file| file == 1);
    let mut index = Index::default();
    for base in 0..60 {
        index.push(medium.put(&key(1), 2, &batch(base, 100)));
    }
    assert!(log.moved(from.rewrites, index.extents().copied().collect(), |file| file == 1));
    medium.files.lock().unwrap()[1] = None;
    assert_eq!(read_on(&core, &log, 6), (6..60).collect::<Vec<_>>());
}

#[test]
fn a_flip_in_what_is_read_ahead_is_told_when_its_turn_comes_and_read_anew_then() {
    let (medium, core, log) = setup(60);
    let at = log.extents()[12].position as usize + 100;
    medium.files.lock().unwrap()[1].as_mut().unwrap()[at] ^= 4;
    let mut from = 0;
    while from < 12 {
        let batches = read(&core, &log, from, 2).unwrap();
        assert_eq!(offsets(&batches), [from, from + 1]);
        from += 2;
    }
    for _ in 0..3 {
        let error = read(&core, &log, 12, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("between offset 12 and 13, in file 1"), "{error}");
    }
    assert_eq!(offsets(&read(&core, &log, 13, 2).unwrap()), [13, 14], "what lies behind is good");
    // Somebody puts it right: what was found bad is not remembered.
    medium.files.lock().unwrap()[1].as_mut().unwrap()[at] ^= 4;
    assert_eq!(read_on(&core, &log, 12), (12..60).collect::<Vec<_>>());
}

#[test]
fn extents_that_lie_close_together_are_one_read() {
    let medium: Arc<Memory> = Arc::default();
    let cold = ColdLimits { piece: 4000, gap: 400, ..COLD };
    let limits = Limits { group_bytes: 4 << 20, pending_bytes: 32 << 20, tail_bytes: 0, cold };
    let core = Core::new(Durability::Fsync, limits, Arc::clone(&medium) as _);
    let logs = [log(&core, 1), log(&core, 2), log(&core, 3)];
    for base in 0..9 {
        for (log, partition) in logs.iter().zip(1..) {
            let batch = batch(base, 100 + partition as usize);
            drop(log.append(&core, EPOCH, batch.clone()).unwrap());
            log.apply(&core, [Applied::Batch(medium.put(&key(partition), 1, &batch))]);
        }
    }
    for (log, partition) in logs.iter().zip(1..) {
        core.tail.give_back(log.evict(Offset(9)));
        let before = reads(&medium);
        let expected: Vec<_> = (0..9).map(|base| batch(base, 100 + partition as usize)).collect();
        assert_eq!(read(&core, log, 0, 20).unwrap(), expected);
        assert!(reads(&medium) - before <= 2, "{} reads of nine extents", reads(&medium) - before);
    }
}

/// A medium whose reads come when the test says so.
#[derive(Debug, Default)]
struct Slow {
    memory: Arc<Memory>,
    waiting: Mutex<BTreeMap<u64, Vec<oneshot::Sender<()>>>>,
}

#[async_trait]
impl Medium for Slow {
    async fn read(&self, stretch: Stretch) -> Result<Option<Piece>, Error> {
        let (go, wait) = oneshot::channel();
        self.waiting.lock().unwrap().entry(stretch.position()).or_default().push(go);
        wait.await.map_err(|_| Error::new(ErrorKind::Unavailable, "the medium is gone"))?;
        self.memory.read(stretch).await
    }
}

impl Slow {
    fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().values().map(Vec::len).sum()
    }

    fn let_all_go(&self) {
        for go in std::mem::take(&mut *self.waiting.lock().unwrap()).into_values().flatten() {
            let _ = go.send(());
        }
    }
}

#[tokio::test]
async fn readers_of_one_piece_wait_for_one_read_and_a_failure_is_for_them_alone() {
    let slow: Arc<Slow> = Arc::default();
    let limits = Limits { group_bytes: 4 << 20, pending_bytes: 32 << 20, tail_bytes: 1 << 20, cold: COLD };
    let core = Arc::new(Core::new(Durability::Fsync, limits, Arc::clone(&slow) as _));
    let log = cold(&slow.memory, &core, 1, 20);
    let begin = || {
        let (core, log) = (Arc::clone(&core), Arc::clone(&log));
        async move { log.read(&core, Offset(0), Offset(20), 3 * size()).await }.boxed()
    };
    let mut readers: Vec<_> = (0..10).map(|_| begin()).collect();
    for reader in &mut readers {
        assert!(reader.now_or_never().is_none());
    }
    assert_eq!(slow.waiting(), 1);
    // Who began it gives up: the others get it all the same.
    drop(readers.swap_remove(0));
    slow.let_all_go();
    for reader in readers {
        assert_eq!(offsets(&reader.await.unwrap()), [0, 1, 2]);
    }
    core.cold.clear();
    let mut readers: Vec<_> = (0..2).map(|_| begin()).collect();
    for reader in &mut readers {
        assert!(reader.now_or_never().is_none());
    }
    slow.waiting.lock().unwrap().clear();
    for reader in readers {
        assert_eq!(reader.await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let mut reader = begin();
    assert!((&mut reader).now_or_never().is_none());
    slow.let_all_go();
    assert_eq!(offsets(&reader.await.unwrap()), [0, 1, 2], "the next one asks anew");
}

#[test]
fn what_came_out_was_checked_and_need_not_be_again() {
    let (_, core, log) = setup(10);
    let read = read(&core, &log, 0, 10).unwrap();
    assert!(read.iter().all(|batch| batch.is_checked()));
    let foreign = Batch::parse(Bytes::copy_from_slice(&read[0].to_bytes())).unwrap();
    assert!(!foreign.is_checked(), "other bytes are another matter");
}
