//! Sorting what was written interleaved: the live batches of cold files go, log by log, into one segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{Entry, Items, Run, encode, item_bytes};
use super::extent::Extent;
use super::index::Index;
use super::key::Key;
use super::log::{Log, Stretches};
use super::plan::extent;

/// What is gathered into one chunk of a segment.
const CHUNK_BYTES: usize = 8 << 20;

/// A log's batches that are to move.
#[derive(Debug)]
pub(crate) struct Moving {
    pub(crate) log: Arc<Log>,
    pub(crate) from: Stretches,
}

/// A log among those that move, and a stretch of it.
pub(crate) type Which = (usize, usize);

/// A piece of a segment, and where it is to lie.
#[derive(Debug)]
pub(crate) struct Sorted {
    pub(crate) position: u64,
    pub(crate) head: Bytes,
    pub(crate) data: Bytes,
}

/// Makes the chunks of one segment.
#[derive(Debug)]
pub(crate) struct Sorter {
    file: u64,
    position: u64,
    chunks: u64,
    entries: Vec<Entry>,
    data: Vec<u8>,
    /// The batches of the chunk that is gathered: of which log, and where in the chunk's data.
    gathered: Vec<(Which, Extent)>,
    /// What became of them.
    moved: BTreeMap<Which, Index>,
    /// Chunks that are whole.
    pub(crate) ready: Vec<Sorted>,
}

impl Sorter {
    /// The chunks of `file`, the first of which begins at `position`.
    pub(crate) fn new(file: u64, position: u64) -> Self {
        Self {
            file,
            position,
            chunks: 0,
            entries: Vec::new(),
            data: Vec::new(),
            gathered: Vec::new(),
            moved: BTreeMap::new(),
            ready: Vec::new(),
        }
    }

    /// Takes the batches of `run`, which lie in `bytes`.
    ///
    /// # Errors
    /// What is damaged.
    pub(crate) fn take(&mut self, which: Which, key: Key, run: &[Extent], bytes: &Bytes) -> Result<(), String> {
        let Some(first) = run.first() else { return Ok(()) };
        let mut extents = run.iter().peekable();
        for item in Items::new(&key, bytes.clone()) {
            let (position, batch) =
                item.map_err(|bad| format!("file {}, byte {}: {bad}", first.file, first.position))?;
            let at = first.position + u64::from(position);
            while extents.next_if(|extent| at >= extent.position + u64::from(extent.bytes)).is_some() {}
            let Some(current) = extents.peek() else { break };
            if batch.base_offset() < current.base {
                return Err(format!("file {}, byte {at}: it is not what the index expects", first.file));
            }
            if batch.next_offset() > current.next {
                continue; // a truncation cut it off
            }
            let length = item_bytes(&batch);
            if !self.data.is_empty() && self.data.len() + length > CHUNK_BYTES {
                self.flush();
            }
            let start = position as usize;
            let Some(item) = bytes.get(start..start + length) else { break };
            let extent = extent(&batch, self.file, self.data.len() as u64, length);
            self.data.extend_from_slice(item);
            match self.entries.last_mut() {
                Some(Entry::Run(run)) if run.key == key => {
                    run.next = extent.next;
                    run.batches += 1;
                    run.bytes += extent.bytes;
                    run.max_timestamp = run.max_timestamp.max(extent.max_timestamp);
                }
                _ => self.entries.push(Entry::Run(Run {
                    key,
                    base: extent.base,
                    next: extent.next,
                    batches: 1,
                    bytes: extent.bytes,
                    max_timestamp: extent.max_timestamp,
                })),
            }
            self.gathered.push((which, extent));
        }
        Ok(())
    }

    /// Ends the chunk that is gathered.
    pub(crate) fn flush(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let head = encode(0, self.chunks, 0, &self.entries);
        let data = self.position + head.len() as u64;
        for (which, extent) in self.gathered.drain(..) {
            let placed = Extent { position: data + extent.position, ..extent };
            self.moved.entry(which).or_default().push(placed);
        }
        let piece = Sorted {
            position: self.position,
            head: Bytes::from(head),
            data: Bytes::from(std::mem::take(&mut self.data)),
        };
        self.position = (data + piece.data.len() as u64).next_multiple_of(8);
        self.ready.push(piece);
        self.chunks += 1;
        self.entries.clear();
    }

    /// Where the batches lie now, by the log's place among those that move.
    pub(crate) fn into_moved(self) -> BTreeMap<usize, Vec<Extent>> {
        let mut moved: BTreeMap<usize, Vec<Extent>> = BTreeMap::new();
        for ((which, _), index) in self.moved {
            moved.entry(which).or_default().extend(index.extents());
        }
        moved
    }
}
