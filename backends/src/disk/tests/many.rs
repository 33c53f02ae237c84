//! A crash may leave more journal files than a process may open.

use futures::FutureExt;
use ottla_broker_core::log::{ErrorKind, LogStorage};

use super::driven::{Driven, SMALL, key};
use crate::disk::DiskOptions;
use crate::disk::files::Files;
use crate::disk::files::crash::{Choice, CrashFiles};
use crate::disk::storage::{DiskStorage, Runner};

/// One that is read or written, one beside it, and the journal file that is begun.
const HANDLES: usize = 4;
const FILES: usize = 60;

const TINY: DiskOptions = DiskOptions { file_bytes: 32 << 10, ..SMALL };

/// A journal of many files, and no checkpoint of any of them.
fn left_behind() -> (CrashFiles, i64) {
    let driven = Driven::new(TINY);
    for _ in 0..FILES {
        driven.fill(1);
    }
    (driven.files.crash(Choice::NOTHING), driven.log(1).bounds().durable_end.0)
}

#[test]
fn a_journal_of_many_files_is_recovered_with_few_of_them_open() {
    let (files, end) = left_behind();
    let journals = files.list().unwrap().into_iter().filter(|name| name.ends_with(".journal")).count();
    assert!(journals >= FILES, "{journals}");
    files.set_most_handles(Some(HANDLES));
    let again = Driven::over(files.clone(), TINY);
    assert_eq!(again.storage.parts().0.get(key(1)).unwrap().bounds().durable_end.0, end);
    // What is read stays open, up to a bound of its own.
    files.set_most_handles(None);
    again.storage.parts().0.get(key(1)).unwrap().open_own().unwrap();
    let read = again.offsets(1, 0).now_or_never().expect("reads run on the calling thread").unwrap();
    assert_eq!(read, (0..end).collect::<Vec<_>>());
    again.storage.close().now_or_never().unwrap().unwrap();
}

#[test]
fn damage_among_many_files_is_looked_for_with_few_of_them_open() {
    let (files, _) = left_behind();
    // The second file, and everything after it says that it was durable.
    files.flip_bit("00000000000000000002.journal", 5_000, 1).unwrap();
    files.set_most_handles(Some(HANDLES));
    let opened =
        DiskStorage::open(std::sync::Arc::new(files.clone()), TINY, uuid::Uuid::from_u128(1), None, Runner::Caller);
    let refused = opened.expect_err("damage is told");
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused:?}");
    assert!(refused.to_string().contains("00000000000000000002.journal"), "{refused}");
}
