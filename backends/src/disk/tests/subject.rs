//! Directories for the suites.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ottla_broker_core::conformance::{LogSubject, MetadataSubject, SnapshotSubject};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, MetadataLog, SnapshotStore};

use crate::disk::files::crash::{Call, Choice, CrashFiles, Failure, Fault};
use crate::disk::files::{File, Files, RealFiles};
use crate::disk::storage::{DiskStorage, Runner};
use crate::disk::{DiskBackend, DiskOptions};

/// A directory of the machine.
pub(crate) struct Real {
    directory: tempfile::TempDir,
    options: DiskOptions,
    damage: Arc<AtomicBool>,
    open: Mutex<Option<DiskBackend>>,
}

impl Real {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(DiskOptions { journal_bytes: 8 << 20, file_bytes: 1 << 20, ..DiskOptions::default() })
    }

    pub(crate) fn cold() -> Arc<Self> {
        Self::with(DiskOptions {
            journal_bytes: 1 << 20,
            file_bytes: 272 << 10,
            tail_bytes: 0,
            // What is kept here is not read, and so not damaged.
            cold_bytes: 0,
            group_bytes: 1,
            ..DiskOptions::default()
        })
    }

    fn with(options: DiskOptions) -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        Arc::new(Self { directory, options, damage: Arc::default(), open: Mutex::default() })
    }

    async fn backend(&self) -> DiskBackend {
        let before = self.open.lock().unwrap().take();
        if let Some(before) = before {
            before.logs().close().await.unwrap();
        }
        let files =
            Damaging { files: RealFiles::open(self.directory.path()).unwrap(), damage: Arc::clone(&self.damage) };
        let logs =
            DiskStorage::open(Arc::new(files), self.options, Env::system().uuid(), None, Runner::Threads).unwrap();
        let backend = DiskBackend::over(logs).await.unwrap();
        *self.open.lock().unwrap() = Some(backend.clone());
        backend
    }

    fn is_cold(&self) -> bool {
        self.options.tail_bytes == 0
    }
}

#[async_trait]
impl LogSubject for Real {
    async fn open(&self) -> Arc<dyn LogStorage> {
        Arc::clone(self.backend().await.logs()) as _
    }

    async fn damage_next_read(&self) -> bool {
        // What is in memory is not read from the medium.
        if self.is_cold() {
            self.damage.store(true, Ordering::SeqCst);
        }
        self.is_cold()
    }
}

#[async_trait]
impl MetadataSubject for Real {
    async fn open(&self) -> Arc<dyn MetadataLog> {
        let open = self.open.lock().unwrap().clone();
        match open {
            Some(open) => open.backend().metadata,
            None => self.backend().await.backend().metadata,
        }
    }

    async fn restart(&self) {
        self.backend().await;
    }
}

#[async_trait]
impl SnapshotSubject for Real {
    async fn open(&self) -> Arc<dyn SnapshotStore> {
        self.backend().await.backend().snapshots
    }
}

/// Files whose next read comes back with another byte.
#[derive(Debug)]
struct Damaging {
    files: RealFiles,
    damage: Arc<AtomicBool>,
}

#[derive(Debug)]
struct DamagingFile {
    file: Arc<dyn File>,
    damage: Arc<AtomicBool>,
}

impl Damaging {
    fn wrap(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(DamagingFile { file, damage: Arc::clone(&self.damage) })
    }
}

impl Files for Damaging {
    fn list(&self) -> io::Result<Vec<String>> {
        self.files.list()
    }

    fn create(&self, name: &str, room: u64) -> io::Result<Arc<dyn File>> {
        self.files.create(name, room).map(|file| self.wrap(file))
    }

    fn open(&self, name: &str, writable: bool) -> io::Result<Arc<dyn File>> {
        self.files.open(name, writable).map(|file| self.wrap(file))
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

impl File for DamagingFile {
    fn write_at(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.file.write_at(position, parts)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(position, buffer)?;
        // The engine reads anew where what it wanted may have been moved: both times it is damaged.
        if self.damage.load(Ordering::SeqCst)
            && let Some(byte) = buffer.get_mut(read / 2)
        {
            *byte ^= 0x10;
        }
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

/// A directory that forgets what was not synced.
pub(crate) struct Simulated {
    files: Mutex<CrashFiles>,
    open: Mutex<Option<Arc<DiskStorage>>>,
    crashes: AtomicU64,
    /// Whether the storage that is open ended in a crash: it is not closed.
    crashed: AtomicBool,
}

impl Simulated {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            files: Mutex::new(CrashFiles::new()),
            open: Mutex::default(),
            crashes: AtomicU64::new(0),
            crashed: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl LogSubject for Simulated {
    async fn open(&self) -> Arc<dyn LogStorage> {
        let before = self.open.lock().unwrap().take();
        if let Some(before) = before
            && !self.crashed.swap(false, Ordering::SeqCst)
        {
            before.close().await.unwrap();
        }
        let files = self.files.lock().unwrap().clone();
        let options = DiskOptions { journal_bytes: 1 << 20, file_bytes: 272 << 10, ..DiskOptions::default() };
        let storage =
            DiskStorage::open(Arc::new(files), options, Env::seeded(1).uuid(), None, Runner::Threads).unwrap();
        let storage = Arc::new(storage);
        *self.open.lock().unwrap() = Some(Arc::clone(&storage));
        storage
    }

    async fn crash(&self) -> bool {
        let seed = self.crashes.fetch_add(1, Ordering::SeqCst);
        // The image is what the next opening finds; whatever the old process still does goes nowhere.
        let files = self.files.lock().unwrap().clone();
        for call in [Call::Write, Call::Sync, Call::SyncNames] {
            files.fail(Fault::next(call, Failure::Io).times(u64::MAX));
        }
        let image = files.crash(Choice::random(seed));
        *self.files.lock().unwrap() = image;
        self.crashed.store(true, Ordering::SeqCst);
        let before = self.open.lock().unwrap().take();
        if let Some(before) = before {
            // Its handles end with it, as those of a dead process do.
            let _ = before.close().await;
        }
        true
    }
}
