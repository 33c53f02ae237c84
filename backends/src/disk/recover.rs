//! From a directory to the logs that it holds: the newest checkpoint, and the journal after it.
//!
//! The journal is a chain: each chunk has the number after that of the one before, in the same file or at the beginning
//! of the next. Recovery takes what follows without a gap. Where the chain breaks there may have been a write that
//! the crash cut short; then nothing says that what is missing had ever been durable. If a later chunk (or file) does say
//! so, it is damage: that is reported, and nothing is changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;
use uuid::Uuid;

use super::checkpoints;
use super::files::{File, Files};
use super::format::{Checkpoint, FILE_HEADER_BYTES, FileHeader, FileKind, Name, journal_name, temporary_name};
use super::shelf::{About, Shelf, name};
use crate::engine::{Applied, Core, HEADER_BYTES, Header, Key, Log, decode_chunk, find_later};

/// How much is copied at a time.
const COPIED: usize = 1 << 20;

/// Where a storage goes on.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) storage: Uuid,
    pub(super) incarnation: u64,
    pub(super) next_chunk: u64,
    pub(super) next_file: u64,
    pub(super) next_checkpoint: u64,
    /// Journal files that nothing refers to.
    pub(super) unused: Vec<String>,
}

/// A journal file that may go on where the checkpoint ends.
#[derive(Debug)]
struct Candidate {
    number: u64,
    /// Where the checkpoint ends in it; 0 if it covers nothing of it.
    from: u64,
}

/// The files of the journal. One is open at a time: after a crash there may be more of them than a process may open.
#[derive(Clone, Copy)]
struct Source<'a> {
    files: &'a dyn Files,
    /// They are written to, perhaps, once they were read: one that cannot be is refused before anything was changed.
    writable: bool,
}

impl Source<'_> {
    fn open(self, number: u64) -> Result<Arc<dyn File>, Error> {
        let name = journal_name(number);
        let file = self.files.open(&name, self.writable);
        file.map_err(|error| unavailable(&format!("`{name}` cannot be opened"), error))
    }
}

