//! The storage's working parts: the writer's rounds and the background's rounds.
//!
//! ```text
//!  queue ─► writer: write chunk, sync, apply, resolve ─┐         one lock: the journal
//!                                                      ├─ Work
//!  background: next file, compaction, checkpoint ──────┘
//! ```

mod background;
mod make;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;

use super::counts::Counts;
use super::format::FileKind;
use super::journal::{Current, Journal, Plan, least_room};
use super::options::{DiskOptions, Level};
use super::shelf::{About, Shelf};
use crate::engine::{Applied, Core, Group, Work};

/// Journal files that hold what is not durable, besides the one that is written: at the level `os` only. Twice what the
/// background lets come together before it begins to sync.
const MOST_UNSYNCED: usize = 16;
/// Journal files that are kept to be written again: their blocks are on the medium already.
const MOST_SPARE: usize = 4;

#[derive(Debug)]
pub(super) struct Engine {
    pub(super) core: Arc<Core>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) options: DiskOptions,
    state: Mutex<State>,
    /// Told of each change that somebody may wait for.
    changed: Condvar,
    /// The background wants the lock between two groups.
    wanted: AtomicBool,
    pub(super) counts: Counts,
}

#[derive(Debug)]
pub(super) struct State {
    journal: Journal,
    /// The next journal file, ready to be written.
    next: Option<Current>,
    /// The background makes it, and does not hold the lock meanwhile.
    making: bool,
    next_file: u64,
    next_checkpoint: u64,
    /// Names of journal files that nothing refers to.
    spare: Vec<String>,
    /// Bytes of the journal when the last checkpoint was taken.
    since_checkpoint: u64,
    /// Something was trimmed: a file may be free.
    trimmed: bool,
    /// The last round of the background failed: nobody waits for it.
    troubled: bool,
    /// The background is to end.
    ended: bool,
}

