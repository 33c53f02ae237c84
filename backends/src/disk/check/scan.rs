//! Reading one file from its first byte to its last, and comparing it with what the index says of it.

use std::io;

use ottla_broker_core::Offset;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;
use uuid::Uuid;

use super::report::{Damage, LogName};
use crate::disk::files::File;
use crate::disk::format::{FILE_HEADER_BYTES, FileHeader};
use crate::disk::recover::read;
use crate::disk::shelf::About;
use crate::engine::{Entry, Extent, HEADER_BYTES, Header, Items, Key, Run, decode_directory, find_later, item_bytes};

/// A piece of a log that the index has in this file, and what was found there.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) key: Key,
    pub(super) extent: Extent,
    pub(super) seen: Seen,
}

/// What was found where an extent is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Batches that are part of the log.
    pub(super) batches: u64,
    pub(super) gaps: u64,
    /// One past the last offset of those.
    last: Option<Offset>,
    /// Bytes of all batches, also of those that a truncation cut off.
    bytes: u64,
    max_timestamp: Option<i64>,
    /// Something is wrong, and was told.
    bad: bool,
}

/// Reads a file.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) name: &'a str,
    pub(super) number: u64,
    pub(super) storage: Uuid,
    pub(super) about: About,
    pub(super) file: &'a dyn File,
    /// In the order of their positions.
    pub(super) pieces: &'a mut [Piece],
    pub(super) damage: &'a mut Vec<Damage>,
    pub(super) chunks: u64,
    pub(super) batches: u64,
}

/// What all of a chunk's checks need.
struct Chunk {
    header: Header,
    entries: Vec<Entry>,
    /// Where its data begins.
    data: u64,
}

