//! The rounds of the background: the next file, compaction, checkpoints.

use std::collections::BTreeSet;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_broker_core::planted::is_planted;

use super::{Engine, MOST_SPARE, MOST_UNSYNCED, State, again};
use crate::disk::checkpoints;
use crate::disk::format::{Checkpoint, FileEntry, FileKind, checkpoint_name};
use crate::disk::journal::Written;
use crate::disk::options::Level;
use crate::disk::shelf::{self, About};

/// How often a full disk is looked at again: room that others give back announces itself to nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What a checkpoint is made of, taken between two groups.
#[derive(Debug)]
struct Taken {
    number: u64,
    bytes: Vec<u8>,
    /// Bytes of the journal since the checkpoint before.
    since: u64,
    /// Files that nothing refers to.
    dead: Vec<(u64, About)>,
}

impl Engine {
    /// Prepares, compacts and checkpoints until [`end`](Self::end).
    pub(in crate::disk) fn tend_all(&self) {
        // Once poisoned, nothing is written that a recovery would trust.
        while !self.lock().ended && self.poisoned().is_none() {
            let outcome = self.tend();
            let mut state = self.lock();
            state.troubled = outcome.is_err();
            if let Err(error) = outcome {
                tracing::warn!(%error, "the background work of the storage failed; it will be tried again");
                self.changed.notify_all();
                if !state.ended {
                    drop(self.changed.wait_timeout(state, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner));
                }
            } else if !state.ended && !self.has_work(&state) {
                drop(self.wait(state));
            }
        }
    }

    fn has_work(&self, state: &State) -> bool {
        state.next.is_none() || state.trimmed || self.wants_checkpoint(state) || self.wants_compaction()
    }

    /// A recovery goes through what was written since. At the level `os` a checkpoint costs more: it is durable, and so
    /// has to be all before it, which until then is the operating system's to write when it sees fit.
    fn wants_checkpoint(&self, state: &State) -> bool {
        match self.options.level {
            Level::Fsync => state.since_checkpoint >= self.options.file_bytes,
            Level::Os => {
                state.since_checkpoint >= self.options.journal_bytes
                    || state.journal.unsynced.len() >= MOST_UNSYNCED / 2
            }
        }
    }

    fn wants_compaction(&self) -> bool {
        self.journal_bytes() >= self.options.journal_bytes / 2 && self.has_closed_journal()
    }

    fn has_closed_journal(&self) -> bool {
        self.shelf.all().iter().any(|(_, about)| about.kind == FileKind::Journal && about.closed && !about.adopted)
    }

    /// One round of background work.
    pub(in crate::disk) fn tend(&self) -> io::Result<()> {
        // A full disk does not keep the compactor from giving room back.
        let prepared = self.prepare();
        let (due, trimmed) = {
            let mut state = self.lock();
            let trimmed = std::mem::take(&mut state.trimmed);
            (self.wants_checkpoint(&state), trimmed)
        };
        // What is dead goes first: the compactor may need its room.
        let clears = trimmed && self.has_dead();
        if clears && let Err(error) = self.checkpoint(false) {
            // Room is still to be given back.
            self.lock().trimmed = true;
            return Err(error);
        }
        let sorts = self.wants_compaction();
        let sorted = if sorts { self.compact() } else { Ok(false) };
        let outcome = sorted.and_then(|saved| {
            let wanted = due && !clears || sorts && self.has_dead();
            if wanted && !saved { self.checkpoint(false) } else { Ok(()) }
        });
        prepared.or_else(|_| self.prepare()).and(outcome)
    }

    /// Has the next journal file ready.
    fn prepare(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.next.is_some() || state.ended {
            self.core.queue.accept();
            return Ok(());
        }
        let reserved = self.reserve(&mut state, self.options.file_bytes);
        state.making = true;
        // To allocate a file and to sync its name takes milliseconds, and the writer has work.
        let (made, mut state) = if is_planted("journal-file-made-under-lock") {
            (self.make(&reserved), state)
        } else {
            drop(state);
            (self.make(&reserved), self.lock())
        };
        state.making = false;
        let outcome = match self.made(&mut state, reserved, made) {
            Ok(next) => {
                // A batch that needed a file of its own was written meanwhile, and files are written in their order.
                let late = state.journal.current.as_ref().is_some_and(|current| current.number > next.number);
                if late && !is_planted("journal-file-behind-its-number") {
                    self.put_aside(&mut state, &next);
                } else {
                    state.next = Some(next);
                }
                self.core.queue.accept();
                Ok(())
            }
            Err(error) => Err(error),
        };
        drop(state);
        self.changed.notify_all();
        outcome
    }

