//! A disk in memory that can crash, for simulations.
//!
//! ```text
//!   broker ─► DiskBackend ─► files in memory ──crash──► what of them was durable, and some of the rest
//!                 ▲                                                     │
//!                 └── drive: whoever simulates says when ◄── recovery ──┘
//! ```
//!
//! No thread works for it, and nothing happens by itself: a write reaches the files when [`CrashDisk::drive`] is called,
//! on the caller's thread. So a run by seed is the same each time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::env::Env;
use ottla_broker_core::log::Error;
use tokio::sync::Notify;
use uuid::Uuid;

use super::backend::DiskBackend;
use super::files::crash::{Call, Choice, CrashFiles, Failure, Fault};
use super::options::DiskOptions;
use super::storage::{DiskStorage, Runner};

/// A machine with one directory, which outlives the storages in it.
#[derive(Debug)]
pub struct CrashDisk {
    options: DiskOptions,
    capacity: Option<u64>,
    name: Uuid,
    state: Mutex<State>,
    /// Another storage was opened.
    opened: Notify,
}

#[derive(Debug, Default)]
struct State {
    files: CrashFiles,
    storage: Option<Arc<DiskStorage>>,
    backend: Option<DiskBackend>,
    /// The last crash left something half-done, and nobody has opened it yet.
    half_done: bool,
    recoveries: u64,
}

/// What a crash leaves of what was not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing of it.
    Nothing,
    /// All that was submitted: the process died in time, and the machine did not.
    All,
    /// The machine died while it wrote what was submitted, at some moment: any part of the writes, whole or torn, and of
    /// the names of files. By this seed.
    Any(u64),
}

impl CrashDisk {
    /// An empty directory. `capacity`: bytes of all files together.
    #[must_use]
    pub fn new(options: DiskOptions, capacity: Option<u64>, env: &Env) -> Self {
        let disk = Self { options, capacity, name: env.uuid(), state: Mutex::default(), opened: Notify::new() };
        disk.lock().files.set_capacity(capacity);
        disk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn storage(&self) -> Option<Arc<DiskStorage>> {
        self.lock().storage.clone()
    }

    /// The storage in the directory: the one that is open, or what a recovery finds.
    ///
    /// # Errors
    /// What the recovery found wrong.
    pub async fn open(&self) -> Result<DiskBackend, Error> {
        let storage = {
            let mut state = self.lock();
            match state.storage.clone().filter(|storage| storage.is_open()) {
                Some(storage) => {
                    if let Some(backend) = &state.backend {
                        return Ok(backend.clone());
                    }
                    storage
                }
                None => {
                    let files = Arc::new(state.files.clone());
                    let storage = DiskStorage::open(files, self.options, self.name, None, Runner::Caller)?;
                    let storage = Arc::new(storage);
                    state.recoveries += u64::from(std::mem::take(&mut state.half_done));
                    (state.storage, state.backend) = (Some(Arc::clone(&storage)), None);
                    self.opened.notify_one();
                    storage
                }
            }
        };
        let backend = DiskBackend::sharing(storage).await?;
        self.lock().backend = Some(backend.clone());
        Ok(backend)
    }

    /// Waits until something was submitted, by whoever has it open. One may wait at a time. Cancel-safe.
    pub async fn submitted(&self) {
        match self.storage() {
            None => self.opened.notified().await,
            Some(storage) => tokio::select! {
                biased;
                () = storage.submitted() => {}
                () = self.opened.notified() => {}
            },
        }
    }

    /// Writes what waits, and does a round of what goes on in the background; says whether anything was written.
    pub fn drive(&self) -> bool {
        self.storage().filter(|storage| storage.is_open()).is_some_and(|storage| storage.drive())
    }

    /// The next write to a file fails half-way, and the storage that is open takes nothing more.
    pub fn fail_next_write(&self) {
        self.lock().files.fail(Fault::next(Call::Write, Failure::Io));
    }

    /// Ends the storage as a crash does: its handles fail, and nothing of it waits for anything any more. The next
    /// [`open`](Self::open) recovers what is left. Returns how many bytes were lost, at most.
    ///
    /// Whoever uses the storage MUST be dead before: what is written while the machine dies resolves tickets.
    pub fn crash(&self, left: Left) -> u64 {
        let (storage, files) = {
            let mut state = self.lock();
            state.backend = None;
            (state.storage.take(), state.files.clone())
        };
        let Some(storage) = storage else { return 0 };
        let before = files.moment();
        if storage.is_open() {
            storage.drive();
        }
        let after = files.moment();
        storage.die();
        let (moment, choice) = match left {
            Left::Nothing => (before, Choice::NOTHING),
            Left::All => (after, Choice::ALL),
            Left::Any(seed) => (before + (seed % (after - before + 1) as u64) as usize, Choice::random(seed)),
        };
        let (image, cut) = files.cut(moment, choice);
        image.set_capacity(self.capacity);
        let mut state = self.lock();
        state.files = image;
        state.half_done = cut.half_done && left != Left::All;
        cut.lost_bytes
    }

    /// How often a storage was opened on what a crash had left half-done.
    #[must_use]
    pub fn recoveries(&self) -> u64 {
        self.lock().recoveries
    }
}
