//! A group as it will lie on the medium.

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;

use super::chunk::{Entry, Run, encode, item_bytes, item_head};
use super::extent::Extent;
use super::index::EXTENT_BYTES;
use super::log::Applied;
use super::queue::{Group, Op, Part};

/// Smaller batches are copied next to their neighbours: a piece of its own costs more than copying so much.
const COPIED: usize = 2048;

/// A chunk in pieces that share the batches' bytes, and what there is to apply for each part of its group.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) bytes: u64,
    pub(crate) applied: Vec<Vec<Applied>>,
}

impl Group {
    /// What the directory of its chunk has, and how many bytes its batches take there.
    pub(crate) fn entries(&self) -> (Vec<Entry>, usize) {
        let mut entries = Vec::with_capacity(self.parts.len());
        let mut data = 0;
        for part in &self.parts {
            data += plan_part(part, &mut entries);
        }
        (entries, data)
    }

    /// The chunk of `number`, which will be the whole of `file`.
    pub(crate) fn compose(&self, incarnation: u64, number: u64, durable: u64, file: u64) -> Composed {
        let mut scratch = encode(incarnation, number, durable, &self.entries().0);
        let mut position = scratch.len() as u64;
        let mut pieces = Vec::new();
        let mut applied = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let mut changes = Vec::with_capacity(part.ops.len());
            for op in &part.ops {
                let change = op.applied(|batch| {
                    let bytes = item_bytes(batch);
                    scratch.extend_from_slice(&item_head(&part.log.key, batch));
                    if batch.body().len() <= COPIED {
                        scratch.extend_from_slice(batch.body());
                    } else {
                        pieces.push(Bytes::from(std::mem::take(&mut scratch)));
                        pieces.push(batch.body_bytes());
                    }
                    let place = extent(batch, file, position, bytes);
                    position += bytes as u64;
                    place
                });
                changes.push(change);
            }
            applied.push(changes);
        }
        if !scratch.is_empty() {
            pieces.push(Bytes::from(scratch));
        }
        Composed { pieces, bytes: position, applied }
    }
}

/// The entries of one log, its batches gathered in runs; says how many bytes they take.
///
/// A run ends where the index would begin another extent, so that a directory alone says all that the index has to know.
fn plan_part(part: &Part, entries: &mut Vec<Entry>) -> usize {
    let key = part.log.key;
    let mut data = 0;
    let mut run: Option<Run> = None;
    for op in &part.ops {
        if let Op::Batch(batch) = op {
            let bytes = item_bytes(batch);
            data += bytes;
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let is_full = |run: &mut Run| {
                run.bytes.saturating_add(bytes) > EXTENT_BYTES && !is_planted("runs-as-long-as-a-group")
            };
            entries.extend(run.take_if(is_full).map(Entry::Run));
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

/// Where a batch lies.
pub(crate) fn extent(batch: &Batch, file: u64, position: u64, bytes: usize) -> Extent {
    Extent {
        base: batch.base_offset(),
        next: batch.next_offset(),
        file,
        position,
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        max_timestamp: batch.max_timestamp(),
    }
}
