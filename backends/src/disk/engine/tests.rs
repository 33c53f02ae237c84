//! Writing ahead at the level `os`.

use futures::FutureExt;
use ottla_broker_core::log::{ErrorKind, LogStorage};

use crate::disk::files::crash::{Call, Failure, Fault};
use crate::disk::tests::driven::{Driven, EPOCH, SMALL, batch};
use crate::disk::{DiskOptions, Level};

const OS: DiskOptions = DiskOptions { level: Level::Os, ..SMALL };

/// Appends until something is to be written ahead; the next offset.
fn until_asked(driven: &Driven) -> i64 {
    let engine = driven.storage.parts().1;
    for offset in 0..1_000 {
        driven.append(1, offset, 4 << 10);
        driven.write();
        if engine.write_ahead() {
            return offset + 1;
        }
    }
    panic!("nothing was ever asked for");
}

#[test]
fn much_is_written_ahead_at_the_level_os() {
    let driven = Driven::new(OS);
    let syncs = driven.files.calls(Call::Sync);
    let next = until_asked(&driven);
    assert_eq!(driven.files.calls(Call::Sync), syncs + 1);
    assert!(next as u64 * (4 << 10) >= OS.file_bytes / 5, "after {next} records of 4 KiB");
    driven.append(1, next, 100);
    driven.write();
    assert!(!driven.storage.parts().1.write_ahead(), "that was little");
}

#[test]
fn nothing_is_written_ahead_that_is_synced_anyway() {
    let driven = Driven::new(SMALL);
    for offset in 0..200 {
        driven.append(1, offset, 4 << 10);
        driven.write();
        assert!(!driven.storage.parts().1.write_ahead());
    }
}

/// The system tells a failure once: what comes after must not be acknowledged on the word of a later sync.
#[test]
fn a_failure_to_write_ahead_poisons_the_storage() {
    let driven = Driven::new(OS);
    let next = until_asked(&driven);
    driven.files.fail(Fault::next(Call::Sync, Failure::Io));
    let (core, engine) = driven.storage.parts();
    let mut offset = next;
    let error = loop {
        assert!(offset < 1_000, "no failure shows");
        match driven.log(1).append(core, EPOCH, batch(offset, 4 << 10)) {
            Ok(ticket) => {
                driven.write();
                ticket.now_or_never().unwrap().unwrap();
                engine.write_ahead();
            }
            Err(error) => break error,
        }
        offset += 1;
    };
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
    driven.storage.close().now_or_never().unwrap().unwrap_err();
}

#[test]
fn a_group_that_was_taken_before_the_storage_was_poisoned_is_not_acknowledged() {
    let driven = Driven::new(OS);
    let ticket = driven.submit(1, 0, 100);
    let (core, engine) = driven.storage.parts();
    let Some(crate::engine::Work::Group(group)) = core.queue.try_take() else { panic!("a group waits") };
    engine.poison("a test said so", std::io::Error::other("a test"));
    engine.write(group, false);
    assert_eq!(ticket.now_or_never().unwrap().unwrap_err().kind(), ErrorKind::Poisoned);
}
