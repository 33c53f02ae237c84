//! Groups as chunks: what is written is what recovery finds, however large it is.

use futures::FutureExt;
use ottla_broker_core::Offset;
use ottla_broker_core::log::TrimBase;

use super::{ALIGNMENT, Current, Journal, KEPT, Plan, RESERVE};
use crate::disk::DiskOptions;
use crate::disk::files::Files;
use crate::disk::files::crash::Choice;
use crate::disk::files::crash::CrashFiles;
use crate::disk::format::FILE_HEADER_BYTES;
use crate::disk::tests::driven::{Driven, EPOCH, SMALL, key};
use crate::engine::{Entry, Work};

#[test]
fn a_batch_that_is_larger_than_a_file_gets_a_larger_file() {
    let driven = Driven::new(SMALL);
    driven.append(1, 0, 100);
    driven.write();
    let ticket = driven.submit(1, 1, 3 << 20);
    driven.write();
    driven.append(1, 2, 100);
    driven.write();
    ticket.now_or_never().unwrap().unwrap();
    let next = Driven::over(driven.files.crash(Choice::NOTHING), SMALL);
    assert_eq!(next.storage.parts().0.get(key(1)).unwrap().bounds().end, Offset(3));
    assert!(next.storage.parts().0.get(key(1)).unwrap().extents().iter().any(|extent| extent.bytes > 3 << 20));
}

#[test]
fn a_group_of_many_logs_is_one_chunk_and_one_sync() {
    const LOGS: i32 = 1_000;
    let driven = Driven::new(SMALL);
    for partition in 0..LOGS {
        driven.log(partition);
    }
    driven.write();
    let before = driven.files.calls(crate::disk::files::crash::Call::Sync);
    for offset in 0..3 {
        for partition in 0..LOGS {
            driven.append(partition, offset, 20);
        }
    }
    driven.write();
    // The chunk is larger than what is left of the file: the next file's turn has a sync of the last one at most.
    assert!(driven.files.calls(crate::disk::files::crash::Call::Sync) - before <= 2);
    let next = Driven::over(driven.files.crash(Choice::NOTHING), SMALL);
    for partition in 0..LOGS {
        let log = next.storage.parts().0.get(key(partition)).unwrap();
        assert_eq!((log.bounds().end, log.extents().len()), (Offset(3), 1), "the batches of a log lie together");
    }
}

#[test]
fn a_plan_keeps_the_order_of_what_was_done_to_a_log() {
    let driven = Driven::new(SMALL);
    let core = driven.storage.parts().0;
    driven.append(1, 0, 50);
    driven.append(2, 0, 50);
    driven.append(1, 1, 50);
    driven.write();
    driven.log(1).trim(core, EPOCH, Offset(1), TrimBase::default()).unwrap();
    driven.append(2, 1, 50);
    driven.append(1, 2, 50);
    driven.append(1, 3, 50);
    let Some(Work::Group(group)) = core.queue.try_take() else { panic!("a group waits") };
    let plan = Plan::of(&group);
    let (entries, _) = group.entries();
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Run(run) => (entry.key().id.partition, i64::from(run.batches)),
            Entry::Trim { start, .. } => (entry.key().id.partition, -start.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, [(1, -1), (1, 2), (2, 1)]);
    assert!(plan.room(RESERVE) > FILE_HEADER_BYTES as u64 + plan.bytes() + RESERVE);
    core.fail(group, &ottla_broker_core::log::Error::new(ottla_broker_core::log::ErrorKind::Full, "not written"));
}

#[test]
fn chunks_begin_at_multiples_of_eight_behind_each_other() {
    let driven = Driven::new(SMALL);
    for offset in 0..50 {
        driven.append(1, offset, (offset * 37 % 300) as usize);
        driven.write();
    }
    let (number, about) = driven.storage.parts().1.shelf.all()[0];
    assert_eq!(about.bytes % ALIGNMENT, 0);
    let bytes: u64 = driven.storage.parts().0.get(key(1)).unwrap().extents().iter().map(|e| u64::from(e.bytes)).sum();
    assert!(about.bytes < bytes + FILE_HEADER_BYTES as u64 + 52 * 160, "no page is padded: file {number}, {about:?}");
}

#[test]
fn the_buffer_for_small_batches_is_kept_and_bounded() {
    let driven = Driven::new(DiskOptions { group_bytes: 64 << 20, ..SMALL });
    let engine = &driven.storage.parts().1;
    for offset in 0..100 {
        driven.append(1, offset, 1_000);
    }
    driven.write();
    let kept = engine.scratch_bytes();
    assert!(kept >= 100_000, "{kept}");
    let (mut offset, mut bytes) = (100, 0);
    while bytes <= 2 * KEPT {
        driven.append(1, offset, 1_900);
        (offset, bytes) = (offset + 1, bytes + 1_900);
    }
    driven.write();
    let kept = engine.scratch_bytes();
    assert!((KEPT / 2..=KEPT).contains(&kept), "{kept}");
}

#[test]
fn a_full_disk_can_still_be_trimmed() {
    let driven = Driven::new(SMALL);
    driven.append(1, 0, 100);
    driven.write();
    driven.files.set_capacity(Some(0));
    let core = driven.storage.parts().0;
    let mut next = 1;
    // What is prepared already is used up first.
    let refused = loop {
        assert!(next < 1_000, "the disk never got full");
        match driven.log(1).append(core, EPOCH, crate::disk::tests::driven::batch(next, 9_000)) {
            Ok(ticket) => {
                driven.write();
                match ticket.now_or_never().unwrap() {
                    Ok(()) => next += 1,
                    Err(error) => break error,
                }
            }
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), ottla_broker_core::log::ErrorKind::Full, "{refused}");
    let log = core.get(key(1)).unwrap();
    let epoch = ottla_broker_core::LeaderEpoch(2);
    let opened = log.open(core, epoch).unwrap();
    let trimmed = log.trim(core, epoch, Offset(next), TrimBase::default()).unwrap().unwrap();
    driven.write();
    opened.now_or_never().unwrap().unwrap();
    trimmed.now_or_never().unwrap().unwrap();
    assert_eq!(log.bounds().start, Offset(next));
}

#[test]
fn what_is_written_while_its_file_is_synced_is_synced_later() {
    let files = CrashFiles::new();
    let current =
        |number, name| Some(Current { number, file: files.create(name, 4096).unwrap(), position: 0, room: 4096 });
    let mut journal = Journal {
        storage: uuid::Uuid::nil(),
        incarnation: 1,
        next_chunk: 2,
        durable: 1,
        reserve: 0,
        current: current(1, "one"),
        unsynced: Vec::new(),
        scratch: Vec::new(),
    };
    let written = journal.written();
    // One chunk more, and the writer goes on to the next file, before the sync of the first has ended.
    journal.next_chunk = 3;
    journal.leave();
    journal.current = current(2, "two");
    journal.synced(&written);
    assert_eq!((journal.unsynced.len(), journal.durable), (1, 2));
    journal.sync().unwrap();
    assert_eq!((journal.unsynced.len(), journal.durable), (0, 3));
}