/// Fills `core` and `shelf` from the directory. `storage` is what a new storage is called. With `mends` what a crash
/// left behind is synced and removed; without it nothing is written.
pub(super) fn recover(core: &Core, shelf: &Shelf, storage: Uuid, mends: bool) -> Result<Recovered, Error> {
    let files = &*shelf.files;
    let names = files.list().map_err(|error| unavailable("the directory cannot be listed", error))?;
    let names: Vec<(String, Name)> = names.into_iter().map(|name| (name.clone(), Name::parse(&name))).collect();
    let newest =
        checkpoints::newest(files).map_err(|error| unavailable("the newest checkpoint cannot be read", error))?;
    let (checkpoint, number) = match newest {
        Some((number, bytes)) => {
            let decoded = Checkpoint::decode(&bytes);
            let checkpoint = decoded.map_err(|bad| corrupt(format!("checkpoint {number} cannot be used: {bad}")))?;
            (checkpoint, number)
        }
        None => match names.iter().find(|(_, name)| matches!(name, Name::Journal(_) | Name::Segment(_))) {
            None => (empty(storage), 0),
            Some((name, _)) => {
                return Err(corrupt(format!("there is `{name}` and no checkpoint, without which it cannot be read")));
            }
        },
    };
    for log in checkpoint.logs.iter().cloned() {
        core.insert(Log::restored(log));
    }
    let mut candidates = Vec::new();
    let mut listed = BTreeMap::new();
    for file in &checkpoint.files {
        let known = name(file.number, file.kind);
        listed.insert(known.clone(), file.number);
        let exists = names.iter().any(|(name, _)| *name == known);
        if !exists {
            if file.bytes == 0 {
                continue; // it was made ahead, and never used
            }
            return Err(corrupt(format!("`{known}` is missing, which checkpoint {number} refers to")));
        }
        let about = About { kind: file.kind, bytes: file.bytes, closed: true, adopted: file.adopted };
        if file.closed {
            shelf.add(file.number, about, None);
        } else {
            candidates.push((file.number, file.bytes));
        }
    }
    let newer = names.iter().filter_map(|(_, name)| match name {
        Name::Journal(number) if *number >= checkpoint.next_file => Some((*number, 0)),
        _ => None,
    });
    candidates.extend(newer);
    candidates.sort_unstable();
    let candidates: Vec<_> = candidates.into_iter().map(|(number, from)| Candidate { number, from }).collect();
    let source = Source { files, writable: mends };
    let Chain { next_chunk, ends, doubtful } = Replay { core, checkpoint: &checkpoint, source }.run(&candidates)?;

    let mut unused = Vec::new();
    for candidate in &candidates {
        match ends.get(&candidate.number) {
            Some(end) => {
                if mends && *end > candidate.from && !is_planted("disk-recovery-not-synced") {
                    // It was read from the page cache, perhaps: what is served must be durable.
                    let file = source.open(candidate.number)?;
                    let durable = if doubtful.contains(&candidate.number) {
                        make_durable(files, &journal_name(candidate.number), &*file, *end)
                    } else {
                        file.sync()
                    };
                    durable.map_err(|error| unavailable("what was recovered cannot be made durable", error))?;
                }
                let about = About { kind: FileKind::Journal, bytes: *end, closed: true, adopted: false };
                shelf.add(candidate.number, about, None);
            }
            None => unused.push(journal_name(candidate.number)),
        }
    }
    let mut next_file = checkpoint.next_file;
    for (file, parsed) in &names {
        match parsed {
            Name::Journal(number) => {
                next_file = next_file.max(number + 1);
                if !listed.contains_key(file) && *number < checkpoint.next_file {
                    unused.push(file.clone());
                }
            }
            // What a crash left of a compaction or of a checkpoint.
            Name::Segment(number) => {
                next_file = next_file.max(number + 1);
                if mends && !listed.contains_key(file) {
                    remove(files, file)?;
                }
            }
            Name::Temporary if mends => remove(files, file)?,
            _ => {}
        }
    }
    Ok(Recovered {
        storage: checkpoint.storage,
        incarnation: checkpoint.incarnation,
        next_chunk,
        next_file,
        next_checkpoint: number + 1,
        unused,
    })
}

fn empty(storage: Uuid) -> Checkpoint {
    let (files, logs) = (Vec::new(), Vec::new());
    Checkpoint { storage, incarnation: 0, clean: true, next_chunk: 1, next_file: 1, files, logs }
}

fn remove(files: &dyn Files, name: &str) -> Result<(), Error> {
    checkpoints::remove(files, name).map_err(|error| unavailable(&format!("`{name}` cannot be removed"), error))
}

struct Replay<'a> {
    core: &'a Core,
    checkpoint: &'a Checkpoint,
    source: Source<'a>,
}

/// What a chunk changes, in order.
type Changes = Vec<(Key, Applied)>;

/// What recovery followed.
#[derive(Debug)]
struct Chain {
    /// The number of the chunk that comes next.
    next_chunk: u64,
    /// Where it ends in each file.
    ends: BTreeMap<u64, u64>,
    /// Files with chunks of which nothing says that they are durable.
    doubtful: BTreeSet<u64>,
}

