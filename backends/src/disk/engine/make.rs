//! Making journal files.
//!
//! ```text
//!  reserve (under the lock): a number, a place on the shelf, perhaps a file to use again
//!  make    (the slow part):  the file, its room, its name synced
//!  made    (under the lock): it can be written, or the place is taken back
//! ```
//!
//! Numbers are given in order and never twice: where making fails half-way there may be a file of that name. A checkpoint
//! that is taken in between names the file already: one that it did not name, and whose number it calls given, is to a
//! recovery what an older time left behind.

use std::io;
use std::sync::Arc;

use ottla_broker_core::planted::is_planted;

use super::{Engine, State};
use crate::disk::files::File;
use crate::disk::format::{FileKind, journal_name};
use crate::disk::journal::Current;
use crate::disk::shelf::About;

/// A journal file that is to be made.
#[derive(Debug)]
pub(super) struct Reserved {
    number: u64,
    room: u64,
    /// A file that nothing refers to, of the right size.
    spare: Option<String>,
}

/// A file that could not be made.
#[derive(Debug)]
pub(super) struct Failed {
    error: io::Error,
    /// What is there of the usual size, for whoever comes next.
    left: Option<String>,
}

const MADE: About = About { kind: FileKind::Journal, bytes: 0, closed: false, adopted: false };

impl Engine {
    /// A journal file to write, old or new; made while the caller holds the lock.
    pub(super) fn make_file(&self, state: &mut State, room: u64) -> io::Result<Current> {
        let reserved = self.reserve(state, room);
        let made = self.make(&reserved);
        self.made(state, reserved, made)
    }

    pub(super) fn reserve(&self, state: &mut State, room: u64) -> Reserved {
        let number = state.next_file;
        state.next_file += 1;
        let spare = if room == self.options.file_bytes { state.spare.pop() } else { None };
        if !is_planted("journal-file-made-in-secret") {
            self.shelf.add(number, MADE, None);
        }
        Reserved { number, room, spare }
    }

    /// Makes the file and its name durable.
    pub(super) fn make(&self, reserved: &Reserved) -> Result<Arc<dyn File>, Failed> {
        let name = journal_name(reserved.number);
        let files = &self.shelf.files;
        let usual = reserved.room == self.options.file_bytes;
        let file = match &reserved.spare {
            Some(spare) => {
                // What cannot be renamed is not tried again: the next one may be made anew.
                files.rename(spare, &name).map_err(|error| Failed { error, left: None })?;
                files.open(&name, true).map_err(|error| Failed { error, left: Some(name.clone()) })?
            }
            None => files.create(&name, reserved.room).map_err(|error| Failed { error, left: None })?,
        };
        // If this fails it is as if it had never been.
        files.sync_names().map_err(|error| Failed { error, left: usual.then_some(name) })?;
        Ok(file)
    }

    /// Takes in what became of it.
    pub(super) fn made(
        &self,
        state: &mut State,
        reserved: Reserved,
        made: Result<Arc<dyn File>, Failed>,
    ) -> io::Result<Current> {
        let Reserved { number, room, .. } = reserved;
        match made {
            Ok(file) => {
                self.shelf.add(number, MADE, Some(Arc::clone(&file)));
                Ok(Current { number, file, position: 0, room })
            }
            Err(Failed { error, left }) => {
                self.shelf.drop_file(number);
                state.spare.extend(left);
                Err(error)
            }
        }
    }

    /// A file that was made ahead and comes too late: it is used again under another number.
    pub(super) fn put_aside(&self, state: &mut State, file: &Current) {
        self.shelf.drop_file(file.number);
        state.spare.push(journal_name(file.number));
    }
}
