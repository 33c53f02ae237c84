//! Appending chunks to journal files.

use std::io::{self, IoSlice};
use std::sync::Arc;

use ottla_broker_core::record::Batch;
use uuid::Uuid;

use super::files::File;
use super::format::{FILE_HEADER_BYTES, FileHeader, FileKind};
use crate::engine::{Applied, Entry, Extent, Group, HEADER_BYTES, Op, Part, Run, encode, item_bytes, item_head};

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
}

/// A group as it will lie on the medium.
#[derive(Debug)]
pub(super) struct Plan {
    entries: Vec<Entry>,
    directory: usize,
    data: usize,
}

impl Plan {
    pub(super) fn of(group: &Group) -> Self {
        let mut entries = Vec::with_capacity(group.parts.len());
        let mut data = 0;
        for part in &group.parts {
            data += plan_part(part, &mut entries);
        }
        let directory = encode(0, 0, 0, &entries).len();
        Self { entries, directory, data }
    }

    /// Bytes of the chunk.
    pub(super) fn bytes(&self) -> u64 {
        (self.directory + self.data) as u64
    }

    fn has_records(&self) -> bool {
        self.data > 0
    }

    /// How much a file has to have for it, if it is the first chunk there.
    pub(super) fn room(&self, reserve: u64) -> u64 {
        least_room(reserve) + self.bytes()
    }
}

/// The entries of one log, its batches gathered in runs; says how many bytes they take.
fn plan_part(part: &Part, entries: &mut Vec<Entry>) -> usize {
    let key = part.log.key;
    let mut data = 0;
    let mut run: Option<Run> = None;
    for op in &part.ops {
        if let Op::Batch(batch) = op {
            let bytes = item_bytes(batch);
            data += bytes;
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            match &mut run {
                Some(run) => {
                    run.next = batch.next_offset();
                    run.batches += 1;
                    run.bytes = run.bytes.saturating_add(bytes);
                    run.max_timestamp = run.max_timestamp.max(batch.max_timestamp());
                }
                None => {
                    run = Some(Run {
                        key,
                        base: batch.base_offset(),
                        next: batch.next_offset(),
                        batches: 1,
                        bytes,
                        max_timestamp: batch.max_timestamp(),
                    });
                }
            }
            continue;
        }
        entries.extend(run.take().map(Entry::Run));
        entries.push(match op.clone() {
            Op::Batch(_) => continue,
            Op::Open(epoch) => Entry::Open { key, epoch },
            Op::Trim(start, base) => Entry::Trim { key, start, base },
            Op::Reset(at, base) => Entry::Reset { key, at, base },
            Op::Truncate(end) => Entry::Truncate { key, end },
            Op::Remove => Entry::Remove { key },
        });
    }
    entries.extend(run.map(Entry::Run));
    data
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
        let mut scratch = Vec::with_capacity(plan.directory + FILE_HEADER_BYTES);
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
        scratch.extend_from_slice(&encode(self.incarnation, self.next_chunk, self.durable, &plan.entries));
        debug_assert!(plan.directory >= HEADER_BYTES, "a chunk has a header");

        let mut pieces = Vec::new();
        let mut copied_from = 0;
        let mut position = start + plan.directory as u64;
        let mut applied = Vec::with_capacity(group.parts.len());
        for part in &group.parts {
            let mut changes = Vec::with_capacity(part.ops.len());
            for op in &part.ops {
                changes.push(match op {
                    Op::Batch(batch) => {
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
                        Applied::Batch(extent(batch, current.number, at, bytes))
                    }
                    Op::Open(epoch) => Applied::Open(*epoch),
                    Op::Trim(start, base) => Applied::Trim(*start, base.clone()),
                    Op::Reset(at, base) => Applied::Reset(*at, base.clone()),
                    Op::Truncate(end) => Applied::Truncate(*end),
                    Op::Remove => Applied::Remove,
                });
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
        current.position = position.next_multiple_of(ALIGNMENT);
        self.next_chunk += 1;
        Ok(applied)
    }

    /// Makes durable what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.durable < self.next_chunk {
            if let Some(current) = &self.current {
                current.file.sync()?;
            }
            self.durable = self.next_chunk;
        }
        Ok(())
    }
}

pub(super) fn extent(batch: &Batch, file: u64, position: u64, bytes: usize) -> Extent {
    Extent {
        base: batch.base_offset(),
        next: batch.next_offset(),
        file,
        position,
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        max_timestamp: batch.max_timestamp(),
    }
}

#[cfg(test)]
mod tests;