impl Scan<'_> {
    /// Reads all of the file that is in use.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let size = self.file.size()?;
        // Where the next chunk would begin counts as used, and that may lie a few bytes behind the end.
        if size.next_multiple_of(8) < self.about.bytes {
            let what = format!("the file has {size} bytes, and {} were written", self.about.bytes);
            self.tell(Some(size), what);
        }
        if self.about.bytes > 0 {
            let incarnation = self.header()?;
            self.walk(incarnation, size.min(self.about.bytes))?;
        }
        self.settle()
    }

    /// Checks the file's header; returns its incarnation if it is good.
    fn header(&mut self) -> io::Result<Option<u64>> {
        let header = match FileHeader::parse(&read(self.file, 0, FILE_HEADER_BYTES)?) {
            Ok(header) => header,
            Err(bad) => {
                self.tell(Some(0), bad.to_string());
                return Ok(None);
            }
        };
        if header.storage != self.storage {
            self.tell(Some(8), format!("the file belongs to another storage, {}", header.storage));
        }
        if header.file != self.number || header.kind != self.about.kind {
            let what = format!("the file was written as {:?} {} and has another name now", header.kind, header.file);
            self.tell(Some(0), what);
        }
        Ok(Some(header.incarnation))
    }

    /// Goes from chunk to chunk.
    fn walk(&mut self, incarnation: Option<u64>, end: u64) -> io::Result<()> {
        let mut position = FILE_HEADER_BYTES as u64;
        let mut before: Option<Header> = None;
        while position + HEADER_BYTES as u64 <= end {
            match self.chunk(position, end)? {
                Ok(chunk) => {
                    let header = chunk.header;
                    if incarnation.is_some_and(|incarnation| incarnation != header.incarnation)
                        || before.is_some_and(|before| before.number + 1 != header.number)
                    {
                        let Header { number, incarnation, .. } = header;
                        self.tell(
                            Some(position),
                            format!("chunk {number} of incarnation {incarnation} is out of turn"),
                        );
                    }
                    self.chunks += 1;
                    self.runs(&chunk)?;
                    before = Some(header);
                    position = (position + header.total_bytes()).next_multiple_of(8);
                }
                Err(what) => {
                    self.tell(Some(position), what);
                    // The next good chunk goes on; what the index has between is read piece by piece.
                    let from = position + 8;
                    let rest = read(self.file, from, usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX))?;
                    let least = before.map_or(0, |before| before.number + 1);
                    let incarnation = before.map(|before| before.incarnation).or(incarnation).unwrap_or(0);
                    let Some((at, found)) = find_later(&rest, incarnation, least) else { return Ok(()) };
                    position = from + at as u64;
                    before = found.number.checked_sub(1).map(|number| Header { number, ..found });
                }
            }
        }
        if position < end {
            self.tell(Some(position), "the last chunk is cut off".to_owned());
        }
        Ok(())
    }

    /// The header and the directory of the chunk at `position`.
    fn chunk(&self, position: u64, end: u64) -> io::Result<Result<Chunk, String>> {
        let header = match Header::parse(&read(self.file, position, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(bad) => return Ok(Err(bad.to_string())),
        };
        if position.saturating_add(header.total_bytes()) > end {
            return Ok(Err(format!("chunk {} goes on after the end of what was written", header.number)));
        }
        let directory = position + HEADER_BYTES as u64;
        let bytes = read(self.file, directory, header.directory_bytes as usize)?;
        Ok(match decode_directory(&header, &bytes) {
            Ok(entries) => Ok(Chunk { header, entries, data: directory + u64::from(header.directory_bytes) }),
            Err(bad) => Err(bad.to_string()),
        })
    }

    fn runs(&mut self, chunk: &Chunk) -> io::Result<()> {
        let mut position = chunk.data;
        for entry in &chunk.entries {
            if let Entry::Run(run) = entry {
                self.run_of(run, position)?;
                position += u64::from(run.bytes);
            }
        }
        Ok(())
    }

    /// Reads the items of a run.
    fn run_of(&mut self, run: &Run, position: u64) -> io::Result<()> {
        let bytes = read(self.file, position, run.bytes as usize)?;
        let (mut next, mut count, mut max) = (run.base, 0, i64::MIN);
        for item in Items::new(&run.key, bytes) {
            match item {
                Ok((within, batch)) => {
                    if batch.base_offset() < next || (count == 0 && batch.base_offset() != run.base) {
                        let what = format!("offset {} does not follow {next}", batch.base_offset());
                        self.tell_of(position + u64::from(within), &run.key, next, what);
                    }
                    self.batches += 1;
                    self.meet(&run.key, position + u64::from(within), &batch);
                    (next, count, max) = (batch.next_offset(), count + 1, max.max(batch.max_timestamp()));
                }
                Err(bad) => {
                    // Items tell where they end, not where the damaged one begins: that is where the last one ended.
                    let at = self.end_of_last(position, count, run);
                    self.tell_of(at, &run.key, next, bad.to_string());
                    self.spoil(position, position + u64::from(run.bytes), at);
                    return Ok(());
                }
            }
        }
        if (next, count, max) != (run.next, run.batches, run.max_timestamp) {
            let what = format!(
                "a run is said to hold {} batches up to offset {} and time {}, and holds {count} up to {next} and {max}",
                run.batches, run.next, run.max_timestamp
            );
            self.tell_of(position, &run.key, run.base, what);
        }
        Ok(())
    }

    /// Where the items of a run that could be read end.
    fn end_of_last(&self, position: u64, count: u32, run: &Run) -> u64 {
        let Ok(bytes) = read(self.file, position, run.bytes as usize) else { return position };
        let good = Items::new(&run.key, bytes).map_while(Result::ok).take(count as usize);
        good.last().map_or(position, |(within, batch)| position + u64::from(within) + item_bytes(&batch) as u64)
    }

    /// Notes a batch with the piece that it is in, if the index has any there.
    fn meet(&mut self, key: &Key, position: u64, batch: &Batch) {
        let at = self.pieces.partition_point(|piece| piece.extent.position <= position);
        let Some(piece) = at.checked_sub(1).and_then(|at| self.pieces.get_mut(at)) else { return };
        let end = position + item_bytes(batch) as u64;
        if position >= piece.extent.position + u64::from(piece.extent.bytes) {
            return; // no part of a log any more
        }
        if let Some(what) = piece.meet(key, position, end, batch)
            && !std::mem::replace(&mut piece.seen.bad, true)
        {
            let (key, base) = (piece.key, piece.extent.base);
            self.tell_of(position, &key, base, what);
        }
    }

    /// The pieces between `from` and `until` that end after `at` are damaged, and that was told.
    fn spoil(&mut self, from: u64, until: u64, at: u64) {
        for piece in self.pieces.iter_mut() {
            let Extent { position, bytes, .. } = piece.extent;
            if position >= from && position < until && position + u64::from(bytes) > at {
                piece.seen.bad = true;
            }
        }
    }

    /// Looks at each piece that the index has here: was it met as a whole?
    fn settle(&mut self) -> io::Result<()> {
        for index in 0..self.pieces.len() {
            let Some(mut piece) = self.pieces.get(index).cloned() else { break };
            if piece.seen.bad || is_planted("check-skips-index") {
                continue;
            }
            if piece.seen.bytes == 0 {
                self.visit(&mut piece)?;
            }
            if !piece.seen.bad
                && let Some(what) = piece.verdict()
            {
                piece.seen.bad = true;
                self.tell_of(piece.extent.position, &piece.key, piece.extent.base, what);
            }
            if let Some(place) = self.pieces.get_mut(index) {
                *place = piece;
            }
        }
        Ok(())
    }

    /// Reads a piece where no walk came by, as a reader of the log would.
    fn visit(&mut self, piece: &mut Piece) -> io::Result<()> {
        let Extent { position, bytes, base, .. } = piece.extent;
        for item in Items::new(&piece.key, read(self.file, position, bytes as usize)?) {
            let wrong = match item {
                Ok((within, batch)) => {
                    let at = position + u64::from(within);
                    let key = piece.key;
                    piece.meet(&key, at, at + item_bytes(&batch) as u64, &batch).map(|what| (at, what))
                }
                Err(bad) => Some((position + piece.seen.bytes, bad.to_string())),
            };
            if let Some((at, what)) = wrong {
                piece.seen.bad = true;
                self.tell_of(at, &piece.key, piece.seen.last.unwrap_or(base), what);
                return Ok(());
            }
        }
        Ok(())
    }

    fn tell(&mut self, position: Option<u64>, what: String) {
        self.damage.push(Damage { file: Some(self.name.to_owned()), position, log: None, offset: None, what });
    }

    fn tell_of(&mut self, position: u64, key: &Key, offset: Offset, what: String) {
        self.damage.push(Damage {
            file: Some(self.name.to_owned()),
            position: Some(position),
            log: Some(LogName::from(*key)),
            offset: Some(offset),
            what,
        });
    }
}

