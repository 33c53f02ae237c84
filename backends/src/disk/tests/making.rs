//! What takes long is done while the writer goes on: journal files are made, and synced for a checkpoint.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use ottla_broker_core::log::LogStorage;
use uuid::Uuid;

use super::driven::{Driven, SMALL, key};
use crate::disk::files::crash::{Call, Choice, CrashFiles, Failure, Fault};
use crate::disk::files::{File, Files};
use crate::disk::storage::{DiskStorage, Runner};
use crate::disk::{DiskOptions, Level};

type Hook = Box<dyn FnOnce() + Send>;

/// Files that do something else in the midst of creating one, or of a sync.
#[derive(Clone, Default)]
struct Hooked {
    files: CrashFiles,
    hook: Arc<Mutex<Option<Hook>>>,
    sync_hook: Arc<Mutex<Option<Hook>>>,
}

#[derive(Debug)]
struct HookedFile {
    file: Arc<dyn File>,
    files: Hooked,
}

impl File for HookedFile {
    fn write_at(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.file.write_at(position, parts)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(position, buffer)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        let hook = self.files.sync_hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

impl Files for Hooked {
    fn list(&self) -> io::Result<Vec<String>> {
        self.files.list()
    }

    fn create(&self, name: &str, room: u64) -> io::Result<Arc<dyn File>> {
        let hook = if name.ends_with(".journal") { self.hook.lock().unwrap().take() } else { None };
        if let Some(hook) = hook {
            hook();
        }
        let file = self.files.create(name, room)?;
        Ok(Arc::new(HookedFile { file, files: self.clone() }))
    }

    fn open(&self, name: &str, writable: bool) -> io::Result<Arc<dyn File>> {
        self.files.open(name, writable)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.files.sync_names()
    }
}

/// A storage whose next file is being made while `meanwhile` runs, and which has it then.
fn while_a_file_is_made(meanwhile: impl FnOnce(&Driven) + Send + 'static) -> Arc<Driven> {
    let hooked = Hooked::default();
    let storage = DiskStorage::open(Arc::new(hooked.clone()), SMALL, Uuid::from_u128(1), None, Runner::Caller).unwrap();
    let driven = Arc::new(Driven { storage, files: hooked.files.clone() });
    driven.append(1, 0, 100);
    driven.write();
    let inside = Arc::clone(&driven);
    *hooked.hook.lock().unwrap() = Some(Box::new(move || {
        assert!(!inside.storage.parts().1.is_locked(), "the writer would have to wait for the file");
        meanwhile(&inside);
    }));
    driven.storage.tend_now();
    assert!(hooked.hook.lock().unwrap().is_none(), "a file was made");
    driven
}

/// What a power cut leaves of log 1 now.
fn recovered(driven: &Driven) -> Vec<i64> {
    let again = Driven::over(driven.files.crash(Choice::NOTHING), SMALL);
    again.storage.parts().0.get(key(1)).unwrap().open_own().unwrap();
    again.offsets(1, 0).now_or_never().expect("reads run on the calling thread").unwrap()
}

#[test]
fn what_is_written_meanwhile_is_durable_meanwhile() {
    let driven = while_a_file_is_made(|driven| {
        let ticket = driven.submit(1, 1, 100);
        driven.write();
        ticket.now_or_never().expect("it is written").unwrap();
        assert_eq!(recovered(driven), [0, 1]);
    });
    driven.fill(1);
    let end = driven.log(1).bounds().durable_end.0;
    assert_eq!(recovered(&driven), (0..end).collect::<Vec<_>>());
}

#[test]
fn a_checkpoint_that_is_taken_meanwhile_names_the_file() {
    let driven = while_a_file_is_made(|driven| {
        driven.storage.checkpoint_now().unwrap();
        assert_eq!(recovered(driven), [0], "the name that leads to nothing yet is no damage");
    });
    // The file is written, and there is no other checkpoint.
    driven.fill(1);
    let end = driven.log(1).bounds().durable_end.0;
    assert_eq!(recovered(&driven), (0..end).collect::<Vec<_>>());
}

#[test]
fn a_file_that_comes_too_late_is_not_written_behind_its_number() {
    let driven = while_a_file_is_made(|driven| {
        // Larger than a file: it gets one of its own, with the next number.
        driven.append(1, 1, 300 << 10);
        driven.write();
        assert_eq!(recovered(driven), [0, 1]);
    });
    for offset in 2..5 {
        driven.append(1, offset, 100);
        driven.write();
    }
    driven.fill(1);
    driven.storage.tend_now();
    driven.fill(1);
    let end = driven.log(1).bounds().durable_end.0;
    assert_eq!(recovered(&driven), (0..end).collect::<Vec<_>>());
    // Nor is it lost: it is used again.
    driven.storage.close().now_or_never().unwrap().unwrap();
    let again = Driven::over(driven.files.clone(), SMALL);
    assert_eq!(again.storage.parts().0.get(key(1)).unwrap().bounds().end.0, end);
}

#[test]
fn a_file_that_cannot_be_made_leaves_no_name_behind_and_the_next_one_is_made() {
    for call in [Call::Create, Call::SyncNames] {
        let driven = Driven::new(SMALL);
        driven.append(1, 0, 100);
        driven.write();
        driven.files.fail(Fault::next(call, Failure::NoSpace).times(6));
        // Each round tries twice: the compactor may have made room.
        for _ in 0..3 {
            driven.storage.tend().unwrap_err();
        }
        let known: Vec<_> = driven.storage.parts().1.shelf.all();
        assert_eq!(known.len(), 1, "{call:?}: what was not made is on no shelf: {known:?}");
        driven.storage.checkpoint_now().unwrap();
        driven.storage.tend_now();
        driven.fill(1);
        driven.fill(1);
        let end = driven.log(1).bounds().durable_end.0;
        assert_eq!(recovered(&driven), (0..end).collect::<Vec<_>>(), "{call:?}");
    }
}

/// At the level `os` a checkpoint has much to sync. What is written meanwhile is not in it, and not lost by it.
#[test]
fn a_checkpoint_syncs_while_the_writer_goes_on() {
    let hooked = Hooked::default();
    let options = DiskOptions { level: Level::Os, ..SMALL };
    let storage =
        DiskStorage::open(Arc::new(hooked.clone()), options, Uuid::from_u128(1), None, Runner::Caller).unwrap();
    let driven = Arc::new(Driven { storage, files: hooked.files.clone() });
    driven.append(1, 0, 100);
    driven.write();
    let inside = Arc::clone(&driven);
    *hooked.sync_hook.lock().unwrap() = Some(Box::new(move || {
        assert!(!inside.storage.parts().1.is_locked(), "the writer would have to wait for the sync");
        inside.append(1, 1, 100);
        inside.write();
        assert_eq!(inside.log(1).bounds().durable_end.0, 2, "it is acknowledged");
    }));
    driven.storage.checkpoint_now().unwrap();
    assert!(hooked.sync_hook.lock().unwrap().is_none(), "there was something to sync");
    assert_eq!(recovered(&driven), [0], "a power cut takes what was written since");
    driven.storage.checkpoint_now().unwrap();
    assert_eq!(recovered(&driven), [0, 1]);
}

/// With threads: the file is held up, the writer comes to need it, and nobody waits for ever.
#[tokio::test]
async fn a_writer_that_needs_the_file_gets_it() {
    let hooked = Hooked::default();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let first: Hook = {
        let hook = Arc::clone(&hooked.hook);
        // The first file is the one that is written; the second is held up.
        Box::new(move || *hook.lock().unwrap() = Some(Box::new(move || released.recv().unwrap())))
    };
    *hooked.hook.lock().unwrap() = Some(first);
    let storage =
        DiskStorage::open(Arc::new(hooked.clone()), SMALL, Uuid::from_u128(1), None, Runner::Threads).unwrap();
    let driven = Driven { storage, files: hooked.files.clone() };
    let file = usize::try_from(SMALL.file_bytes).unwrap();
    let tickets: Vec<_> = (0..12).map(|offset| driven.submit(1, offset, file / 8)).collect();
    release.send(()).unwrap();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    driven.storage.close().await.unwrap();
    let again = Driven::over(driven.files.crash(Choice::NOTHING), SMALL);
    assert_eq!(again.storage.parts().0.get(key(1)).unwrap().bounds().end.0, 12);
}
