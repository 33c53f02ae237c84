//! Sorting: what is moved is what was there, in its order, and what is damaged stays and is told.

use futures::FutureExt;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{ErrorKind, LogStorage};
use proptest::prelude::*;

use super::driven::{Driven, EPOCH, SMALL, key};
use crate::disk::DiskOptions;
use crate::disk::format::{FileKind, journal_name};

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("reads run on the calling thread")
}

fn offsets(driven: &Driven, partition: i32, from: i64) -> Vec<i64> {
    now(driven.offsets(partition, from)).unwrap()
}

#[test]
fn what_was_interleaved_is_sorted_by_log() {
    let driven = Driven::new(SMALL);
    for offset in 0..40 {
        for partition in [3, 1, 2] {
            driven.append(partition, offset, 400);
        }
        driven.write();
    }
    driven.fill(9);
    let (core, engine) = driven.storage.parts();
    engine.compact().unwrap();
    let mut ends = Vec::new();
    for partition in 1..=3 {
        let extents = core.get(key(partition)).unwrap().extents();
        assert_eq!(extents.len(), 1, "one piece: {extents:?}");
        ends.push((extents[0].position, extents[0].position + u64::from(extents[0].bytes)));
        assert_eq!(offsets(&driven, partition, 0), (0..40).collect::<Vec<_>>());
    }
    assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0), "in the order of the logs: {ends:?}");
    assert!(engine.shelf.all().iter().any(|(_, about)| about.kind == FileKind::Segment), "a segment holds them");
}

#[test]
fn what_stays_between_two_pieces_that_move_stays_between_them() {
    let driven = Driven::new(SMALL);
    // Offset 0 in a file that moves, 1 in a large one that is adopted, 2 in one that moves.
    driven.append(1, 0, 100);
    driven.write();
    driven.append(1, 1, 100);
    driven.append(2, 0, 300 << 10);
    driven.write();
    driven.fill(9);
    driven.append(1, 2, 100);
    driven.write();
    driven.fill(9);
    let (core, engine) = driven.storage.parts();
    engine.compact().unwrap();
    let extents = core.get(key(1)).unwrap().extents();
    let ordered = extents.windows(2).all(|pair| pair[0].next <= pair[1].base);
    assert!(ordered, "extents never overlap: {extents:?}");
    assert_eq!(offsets(&driven, 1, 0), [0, 1, 2]);
    assert_eq!(offsets(&driven, 1, 1), [1, 2]);
    // And what the checkpoint has of it can be read again.
    now(driven.storage.close()).unwrap();
    let again = Driven::over(driven.files.clone(), SMALL);
    let end = again.storage.parts().0.get(key(1)).unwrap().bounds().end;
    assert_eq!(end.0, 3);
}

#[test]
fn a_file_that_is_one_logs_is_adopted_as_it_is() {
    let driven = Driven::new(SMALL);
    for offset in 0..3 {
        driven.append(1, offset, 300 << 10);
        driven.write();
    }
    driven.fill(9);
    let (core, engine) = driven.storage.parts();
    let before = core.get(key(1)).unwrap().extents();
    engine.compact().unwrap();
    assert_eq!(core.get(key(1)).unwrap().extents(), before, "nothing of it was written a second time");
    let adopted = engine.shelf.all().into_iter().filter(|(_, about)| about.adopted).count();
    assert_eq!(adopted, 3);
}