impl Piece {
    pub(super) const fn new(key: Key, extent: Extent) -> Self {
        let seen = Seen { batches: 0, gaps: 0, last: None, bytes: 0, max_timestamp: None, bad: false };
        Self { key, extent, seen }
    }

    /// Whether all of it is there.
    pub(super) const fn is_whole(&self) -> bool {
        !self.seen.bad
    }

    /// A batch that lies within it. Says what is wrong with that.
    fn meet(&mut self, key: &Key, position: u64, end: u64, batch: &Batch) -> Option<String> {
        let Self { extent, seen, .. } = self;
        if *key != self.key {
            return Some(format!("the index has {} here, and it is {key}", self.key));
        }
        let (base, next) = (batch.base_offset(), batch.next_offset());
        let first = position == extent.position;
        if (first && base != extent.base) || base < seen.last.unwrap_or(extent.base) {
            return Some(format!(
                "the index expects offset {} here, and it is {base}",
                seen.last.unwrap_or(extent.base)
            ));
        }
        if position != extent.position + seen.bytes || end > extent.position + u64::from(extent.bytes) {
            return Some("the index has a batch here that begins or ends elsewhere".to_owned());
        }
        seen.bytes += end - position;
        seen.max_timestamp = seen.max_timestamp.max(Some(batch.max_timestamp()));
        // What a truncation cut off lies there still.
        if next <= extent.next {
            seen.batches += 1;
            seen.gaps += u64::from(seen.last.is_some_and(|last| last < base));
            seen.last = Some(next);
        }
        None
    }

    /// Once all batches were met: what is wrong.
    fn verdict(&self) -> Option<String> {
        let Self { extent, seen, .. } = self;
        if seen.bytes != u64::from(extent.bytes) {
            return Some(format!("the index has {} bytes of batches here, and there are {}", extent.bytes, seen.bytes));
        }
        if seen.max_timestamp != Some(extent.max_timestamp) {
            let found = seen.max_timestamp.unwrap_or(i64::MIN);
            return Some(format!("the index has time {} here, and it is {found}", extent.max_timestamp));
        }
        // A truncation may leave a piece that ends before its last batch.
        if seen.last != Some(extent.next) {
            let found = seen.last.unwrap_or(extent.base);
            return Some(format!("the index has offsets up to {} here, and they end at {found}", extent.next));
        }
        None
    }
}
