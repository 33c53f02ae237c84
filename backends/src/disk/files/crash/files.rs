//! The directory and its files, as the backend sees them.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::choice::Choice;
use super::fault::{Call, Fault};
use super::machine::Machine;
use super::medium::{Event, Inode, Medium};
use super::trace::{self, Cut, Trace};
use crate::disk::files::{File, Files, name};

/// A directory in memory that remembers everything that happened to it, so that a test can look at what any
/// crash at any moment would have left: [`trace`](Self::trace).
///
/// Clones are the same directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrashFiles {
    machine: Arc<Mutex<Machine>>,
}

/// A file of [`CrashFiles`].
#[derive(Debug)]
struct CrashFile {
    files: CrashFiles,
    name: String,
    inode: Inode,
    writable: bool,
}

impl CrashFiles {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A machine that starts on what a medium holds.
    pub(super) fn boot(medium: Medium) -> Self {
        Self { machine: Arc::new(Mutex::new(Machine::boot(medium))) }
    }

    /// A machine that goes on with what a medium holds, and what is on its way there.
    pub(super) fn resume(medium: Medium) -> Self {
        Self { machine: Arc::new(Mutex::new(Machine::resume(medium))) }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // Whoever panicked did so in a test's thread, between two whole changes.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something in the order of what happens: that a record was acknowledged, say.
    pub(crate) fn note(&self, what: u64) {
        self.machine().events.push(Event::Note(what));
    }

    /// Lets calls fail, beside those that already do.
    pub(crate) fn fail(&self, fault: Fault) {
        self.machine().faults.push(fault);
    }

    /// Lets all calls succeed again.
    pub(crate) fn heal(&self) {
        self.machine().faults.clear();
    }

    /// Lets the files together be this large, in bytes, and no larger. None, as it begins: without a bound.
    /// What is there already stays.
    pub(crate) fn set_capacity(&self, capacity: Option<u64>) {
        self.machine().capacity = capacity;
    }

    /// Lets so many files be open at a time, and no more. None, as it begins: without a bound.
    pub(crate) fn set_most_handles(&self, most: Option<usize>) {
        self.machine().most_handles = most;
    }

    /// How often something was asked, with success or without.
    pub(crate) fn calls(&self, call: Call) -> u64 {
        self.machine().calls.get(&call).copied().unwrap_or_default()
    }

    /// Turns one bit over, durably, as bit rot does.
    ///
    /// # Errors
    ///
    /// `NotFound` without such a file, `UnexpectedEof` where it ends before that byte.
    pub(crate) fn flip_bit(&self, name: &str, byte: u64, bit: u8) -> io::Result<()> {
        self.machine().flip(name, byte, bit)
    }

    /// What happened until now.
    pub(crate) fn trace(&self) -> Trace {
        let machine = self.machine();
        Trace::new(machine.start.clone(), machine.events.clone())
    }

    /// What a crash now leaves. This directory goes on as if nothing had happened, like a process that does
    /// not know yet.
    pub(crate) fn crash(&self, choice: Choice) -> Self {
        let trace = self.trace();
        trace.image(trace.end(), choice)
    }

    /// How many things have happened.
    pub(crate) fn moment(&self) -> usize {
        self.machine().events.len()
    }

    /// What a crash at a moment leaves, and what it takes. For one crash of many runs: a [`Trace`] is for many crashes
    /// of one.
    pub(crate) fn cut(&self, moment: usize, choice: Choice) -> (Self, Cut) {
        let machine = self.machine();
        trace::cut(machine.start.clone(), &machine.events, moment, choice)
    }

    fn handle(&self, machine: &mut Machine, name: &str, inode: Inode, writable: bool) -> Arc<dyn File> {
        machine.opened(inode);
        Arc::new(CrashFile { files: self.clone(), name: name.to_owned(), inode, writable })
    }

    /// Counts a call; fails if it is to.
    fn enter(&self, call: Call, name: &str) -> io::Result<MutexGuard<'_, Machine>> {
        let mut machine = self.machine();
        match machine.enter(call, name) {
            None => Ok(machine),
            Some(failure) => Err(failure.into()),
        }
    }
}

impl Files for CrashFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.enter(Call::List, "")?.names())
    }

    fn create(&self, name: &str, room: u64) -> io::Result<Arc<dyn File>> {
        name::check(name)?;
        let mut machine = self.enter(Call::Create, name)?;
        machine.may_open()?;
        let inode = machine.create(name, room)?;
        Ok(self.handle(&mut machine, name, inode, true))
    }

    fn open(&self, name: &str, writable: bool) -> io::Result<Arc<dyn File>> {
        name::check(name)?;
        let mut machine = self.enter(Call::Open, name)?;
        let inode = machine.find(name)?;
        machine.may_open()?;
        Ok(self.handle(&mut machine, name, inode, writable))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        name::check(from)?;
        name::check(to)?;
        self.enter(Call::Rename, from)?.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        name::check(name)?;
        self.enter(Call::Remove, name)?.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.enter(Call::SyncNames, "")?.events.push(Event::SyncNames);
        Ok(())
    }
}

impl File for CrashFile {
    fn write_at(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        if !self.writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let mut machine = self.files.machine();
        let failure = machine.enter(Call::Write, &self.name);
        machine.write(self.inode, position, parts, failure)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.files.enter(Call::Read, &self.name)?.read(self.inode, position, buffer)
    }

    fn sync(&self) -> io::Result<()> {
        let mut machine = self.files.machine();
        let inode = self.inode;
        match machine.enter(Call::Sync, &self.name) {
            None => {
                machine.events.push(Event::Sync { inode });
                Ok(())
            }
            Some(failure) => {
                machine.events.push(Event::SyncFailed { inode });
                Err(failure.into())
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.files.enter(Call::Size, &self.name)?.size(self.inode)
    }
}

impl Drop for CrashFile {
    fn drop(&mut self) {
        self.files.machine().closed(self.inode);
    }
}