#[test]
fn a_segment_that_is_mostly_dead_is_sorted_anew() {
    let driven = Driven::new(SMALL);
    for offset in 0..50 {
        driven.append(1, offset, 1_000);
        driven.append(2, offset, 1_000);
        driven.write();
    }
    driven.fill(9);
    let (core, engine) = driven.storage.parts();
    engine.compact().unwrap();
    let first = core.get(key(2)).unwrap().extents()[0].file;
    let log = driven.log(1);
    log.trim(core, EPOCH, ottla_broker_core::Offset(50), ottla_broker_core::log::TrimBase::default()).unwrap();
    core.get(key(9)).unwrap().remove(core).unwrap();
    driven.write();
    // Of half of it nothing is left; a trim in the middle of an extent keeps all of that, so half of the other goes, too.
    let log = driven.log(2);
    log.trim(core, EPOCH, ottla_broker_core::Offset(49), ottla_broker_core::log::TrimBase::default()).unwrap();
    driven.write();
    engine.compact().unwrap();
    let extents = core.get(key(2)).unwrap().extents();
    assert!(extents.iter().all(|extent| extent.file != first), "it moved on: {extents:?}");
    assert_eq!(offsets(&driven, 2, 49), [49]);
    assert!(engine.shelf.all().iter().all(|(number, _)| *number != first), "the file is gone");
}