/// Why a chunk is not the next of the chain.
#[derive(Debug)]
enum Broken {
    Bad(String),
    /// It is whole, and of a format that this release does not know: nothing that may be dropped.
    Version(String),
    Io(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(what) | Self::Version(what) => f.write_str(what),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl Replay<'_> {
    /// Applies the chain.
    fn run(&self, candidates: &[Candidate]) -> Result<Chain, Error> {
        let mut expected = self.checkpoint.next_chunk;
        let mut ends = BTreeMap::new();
        // Chunks that none of those after them calls durable: number, file.
        let mut doubtful: VecDeque<(u64, u64)> = VecDeque::new();
        // Where and why the chain broke: at first at its end, if nothing was written after the checkpoint.
        let mut broken: Option<(usize, u64, Broken)> = None;
        let mut kept = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let file = self.source.open(candidate.number)?;
            kept.extend(is_planted("recovery-keeps-files-open").then(|| Arc::clone(&file)));
            let mut position = candidate.from;
            if position == 0 {
                match self.header(candidate, &*file, expected)? {
                    Ok(()) => position = FILE_HEADER_BYTES as u64,
                    Err(why) => {
                        if broken.is_none() {
                            broken = Some((index, 0, why));
                        }
                        // It may have been made ahead and never written, while a larger one was. The numbers of the
                        // chunks are the judge.
                        if is_planted("disk-recovery-stops-at-empty-file") {
                            break;
                        }
                        continue;
                    }
                }
            }
            broken = loop {
                match self.chunk(candidate, &*file, position, expected) {
                    Ok((changes, bytes, durable)) => {
                        self.apply(changes)?;
                        while doubtful.pop_front_if(|(number, ..)| *number < durable).is_some() {}
                        doubtful.push_back((expected, candidate.number));
                        expected += 1;
                        position = (position + bytes).next_multiple_of(8);
                    }
                    Err(Broken::Io(error)) => {
                        let what = format!("`{}` cannot be read", journal_name(candidate.number));
                        return Err(unavailable(&what, error));
                    }
                    Err(Broken::Version(what)) if !is_planted("chunk-version-taken-for-torn") => {
                        let name = journal_name(candidate.number);
                        return Err(corrupt(format!("`{name}` cannot be read from byte {position} on: {what}")));
                    }
                    Err(why) => break Some((index, position, why)),
                }
            };
            ends.insert(candidate.number, position);
        }
        if let Some((index, position, why)) = broken {
            self.refuse_damage(candidates, index, position, expected, &why)?;
        }
        let doubtful = doubtful.into_iter().map(|(_, file)| file).collect();
        Ok(Chain { next_chunk: expected, ends, doubtful })
    }

    /// Whether a file goes on with chunk `expected`.
    fn header(&self, candidate: &Candidate, file: &dyn File, expected: u64) -> Result<Result<(), Broken>, Error> {
        let name = journal_name(candidate.number);
        let bytes = read(file, 0, FILE_HEADER_BYTES);
        let bytes = bytes.map_err(|error| unavailable(&format!("`{name}` cannot be read"), error))?;
        let header = match FileHeader::parse(&bytes) {
            Ok(header) => header,
            Err(bad) if bad.is_version() => return Err(corrupt(format!("`{name}` cannot be read: {bad}"))),
            Err(bad) => return Ok(Err(Broken::Bad(bad.to_string()))),
        };
        if header.storage != self.checkpoint.storage {
            return Err(corrupt(format!("`{name}` belongs to another storage, {}", header.storage)));
        }
        if header.incarnation != self.checkpoint.incarnation {
            return Ok(Err(Broken::Bad(format!("it is of an older time, {}", header.incarnation))));
        }
        if header.file != candidate.number || header.first_chunk != expected {
            return Ok(Err(Broken::Bad(format!("it begins with chunk {}, not {expected}", header.first_chunk))));
        }
        Ok(Ok(()))
    }

    /// Reads the chunk at `position`: its changes, its bytes, and up to which chunk it calls the others durable.
    fn chunk(
        &self,
        candidate: &Candidate,
        file: &dyn File,
        position: u64,
        expected: u64,
    ) -> Result<(Changes, u64, u64), Broken> {
        let bad = |bad: crate::engine::chunk::Bad| {
            if bad.is_version() { Broken::Version(bad.to_string()) } else { Broken::Bad(bad.to_string()) }
        };
        let header = Header::parse(&read(file, position, HEADER_BYTES).map_err(Broken::Io)?).map_err(bad)?;
        if header.number != expected || header.incarnation != self.checkpoint.incarnation {
            return Err(Broken::Bad(format!("there is chunk {} of an older time", header.number)));
        }
        // A length beyond the file allocates nothing.
        let size = file.size().map_err(Broken::Io)?;
        if position.saturating_add(header.total_bytes()) > size {
            return Err(Broken::Bad("a chunk goes on after the end of its file".to_owned()));
        }
        let length = usize::try_from(header.total_bytes()).map_err(|error| Broken::Bad(error.to_string()))?;
        let bytes = read(file, position, length).map_err(Broken::Io)?;
        let (_, changes) = decode_chunk(&bytes, candidate.number, position).map_err(bad)?;
        Ok((changes, header.total_bytes(), header.durable))
    }

