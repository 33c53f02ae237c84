//! The running machine: what its processes see, and what has happened.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::io::Errno;

use super::content::Content;
use super::fault::{Call, Failure, Fault};
use super::medium::{Event, Inode, Medium};

/// All of it, under one lock.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// What was durable when the machine started.
    pub(super) start: Medium,
    pub(super) events: Vec<Event>,
    names: BTreeMap<Arc<str>, Inode>,
    files: BTreeMap<Inode, Live>,
    next_inode: Inode,
    pub(super) capacity: Option<u64>,
    pub(super) most_handles: Option<usize>,
    pub(super) faults: Vec<Fault>,
    pub(super) calls: BTreeMap<Call, u64>,
}

/// A file as processes see it.
#[derive(Debug, Default)]
struct Live {
    content: Arc<Content>,
    /// Open handles.
    handles: usize,
    named: bool,
}

impl Machine {
    /// Starts on what a medium holds.
    pub(super) fn boot(start: Medium) -> Self {
        let names = start.names.clone();
        let live = |content: &Arc<Content>| Live { content: content.clone(), handles: 0, named: true };
        let files = start.contents.iter().map(|(inode, content)| (*inode, live(content))).collect();
        let next_inode = start.contents.keys().next_back().map_or(0, |last| last + 1);
        Self { start, names, files, next_inode, ..Self::default() }
    }

    /// Goes on with what a medium holds and what is on its way there, which processes see alike.
    pub(super) fn resume(start: Medium) -> Self {
        let mut seen = start.clone();
        for pending in std::mem::take(&mut seen.changes) {
            seen.apply(pending.inode, &pending.change);
        }
        for change in std::mem::take(&mut seen.name_changes) {
            seen.apply_name(&change);
        }
        seen.forget_nameless();
        let next_inode = start.contents.keys().next_back().map_or(0, |last| last + 1);
        Self { start, next_inode, ..Self::boot(seen) }
    }

    /// Counts a call, and says whether it is to fail.
    pub(super) fn enter(&mut self, call: Call, name: &str) -> Option<Failure> {
        *self.calls.entry(call).or_default() += 1;
        // Every fault counts the call, so that two of them do not hide each other.
        self.faults.iter_mut().fold(None, |failure, fault| failure.or(fault.strikes(call, name)))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().map(|name| name.to_string()).collect()
    }

    pub(super) fn find(&self, name: &str) -> io::Result<Inode> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn free(&self) -> u64 {
        let used = self.files.values().fold(0_u64, |used, file| used.saturating_add(file.content.size()));
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used))
    }

    fn live(&mut self, inode: Inode) -> io::Result<&mut Live> {
        self.files.get_mut(&inode).ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn create(&mut self, name: &str, room: u64) -> io::Result<Inode> {
        if self.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if room > self.free() {
            return Err(Failure::NoSpace.into());
        }
        let inode = self.next_inode;
        self.next_inode += 1;
        let name: Arc<str> = name.into();
        self.names.insert(name.clone(), inode);
        let mut content = Content::default();
        content.grow(room);
        self.files.insert(inode, Live { content: Arc::new(content), handles: 0, named: true });
        self.events.push(Event::Create { name, inode });
        if room > 0 {
            self.events.push(Event::Grow { inode, size: room });
        }
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.find(from)?;
        if from == to {
            return Ok(());
        }
        let (from, to): (Arc<str>, Arc<str>) = (from.into(), to.into());
        self.names.remove(&from);
        if let Some(old) = self.names.insert(to.clone(), inode) {
            self.unlink(old);
        }
        self.events.push(Event::Rename { from, to, inode });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let inode = self.find(name)?;
        self.names.remove(name);
        self.unlink(inode);
        self.events.push(Event::Remove { name: name.into() });
        Ok(())
    }

    fn unlink(&mut self, inode: Inode) {
        if let Some(file) = self.files.get_mut(&inode) {
            file.named = false;
        }
        self.collect(inode);
    }

    /// Gives the room back of a file that nobody can reach any more.
    fn collect(&mut self, inode: Inode) {
        if self.files.get(&inode).is_some_and(|file| !file.named && file.handles == 0) {
            self.files.remove(&inode);
        }
    }

    /// Fails where a process has as many handles as it may.
    pub(super) fn may_open(&self) -> io::Result<()> {
        let open: usize = self.files.values().map(|file| file.handles).sum();
        if self.most_handles.is_some_and(|most| open >= most) { Err(Errno::MFILE.into()) } else { Ok(()) }
    }

    pub(super) fn opened(&mut self, inode: Inode) {
        if let Some(file) = self.files.get_mut(&inode) {
            file.handles += 1;
        }
    }

    pub(super) fn closed(&mut self, inode: Inode) {
        if let Some(file) = self.files.get_mut(&inode) {
            file.handles = file.handles.saturating_sub(1);
        }
        self.collect(inode);
    }

    /// Writes; where it fails, or the capacity ends in between, only a first part of the bytes.
    pub(super) fn write(
        &mut self,
        inode: Inode,
        position: u64,
        parts: &[IoSlice<'_>],
        failure: Option<Failure>,
    ) -> io::Result<()> {
        let mut bytes = BytesMut::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let wanted = bytes.len();
        if failure.is_some() {
            bytes.truncate(wanted / 2);
        }
        let fits = self.live(inode)?.content.size().saturating_add(self.free()).saturating_sub(position);
        bytes.truncate(usize::try_from(fits).unwrap_or(usize::MAX));
        let full = failure.is_none() && bytes.len() < wanted;
        if !bytes.is_empty() {
            self.put(inode, position, bytes.freeze())?;
        }
        match failure.or(full.then_some(Failure::NoSpace)) {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn put(&mut self, inode: Inode, position: u64, bytes: Bytes) -> io::Result<()> {
        Arc::make_mut(&mut self.live(inode)?.content).write(position, &bytes);
        self.events.push(Event::Write { inode, position, bytes });
        Ok(())
    }

    pub(super) fn read(&mut self, inode: Inode, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.live(inode)?.content.read(position, buffer))
    }

    pub(super) fn size(&mut self, inode: Inode) -> io::Result<u64> {
        Ok(self.live(inode)?.content.size())
    }

    pub(super) fn flip(&mut self, name: &str, position: u64, bit: u8) -> io::Result<()> {
        let inode = self.find(name)?;
        if !Arc::make_mut(&mut self.live(inode)?.content).flip(position, bit) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.events.push(Event::Flip { inode, position, bit });
        Ok(())
    }
}
