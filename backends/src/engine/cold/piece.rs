//! What is read from the medium at once.

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Batch, share};

use crate::engine::chunk::Items;
use crate::engine::{Extent, Key};

/// A part of one file that holds batches of one log, to be read at once. What lies between its parts is another log's.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    key: Key,
    file: u64,
    /// In the file's order; they do not overlap.
    parts: Vec<Part>,
}

/// The items of an extent.
#[derive(Clone, Copy, Debug)]
struct Part {
    position: u64,
    bytes: u32,
}

/// A stretch that was read. Every batch in it was checked whole.
///
/// What lies at a place of a file never changes as long as the index refers to it, so a piece does not age: which of
/// its batches are part of the log is asked of the index, each time. So a truncation, a reset, a trim, a removal and a
/// move need not know who has read what.
#[derive(Debug)]
pub(crate) struct Piece {
    key: Key,
    file: u64,
    parts: Vec<(Part, Contents)>,
}

/// The batches of a part with their positions in the file, or what is wrong with it.
type Contents = Result<Vec<(u64, Batch)>, String>;

impl Part {
    const fn end(&self) -> u64 {
        self.position + self.bytes as u64
    }

    const fn of(extent: &Extent) -> Self {
        Self { position: extent.position, bytes: extent.bytes }
    }

    const fn covers(&self, extent: &Extent) -> bool {
        self.position <= extent.position && Self::of(extent).end() <= self.end()
    }
}

impl Stretch {
    /// One extent of a log.
    pub(crate) fn new(key: Key, extent: &Extent) -> Self {
        Self { key, file: extent.file, parts: vec![Part::of(extent)] }
    }

    /// Takes the log's next extent as well if it lies behind in the same file, at most `most_gap` bytes on, and all
    /// of it is no more than `most_bytes`.
    pub(super) fn extend(&mut self, extent: &Extent, most_gap: u64, most_bytes: usize) -> bool {
        let end = self.end();
        let joins = extent.file == self.file
            && extent.position >= end
            && extent.position - end <= most_gap
            && Part::of(extent).end() - self.position() <= most_bytes as u64;
        if joins {
            // Each a part of its own: what is damaged in one is none of the others' business.
            self.parts.push(Part::of(extent));
        }
        joins
    }

    /// The number of the file.
    pub(crate) const fn file(&self) -> u64 {
        self.file
    }

    /// Where in the file it begins.
    pub(crate) fn position(&self) -> u64 {
        self.parts.first().map_or(0, |part| part.position)
    }

    fn end(&self) -> u64 {
        self.parts.last().map_or(0, Part::end)
    }

    /// How many bytes are to be read.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.end() - self.position()).unwrap_or(usize::MAX)
    }

    /// Whether all of a log's extent is in it.
    pub(super) fn covers(&self, key: &Key, extent: &Extent) -> bool {
        let behind = self.parts.partition_point(|part| part.position <= extent.position);
        let part = behind.checked_sub(1).and_then(|at| self.parts.get(at));
        self.key == *key && self.file == extent.file && part.is_some_and(|part| part.covers(extent))
    }

    /// Whether a log's extent is the end of it.
    pub(super) fn ends_with(&self, extent: &Extent) -> bool {
        self.file == extent.file && self.end() == Part::of(extent).end()
    }

    /// Checks what was read, which is fewer bytes than were asked for where the file ends too soon.
    pub(crate) fn take_apart(self, bytes: &Bytes) -> Piece {
        let begin = self.position();
        let contents = |part: Part| {
            let within = |position: u64| usize::try_from(position - begin).unwrap_or(usize::MAX);
            let raw = share(bytes, within(part.position)..within(part.end()));
            let items = Items::new(&self.key, raw.map_err(|_| "the file ends too soon".to_owned())?);
            let placed = |(position, batch)| (part.position + u64::from(position), batch);
            items.map(|item| item.map(placed).map_err(|bad| bad.to_string())).collect()
        };
        let parts = self.parts.iter().map(|part| (*part, contents(*part))).collect();
        Piece { key: self.key, file: self.file, parts }
    }
}

impl Piece {
    /// Adds the batches of an extent that are part of the log.
    ///
    /// # Errors
    /// What is wrong: it is damaged, or another thing than the index expects.
    pub(super) fn take(&self, key: &Key, extent: &Extent, batches: &mut Vec<Batch>) -> Result<(), String> {
        let behind = self.parts.partition_point(|(part, _)| part.position <= extent.position);
        let part = behind.checked_sub(1).and_then(|at| self.parts.get(at));
        let part = part.filter(|(part, _)| self.key == *key && self.file == extent.file && part.covers(extent));
        let Some((_, contents)) = part else {
            return Err("something else was read than was asked for".to_owned());
        };
        let placed = contents.as_ref().map_err(Clone::clone)?;
        let first = placed.partition_point(|(position, _)| *position < extent.position);
        let end = Part::of(extent).end();
        let mut begins = false;
        for (position, batch) in placed.iter().skip(first).take_while(|(position, _)| *position < end) {
            let is_first = *position == extent.position;
            begins |= is_first;
            if batch.base_offset() < extent.base || (is_first && batch.base_offset() != extent.base) {
                return Err(format!("offset {} is not what the index expects", batch.base_offset()));
            }
            // What a truncation cut off is there still.
            if batch.next_offset() <= extent.next || is_planted("cold-read-serves-what-was-cut-off") {
                batches.push(batch.clone());
            }
        }
        if begins { Ok(()) } else { Err("no batch begins where the index expects one".to_owned()) }
    }
}