    fn apply(&self, changes: Vec<(Key, Applied)>) -> Result<(), Error> {
        for (key, change) in changes {
            let log = self.core.get_or_create(key);
            if let Applied::Batch(extent) = &change
                && extent.base < log.bounds().end
            {
                let what = format!("the journal has offset {} of {key} a second time", extent.base);
                return Err(corrupt(what));
            }
            let removed = matches!(change, Applied::Remove);
            log.apply(self.core, [change]);
            if removed {
                self.core.forget(&log);
            }
        }
        Ok(())
    }

    /// The chain ends at `expected`. Looks for a sign that this chunk had been durable.
    fn refuse_damage(
        &self,
        candidates: &[Candidate],
        index: usize,
        position: u64,
        expected: u64,
        why: &Broken,
    ) -> Result<(), Error> {
        let Some(place) = candidates.get(index) else { return Ok(()) };
        let damaged = |sign: String| {
            let name = journal_name(place.number);
            corrupt(format!("`{name}` is damaged from byte {position} on ({why}): {sign}"))
        };
        for (offset, candidate) in candidates.iter().skip(index).enumerate() {
            let name = journal_name(candidate.number);
            let from = if offset == 0 { position } else { 0 };
            let file = self.source.open(candidate.number)?;
            let size = file.size();
            let size = size.and_then(|size| usize::try_from(size.saturating_sub(from)).map_err(io::Error::other));
            let bytes = size.and_then(|size| read(&*file, from, size));
            let bytes = bytes.map_err(|error| unavailable(&format!("`{name}` cannot be read"), error))?;
            let header = FileHeader::parse(&bytes).ok().filter(|header| offset > 0 && header.file == candidate.number);
            if let Some(header) = header
                && header.incarnation == self.checkpoint.incarnation
                && header.durable > expected
            {
                return Err(damaged(format!("`{name}` says that it was durable once")));
            }
            let mut rest = &bytes[..];
            while let Some((at, header)) = find_later(rest, self.checkpoint.incarnation, expected) {
                if header.durable > expected {
                    let sign = format!("chunk {} in `{name}` says that it was durable once", header.number);
                    return Err(damaged(sign));
                }
                // Chunks are aligned in the file; so is what is left of it.
                rest = rest.get(at + 8..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Makes durable what was read from a file up to `end`.
///
/// A sync alone is not enough where one failed before: an operating system may hold the bytes for clean since, serve them
/// from its cache, and write nothing (fsyncgate). And they may be acknowledged and durable, so that writing them over is no
/// better. So a copy takes the file's place, whole.
fn make_durable(files: &dyn Files, name: &str, file: &dyn File, end: u64) -> io::Result<()> {
    if is_planted("disk-recovery-trusts-page-cache") {
        return file.sync();
    }
    match copy(files, name, file, end) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            checkpoints::remove(files, &temporary_name(name))?;
            tracing::warn!(%error, file = name, "a full disk: what was recovered is synced where it is");
            file.sync()
        }
        Err(error) => Err(error),
    }
}

fn copy(files: &dyn Files, name: &str, file: &dyn File, end: u64) -> io::Result<()> {
    let temporary = temporary_name(name);
    checkpoints::remove(files, &temporary)?;
    let copy = files.create(&temporary, file.size()?)?;
    let mut position = 0;
    while position < end {
        let bytes = read(file, position, usize::try_from(end - position).unwrap_or(COPIED).min(COPIED))?;
        if bytes.is_empty() {
            break;
        }
        copy.write_at(position, &mut [IoSlice::new(&bytes)])?;
        position += bytes.len() as u64;
    }
    copy.sync()?;
    files.rename(&temporary, name)?;
    files.sync_names()
}

/// Up to `bytes` bytes; fewer at the end of the file.
pub(super) fn read(file: &dyn File, position: u64, bytes: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; bytes];
    let length = file.read_at(position, &mut buffer)?;
    buffer.truncate(length);
    Ok(Bytes::from(buffer))
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

fn unavailable(message: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, message.to_owned()).with_source(error)
}