    fn has_dead(&self) -> bool {
        let used = self.used_files();
        self.shelf.all().iter().any(|(number, about)| about.closed && !used.contains(number))
    }

    fn used_files(&self) -> BTreeSet<u64> {
        self.core.logs().iter().flat_map(|log| log.files()).collect()
    }

    /// Makes all that was applied the beginning of the next recovery, and gives back files that nothing refers to.
    pub(in crate::disk) fn checkpoint(&self, clean: bool) -> io::Result<()> {
        self.wanted.store(true, Ordering::Release);
        let mut state = self.lock();
        self.wanted.store(false, Ordering::Release);
        if let Some(error) = self.poisoned() {
            return Err(io::Error::other(error));
        }
        let (taken, written) = (self.take(&mut state, clean), state.journal.written());
        drop(state);
        self.changed.notify_all();
        if !is_planted("checkpoint-before-its-data") {
            self.settle(&written)?;
        }
        if let Err(error) = self.save(&taken) {
            // It is still due.
            self.lock().since_checkpoint += taken.since;
            return Err(error);
        }
        self.counts.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.counts.checkpoint_bytes.fetch_add(taken.bytes.len() as u64, Ordering::Relaxed);
        let mut state = self.lock();
        for (number, about) in taken.dead {
            self.shelf.drop_file(number);
            let name = shelf::name(number, about.kind);
            let reusable = about.kind == FileKind::Journal && state.spare.len() < MOST_SPARE && !clean;
            if reusable && self.is_of_usual_size(&name) {
                state.spare.push(name);
            } else {
                self.shelf.files.remove(&name)?;
            }
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    pub(super) fn is_of_usual_size(&self, name: &str) -> bool {
        self.shelf
            .files
            .open(name, false)
            .and_then(|file| file.size())
            .is_ok_and(|size| size == self.options.file_bytes)
    }

    /// Has durable what a checkpoint is about to call so, while the writer goes on. Or never again: a sync that failed may
    /// seem to succeed when it is asked anew.
    fn settle(&self, written: &Written) -> io::Result<()> {
        for file in &written.files {
            file.sync().inspect_err(|error| {
                if !is_planted("checkpoint-syncs-again") {
                    self.poison("the journal could not be synced", again(error));
                }
            })?;
            // The writer may have filled a file meanwhile, and does not want to make the next one itself. What fails here is
            // tried again soon, and told then.
            let _ = self.prepare();
        }
        self.lock().journal.synced(written);
        self.changed.notify_all();
        Ok(())
    }

    /// The state between two groups.
    fn take(&self, state: &mut State, clean: bool) -> Taken {
        let saved: Vec<_> = self.core.logs().iter().map(|log| log.saved()).collect();
        let used: BTreeSet<u64> = saved.iter().flat_map(|log| &log.extents).map(|extent| extent.file).collect();
        let (alive, dead): (Vec<_>, Vec<_>) =
            self.shelf.all().into_iter().partition(|(number, about)| !about.closed || used.contains(number));
        let files = alive.into_iter().map(|(number, about)| FileEntry {
            number,
            kind: about.kind,
            bytes: about.bytes,
            closed: about.closed,
            adopted: about.adopted,
        });
        let checkpoint = Checkpoint {
            storage: state.journal.storage,
            incarnation: state.journal.incarnation,
            clean,
            next_chunk: state.journal.next_chunk,
            next_file: state.next_file,
            files: files.collect(),
            logs: saved,
        };
        let since = std::mem::take(&mut state.since_checkpoint);
        let number = state.next_checkpoint;
        state.next_checkpoint += 1;
        Taken { number, bytes: checkpoint.encode(), since, dead }
    }

    /// Writes a checkpoint in place of the one before.
    fn save(&self, taken: &Taken) -> io::Result<()> {
        checkpoints::save(&*self.shelf.files, &checkpoint_name(taken.number), &taken.bytes)?;
        checkpoints::remove_older(&*self.shelf.files, taken.number)
    }

    /// The number of a new file that is no journal.
    pub(in crate::disk) fn new_number(&self) -> u64 {
        let mut state = self.lock();
        state.next_file += 1;
        state.next_file - 1
    }

    /// Tells the background to end.
    pub(in crate::disk) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}
