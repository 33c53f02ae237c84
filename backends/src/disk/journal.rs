//! Appending chunks to journal files.

use std::io::{self, IoSlice};
use std::sync::Arc;

use ottla_broker_core::planted::is_planted;
use uuid::Uuid;

use super::files::File;
use super::format::{FILE_HEADER_BYTES, FileHeader, FileKind};
use crate::engine::{Applied, Directory, Group, extent, item_bytes, item_head};

/// Files are written in whole pages, so that the kernel need not read what a recycled one held before.
const PAGE: u64 = 4096;
/// Chunks begin at multiples of it.
const ALIGNMENT: u64 = 8;
/// At the end of each file, for changes without records: a full disk can still be trimmed.
const RESERVE: u64 = 256 << 10;

/// What is reserved in files of this size: no more than an eighth.
pub(super) fn reserve(file_bytes: u64) -> u64 {
    RESERVE.min(file_bytes / 8)
}

/// What a file has to have that takes changes without records, and nothing else.
pub(super) fn least_room(reserve: u64) -> u64 {
    FILE_HEADER_BYTES as u64 + PAGE + reserve
}

/// Smaller batches are copied into one buffer: a part of a vectored write costs more than copying so much.
const COPIED: usize = 2048;
/// What is kept of the buffer for what is copied: a writer that asked the system for as much anew each time would have
/// each page of it cleared each time.
const KEPT: usize = 8 << 20;

static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// The file that is written.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
    /// Where the next chunk begins.
    pub(super) position: u64,
    /// Bytes that are allocated.
    pub(super) room: u64,
}

/// Writes chunks one after the other.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) storage: Uuid,
    pub(super) incarnation: u64,
    /// The number of the next chunk.
    pub(super) next_chunk: u64,
    /// Chunks below it are durable.
    pub(super) durable: u64,
    /// Bytes at the end of each file that only changes without records may take.
    pub(super) reserve: u64,
    pub(super) current: Option<Current>,
    /// Files before the current one that hold what is not durable yet, the oldest first: at the level `os` the writer goes on
    /// while they are synced.
    pub(super) unsynced: Vec<Arc<dyn File>>,
    /// What was copied for the last chunk.
    pub(super) scratch: Vec<u8>,
}

/// What there is to sync.
#[derive(Debug)]
pub(super) struct Written {
    /// Files that hold what is not durable; the last one may still be written to.
    pub(super) files: Vec<Arc<dyn File>>,
    /// How many of them are not.
    left: usize,
    /// The number of the chunk that comes next.
    through: u64,
}

/// A group as it will lie on the medium.
#[derive(Debug)]
pub(super) struct Plan {
    directory: Directory,
    data: usize,
}

impl Plan {
    pub(super) fn of(group: &Group) -> Self {
        let (entries, data) = group.entries();
        Self { directory: Directory::of(&entries), data }
    }

    /// Bytes of the chunk.
    pub(super) fn bytes(&self) -> u64 {
        (self.directory.bytes() + self.data) as u64
    }

    fn has_records(&self) -> bool {
        self.data > 0
    }

    /// How much a file has to have for it, if it is the first chunk there.
    pub(super) fn room(&self, reserve: u64) -> u64 {
        least_room(reserve) + self.bytes()
    }
}

impl Journal {
    /// Whether the current file takes it.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        let Some(current) = &self.current else { return false };
        let reserve = if plan.has_records() { self.reserve } else { 0 };
        let end = (current.position + plan.bytes()).next_multiple_of(PAGE);
        end + reserve <= current.room
    }

    /// Writes a group as one chunk behind the last one, and says what there is to apply for each of its parts. Not
    /// durable yet. After an error nothing may be written any more.
    pub(super) fn write(&mut self, group: &Group, plan: &Plan) -> io::Result<Vec<Vec<Applied>>> {
        let Some(current) = &mut self.current else {
            return Err(io::Error::other("no journal file is open"));
        };
        let scratch = &mut self.scratch;
        scratch.clear();
        let mut start = current.position;
        if start == 0 {
            let header = FileHeader {
                kind: FileKind::Journal,
                storage: self.storage,
                file: current.number,
                incarnation: self.incarnation,
                first_chunk: self.next_chunk,
                durable: self.durable,
            };
            scratch.extend_from_slice(&header.encode());
            scratch.resize(FILE_HEADER_BYTES, 0);
            start = FILE_HEADER_BYTES as u64;
        }
        plan.directory.write(self.incarnation, self.next_chunk, self.durable, scratch);

        let mut pieces = Vec::new();
        let mut copied_from = 0;
        let mut position = start + plan.directory.bytes() as u64;
        let mut applied = Vec::with_capacity(group.parts.len());
        for part in &group.parts {
            let mut changes = Vec::with_capacity(part.ops.len());
            for op in &part.ops {
                let change = op.applied(|batch| {
                    let bytes = item_bytes(batch);
                    scratch.extend_from_slice(&item_head(&part.log.key, batch));
                    if batch.body().len() <= COPIED {
                        scratch.extend_from_slice(batch.body());
                    } else {
                        pieces.push((copied_from..scratch.len(), batch.body()));
                        copied_from = scratch.len();
                    }
                    let at = position;
                    position += bytes as u64;
                    extent(batch, current.number, at, bytes)
                });
                changes.push(change);
            }
            applied.push(changes);
        }
        let padding = usize::try_from(position.next_multiple_of(PAGE) - position).unwrap_or(0);
        let mut parts = Vec::with_capacity(pieces.len() * 2 + 2);
        for (copied, body) in &pieces {
            parts.push(IoSlice::new(scratch.get(copied.clone()).unwrap_or_default()));
            parts.push(IoSlice::new(body));
        }
        parts.push(IoSlice::new(scratch.get(copied_from..).unwrap_or_default()));
        parts.push(IoSlice::new(ZEROS.get(..padding).unwrap_or_default()));
        current.file.write_at(current.position, &mut parts)?;
        if !is_planted("journal-keeps-its-buffer") {
            scratch.clear();
            scratch.shrink_to(KEPT);
        }
        current.position = position.next_multiple_of(ALIGNMENT);
        self.next_chunk += 1;
        Ok(applied)
    }

    /// Makes durable what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.durable < self.next_chunk {
            for file in self.unsynced.iter().chain(self.current.iter().map(|current| &current.file)) {
                file.sync()?;
            }
            self.unsynced.clear();
            self.durable = self.next_chunk;
        }
        Ok(())
    }

    /// The current file is done with; what it holds is made durable later.
    pub(super) fn leave(&mut self) {
        if self.durable < self.next_chunk {
            self.unsynced.extend(self.current.as_ref().map(|current| Arc::clone(&current.file)));
        }
    }

    /// What to sync so that all chunks so far are durable.
    pub(super) fn written(&self) -> Written {
        let mut files = Vec::new();
        if self.durable < self.next_chunk {
            files.extend(self.unsynced.iter().chain(self.current.iter().map(|current| &current.file)).cloned());
        }
        Written { files, left: self.unsynced.len(), through: self.next_chunk }
    }

    /// All that was [`written`](Self::written) then was synced. What was the current file then may have been written to
    /// since, and left: it is to be synced once more.
    pub(super) fn synced(&mut self, written: &Written) {
        let left = written.files.get(..written.left).unwrap_or_default();
        self.unsynced.retain(|file| !left.iter().any(|synced| Arc::ptr_eq(file, synced)));
        self.durable = self.durable.max(written.through);
    }
}

#[cfg(test)]
mod tests;