impl Engine {
    /// Goes on where `journal` stands; the numbers are the next free ones.
    pub(super) fn new(
        core: Arc<Core>,
        shelf: Arc<Shelf>,
        options: DiskOptions,
        journal: Journal,
        next_file: u64,
        next_checkpoint: u64,
    ) -> Self {
        let state = State {
            journal,
            next: None,
            making: false,
            next_file,
            next_checkpoint,
            spare: Vec::new(),
            since_checkpoint: 0,
            trimmed: false,
            troubled: false,
            ended: false,
        };
        let (changed, wanted) = (Condvar::new(), AtomicBool::new(false));
        Self { core, shelf, options, state: Mutex::new(state), changed, wanted, counts: Counts::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a new time: a checkpoint of what was recovered, and files to write. `unused` are files of journals that
    /// nothing refers to. On a disk without room for a whole file it begins with a small one, which takes what gives
    /// room back.
    pub(super) fn begin(&self, mut unused: Vec<String>) -> io::Result<()> {
        while let Err(error) = self.checkpoint(false) {
            // Recovery looked at them and found nothing: their room is worth more than they are.
            match unused.pop() {
                Some(name) if is_full(&error) => super::checkpoints::remove(&*self.shelf.files, &name)?,
                _ => return Err(error),
            }
        }
        for name in unused {
            let spare = self.lock().spare.len() < MOST_SPARE && self.is_of_usual_size(&name);
            if spare {
                self.lock().spare.push(name);
            } else {
                super::checkpoints::remove(&*self.shelf.files, &name)?;
            }
        }
        let mut state = self.lock();
        let first = match self.make_file(&mut state, self.options.file_bytes) {
            Err(error) if is_full(&error) && !is_planted("full-disk-keeps-shut") => {
                let least = least_room(state.journal.reserve);
                self.make_file(&mut state, least)?
            }
            made => made?,
        };
        state.journal.current = Some(first);
        Ok(())
    }

    /// Ends a time: a last checkpoint, and nothing else is left that a recovery had to look at.
    pub(super) fn close(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.journal.sync()?;
        let last = [state.journal.current.take(), state.next.take()];
        for file in last.into_iter().flatten() {
            self.shelf.update(file.number, |about| about.closed = true);
        }
        drop(state);
        self.checkpoint(true)?;
        let spare = std::mem::take(&mut self.lock().spare);
        for name in spare {
            super::checkpoints::remove(&*self.shelf.files, &name)?;
        }
        self.shelf.files.sync_names()
    }

    #[cfg(test)]
    pub(super) fn since_checkpoint(&self) -> u64 {
        self.lock().since_checkpoint
    }

    /// Whether somebody holds the journal.
    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.state.try_lock().is_err()
    }

    /// Bytes that the journal keeps to copy small batches into.
    #[cfg(test)]
    pub(super) fn scratch_bytes(&self) -> usize {
        self.lock().journal.scratch.capacity()
    }

    /// The id of the storage.
    pub(super) fn storage(&self) -> uuid::Uuid {
        self.lock().journal.storage
    }

    /// Writes groups until the queue ends.
    pub(super) fn write_all(&self) {
        while let Work::Group(group) = self.core.queue.take() {
            self.write(group, true);
        }
    }

    /// Writes what waits, on the calling thread; says whether there was anything.
    pub(super) fn write_pending(&self) -> bool {
        let mut any = false;
        while let Some(Work::Group(group)) = self.core.queue.try_take() {
            any = true;
            self.write(group, false);
        }
        any
    }

    /// One group: writes it, makes it durable, applies it. `waits` for the background where it has to.
    fn write(&self, group: Group, waits: bool) {
        let plan = Plan::of(&group);
        let mut state = self.lock();
        while waits && self.wanted.load(Ordering::Acquire) {
            state = self.wait(state);
        }
        if let Some(error) = self.poisoned()
            && !is_planted("poisoned-group-acknowledged")
        {
            // It was taken from the queue before.
            drop(state);
            self.core.fail(group, &error);
            return;
        }
        if !state.journal.fits(&plan) {
            let (rolled, outcome) = self.roll(state, &plan, waits);
            state = rolled;
            if let Err(error) = outcome {
                if error.kind() == ErrorKind::Full {
                    // Nothing of it was written, nor will be what waits behind it. Under the lock: the background must not
                    // find room before the logs know.
                    let behind = self.core.queue.refuse(error.clone());
                    for group in std::iter::once(group).chain(behind) {
                        self.core.fail(group, &error);
                    }
                    self.core.queue.refuse_records();
                    drop(state);
                } else {
                    drop(state);
                    self.core.poison(&error);
                    self.core.fail(group, &error);
                }
                self.changed.notify_all();
                return;
            }
        }
        let written = state.journal.write(&group, &plan).and_then(|applied| {
            if self.options.level == Level::Fsync && !is_planted("disk-ack-before-sync") {
                state.journal.sync()?;
                self.counts.syncs.fetch_add(1, Ordering::Relaxed);
            }
            Ok(applied)
        });
        let applied = match written {
            Ok(applied) => applied,
            Err(error) => {
                drop(state);
                let error = self.poison("a write to the journal failed", error);
                self.core.fail(group, &error);
                return;
            }
        };
        let frees = |change: &Applied| !matches!(change, Applied::Batch(_) | Applied::Open(_));
        let trimmed = applied.iter().flatten().any(frees);
        if let Some(current) = &state.journal.current {
            let (number, bytes) = (current.number, current.position);
            self.shelf.update(number, |about| about.bytes = bytes);
        }
        state.since_checkpoint += plan.bytes();
        self.counts.groups.fetch_add(1, Ordering::Relaxed);
        self.counts.journal_bytes.fetch_add(plan.bytes(), Ordering::Relaxed);
        for (part, changes) in group.parts.iter().zip(applied) {
            let removed = changes.iter().any(|change| matches!(change, Applied::Remove));
            part.log.apply(&self.core, changes);
            if removed {
                self.core.forget(&part.log);
            }
        }
        if trimmed {
            state.trimmed = true;
            self.changed.notify_all();
        }
        // Still under the lock: a checkpoint has a group whole or not at all.
        drop(state);
        for part in &group.parts {
            let end = part.log.bounds().durable_end;
            self.core.tail.durable(&part.log, end);
        }
        self.core.room.give_back(group.bytes);
        group.resolver.resolve(Ok(()));
    }

    /// Nothing more is written: what reached the medium is unknown, and after a failed sync a second one says nothing
    /// (fsyncgate).
    fn poison(&self, what: &str, source: io::Error) -> Error {
        let message = format!("{what}: nothing more is acknowledged until the storage is opened anew");
        let error = Error::new(ErrorKind::Poisoned, message).with_source(source);
        tracing::error!(%error, "the storage is poisoned");
        self.core.poison(&error);
        self.changed.notify_all();
        error
    }

    pub(super) fn poisoned(&self) -> Option<Error> {
        self.core.queue.ended().filter(|error| error.kind() == ErrorKind::Poisoned)
    }

    /// Goes on to the next journal file.
    fn roll<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        plan: &Plan,
        waits: bool,
    ) -> (MutexGuard<'a, State>, Result<(), Error>) {
        while waits && !state.ended && !state.troubled && self.poisoned().is_none() && self.is_behind(&state) {
            self.changed.notify_all();
            state = self.wait(state);
        }
        // What the file holds is durable before another one is written; at the level `os` the background sees to it.
        if self.options.level == Level::Os && state.journal.unsynced.len() < MOST_UNSYNCED {
            state.journal.leave();
        } else if let Err(error) = state.journal.sync() {
            let message =
                "a journal file could not be synced: nothing more is acknowledged until the storage is opened anew";
            return (state, Err(Error::new(ErrorKind::Poisoned, message).with_source(error)));
        }
        let room = plan.room(state.journal.reserve);
        let large = room > self.options.file_bytes;
        while waits && state.making && !large {
            state = self.wait(state);
        }
        // A sync of the background may have failed meanwhile.
        if let Some(error) = self.poisoned() {
            return (state, Err(error));
        }
        let next = match if large { None } else { state.next.take() } {
            Some(next) => Ok(next),
            None => self.make_file(&mut state, room.max(self.options.file_bytes)),
        };
        match next {
            Ok(next) => {
                // Files are written in the order of their numbers: what was made ahead has a number that is too low now.
                if large && let Some(ahead) = state.next.take() {
                    self.put_aside(&mut state, &ahead);
                }
                if let Some(last) = state.journal.current.replace(next) {
                    self.shelf.update(last.number, |about| about.closed = true);
                }
                self.changed.notify_all();
                (state, Ok(()))
            }
            // The file that there is stays, for changes without records.
            Err(error) => (state, Err(full(&error))),
        }
    }

    /// Whether the background has more to do than may wait.
    fn is_behind(&self, state: &State) -> bool {
        self.journal_bytes() > self.options.journal_bytes || state.journal.unsynced.len() >= MOST_UNSYNCED
    }

    /// Bytes of journal files that wait to be sorted.
    fn journal_bytes(&self) -> u64 {
        let all = self.shelf.all();
        let waits = all.iter().filter(|(_, about)| about.kind == FileKind::Journal && !about.adopted);
        waits.map(|(_, about)| self.space(about)).sum()
    }

    /// Bytes that a file takes on the medium: those of a journal were allocated ahead. A storage that is opened and
    /// closed often has many such files with little in them.
    pub(super) fn space(&self, about: &About) -> u64 {
        let whole = about.kind == FileKind::Journal && about.closed && !is_planted("allocated-not-counted");
        if whole { about.bytes.max(self.options.file_bytes) } else { about.bytes }
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

fn full(error: &io::Error) -> Error {
    let message = format!("there is no room for another journal file: {error}");
    Error::new(ErrorKind::Full, message)
}

/// An error for a second reader.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests;