#[test]
fn a_damaged_run_stays_where_it_is_and_is_told_to_its_readers_only() {
    let driven = Driven::new(SMALL);
    for offset in 0..10 {
        driven.append(1, offset, 500);
        driven.append(2, offset, 500);
        driven.write();
    }
    driven.fill(9);
    let (core, engine) = driven.storage.parts();
    let extent = core.get(key(1)).unwrap().extents()[4];
    driven.files.flip_bit(&journal_name(extent.file), extent.position + 90, 3).unwrap();
    for _ in 0..3 {
        engine.compact().unwrap();
    }
    let stays = core.get(key(1)).unwrap().extents();
    assert!(stays.iter().all(|extent| {
        engine.shelf.all().iter().any(|(number, about)| *number == extent.file && about.kind == FileKind::Journal)
    }));
    let error = now(driven.offsets(1, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(offsets(&driven, 1, 5), [5, 6, 7, 8, 9], "what is not damaged can be read");
    assert_eq!(offsets(&driven, 2, 0), (0..10).collect::<Vec<_>>(), "nor are others hit");
    let waits: Vec<_> = engine
        .shelf
        .all()
        .into_iter()
        .filter(|(_, about)| about.kind == FileKind::Journal && about.closed && !about.adopted)
        .collect();
    assert!(waits.is_empty(), "a file that cannot be sorted does not count as journal for ever: {waits:?}");
}

#[test]
fn what_is_opened_and_closed_often_does_not_fill_the_disk_with_files_of_little() {
    let options = DiskOptions { journal_bytes: 1 << 20, ..SMALL };
    let mut driven = Driven::new(options);
    for offset in 0..20 {
        driven.append(1, offset, 9_000);
        driven.storage.drive();
        now(driven.storage.close()).unwrap();
        driven = Driven::over(driven.files.clone(), options);
        reopen(&driven);
        driven.storage.drive();
        let names = crate::disk::files::Files::list(&driven.files).unwrap();
        let journals = names.iter().filter(|name| name.ends_with(".journal")).count() as u64;
        // One is written, one is ready, and four are kept to be used again.
        let budget = options.journal_bytes / options.file_bytes + 6;
        assert!(journals <= budget, "{journals} files, {names:?}");
    }
    assert_eq!(offsets(&driven, 1, 0), (0..20).collect::<Vec<_>>());
}

#[derive(Clone, Debug)]
enum Step {
    Append { partition: i32, bytes: usize },
    Write,
    Fill,
    Truncate { partition: i32, back: i64 },
    Trim { partition: i32, forward: i64 },
    Compact,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..4, prop_oneof![3 => 10..600_usize, 1 => 40_000..80_000_usize])
            .prop_map(|(partition, bytes)| Step::Append { partition, bytes }),
        3 => Just(Step::Write),
        1 => Just(Step::Fill),
        1 => (1..4, 1..4_i64).prop_map(|(partition, back)| Step::Truncate { partition, back }),
        1 => (1..4, 1..4_i64).prop_map(|(partition, forward)| Step::Trim { partition, forward }),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is appended, truncated, trimmed, sorted and opened anew: a log holds what the model holds, and the
    /// offline check finds nothing wrong.
    #[test]
    fn a_log_is_what_was_done_to_it(steps in steps()) {
        let mut driven = Driven::new(SMALL);
        // For each log: start, and end. All batches have one record.
        let mut model = [(0_i64, 0_i64); 4];
        for step in steps {
            match step {
                Step::Append { partition, bytes } => {
                    let end = &mut model[partition as usize].1;
                    driven.append(partition, *end, bytes);
                    *end += 1;
                }
                Step::Write => driven.write(),
                Step::Fill => driven.fill(9),
                Step::Truncate { partition, back } => {
                    driven.write();
                    let (start, end) = &mut model[partition as usize];
                    let to = (*end - back).max(*start);
                    let log = driven.log(partition);
                    driven.write();
                    log.truncate(driven.storage.parts().0, EPOCH, ottla_broker_core::Offset(to)).unwrap();
                    *end = to;
                }
                Step::Trim { partition, forward } => {
                    driven.log(partition);
                    driven.write();
                    let (start, end) = &mut model[partition as usize];
                    let to = (*start + forward).min(*end);
                    let base = ottla_broker_core::log::TrimBase::default();
                    driven.log(partition).trim(driven.storage.parts().0, EPOCH, ottla_broker_core::Offset(to), base)
                        .unwrap();
                    *start = to;
                }
                Step::Compact => {
                    driven.storage.parts().1.compact().unwrap();
                }
                Step::Reopen => {
                    now(driven.storage.close()).unwrap();
                    let files = driven.files.clone();
                    let report = crate::disk::check::check_files(std::sync::Arc::new(files.clone()), "here".as_ref());
                    let report = report.unwrap();
                    prop_assert!(report.is_sound() && report.clean, "{report}");
                    driven = Driven::over(files, SMALL);
                    reopen(&driven);
                }
            }
        }
        driven.write();
        for (partition, (start, end)) in (0..).zip(model).skip(1) {
            driven.log(partition);
            driven.write();
            prop_assert_eq!(offsets(&driven, partition, start), (start..end).collect::<Vec<_>>());
        }
    }
}

/// Handles of a new life: the logs are at epoch 1 already.
fn reopen(driven: &Driven) {
    for partition in [1, 2, 3, 9] {
        if let Some(log) = driven.storage.parts().0.get(key(partition)) {
            log.open_own().unwrap();
        }
    }
}

/// Large batches of one log fill files of their own, and small ones of many logs share theirs.
#[test]
fn a_log_of_large_batches_among_many_small_ones_stays_in_order() {
    const LOGS: i32 = 20;
    let options = DiskOptions { journal_bytes: 2 << 20, ..SMALL };
    for seed in 0..8_u64 {
        let driven = Driven::new(options);
        let (core, engine) = driven.storage.parts();
        let mut ends = [0_i64; LOGS as usize];
        let mut random = seed;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..60 {
            for _ in 0..next(40) {
                let partition = if next(8) == 0 { 0 } else { next(LOGS as u64) as i32 };
                let bytes = if partition == 0 { next(150 << 10) } else { next(4 << 10) };
                let end = &mut ends[partition as usize];
                driven.append(partition, *end, bytes as usize);
                *end += 1;
            }
            driven.write();
            engine.tend().unwrap();
        }
        for (partition, end) in (0..).zip(ends) {
            let extents = core.get(key(partition)).map_or_else(Vec::new, |log| log.extents());
            assert!(extents.windows(2).all(|pair| pair[0].next <= pair[1].base), "seed {seed}: {extents:?}");
            assert_eq!(offsets(&driven, partition, 0), (0..end).collect::<Vec<_>>(), "seed {seed}");
        }
        let files = driven.files.clone();
        drop(driven);
        let again = Driven::over(files, options);
        let core = again.storage.parts().0;
        for (partition, end) in (0..).zip(ends) {
            let Some(log) = core.get(key(partition)) else { continue };
            let batches = now(log.read(core, Offset(0), Offset(end), usize::MAX)).unwrap();
            let found: Vec<_> = batches.iter().map(|batch| batch.base_offset().0).collect();
            assert_eq!(found, (0..end).collect::<Vec<_>>(), "seed {seed}, opened again");
        }
    }
}
