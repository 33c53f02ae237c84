//! Sorting what was written interleaved: the live batches of cold files go, partition by partition, into one segment.
//!
//! ```text
//!  journal 3 │a b c a│c b a│      ┐
//!  journal 4 │b b a│a c│          ├─►  segment 9 │a a a a a│b b b b│c c c│
//!  segment 1 │a ░░░ b ░░░ (half)│ ┘
//! ```
//!
//! The segment is durable before the index refers to it, and the files that it replaces go once a checkpoint does not
//! refer to them any more. A crash before that leaves a segment that nothing refers to, which recovery removes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;

use super::engine::Engine;
use super::files::File;
use super::format::{FILE_HEADER_BYTES, FileHeader, FileKind, segment_name};
use super::journal::extent;
use super::shelf::About;
use crate::engine::{Entry, Extent, Index, Items, Key, Log, Run, Stretches, encode, item_bytes};

/// A journal file whose pieces are so large on average stays as it is: reading it is sequential enough.
const SORTED_ENOUGH: u64 = 32 << 10;
/// What is gathered before it is written, and read in one piece.
const CHUNK_BYTES: usize = 8 << 20;
const READ_BYTES: u64 = 1 << 20;

/// A log's batches that are to move.
struct Moving {
    log: Arc<Log>,
    from: Stretches,
}

/// A log among those that move, and a stretch of it.
type Which = (usize, usize);

/// Writes one segment.
struct Segment {
    number: u64,
    file: Arc<dyn File>,
    position: u64,
    chunks: u64,
    entries: Vec<Entry>,
    data: Vec<u8>,
    /// The batches of the chunk that is gathered: of which log, and where in the chunk's data.
    gathered: Vec<(Which, Extent)>,
    /// What became of them.
    moved: BTreeMap<Which, Index>,
}

impl Engine {
    /// Sorts the oldest half of the journal, and what is mostly dead.
    pub(super) fn compact(&self) -> io::Result<()> {
        let victims = self.victims();
        if victims.is_empty() {
            return self.checkpoint(false);
        }
        let mut moving = Vec::new();
        for log in self.core.logs() {
            let from = log.extents_in(|file| victims.contains(&file));
            if !from.stretches.is_empty() {
                moving.push(Moving { log, from });
            }
        }
        if !moving.is_empty() {
            let number = self.new_number();
            let outcome = self.sort(number, &moving, &victims);
            if outcome.is_err() {
                self.shelf.drop_file(number);
                super::checkpoints::remove(&*self.shelf.files, &segment_name(number))?;
            }
            outcome?;
        }
        if is_planted("disk-victim-removed-before-checkpoint") {
            for (number, about) in self.shelf.all().into_iter().filter(|(number, _)| victims.contains(number)) {
                super::checkpoints::remove(&*self.shelf.files, &super::shelf::name(number, about.kind))?;
            }
            self.shelf.files.sync_names()?;
        }
        self.checkpoint(false)
    }

    /// The files to sort. Those that are sorted well enough are adopted instead.
    fn victims(&self) -> BTreeSet<u64> {
        let mut live: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for extent in self.core.logs().iter().flat_map(|log| log.extents()) {
            let (bytes, pieces) = live.entry(extent.file).or_default();
            *bytes += u64::from(extent.bytes);
            *pieces += 1;
        }
        let mut victims = BTreeSet::new();
        let mut journal = 0;
        for (number, about) in self.shelf.all().into_iter().filter(|(_, about)| about.closed) {
            let (bytes, pieces) = live.get(&number).copied().unwrap_or_default();
            if bytes == 0 {
                continue; // the next checkpoint removes it
            }
            let mostly_dead = bytes < self.space(&about) / 2;
            if about.kind == FileKind::Segment || about.adopted {
                if mostly_dead {
                    victims.insert(number);
                }
            } else if journal < self.options.journal_bytes / 2 {
                if bytes / pieces >= SORTED_ENOUGH && !mostly_dead {
                    self.shelf.update(number, |about| about.adopted = true);
                } else {
                    victims.insert(number);
                    journal += about.bytes;
                }
            }
        }
        victims
    }

    fn sort(&self, number: u64, moving: &[Moving], victims: &BTreeSet<u64>) -> io::Result<()> {
        let files = &self.shelf.files;
        let file = files.create(&segment_name(number), 0)?;
        let header = FileHeader {
            kind: FileKind::Segment,
            storage: self.storage(),
            file: number,
            incarnation: 0,
            first_chunk: 0,
            durable: 0,
        };
        file.write_at(0, &mut [IoSlice::new(&header.encode())])?;
        let mut segment = Segment {
            number,
            file: Arc::clone(&file),
            position: FILE_HEADER_BYTES as u64,
            chunks: 0,
            entries: Vec::new(),
            data: Vec::new(),
            gathered: Vec::new(),
            moved: BTreeMap::new(),
        };
        let mut damaged = BTreeSet::new();
        for (which, Moving { log, from }) in moving.iter().enumerate() {
            for (stretch, extents) in from.stretches.iter().enumerate() {
                if let Err(what) = self.copy(&mut segment, (which, stretch), log.key, extents)? {
                    // It stays where it is, and readers are told: a copy with a good checksum would hide it.
                    tracing::error!(log = %log.key, %what, "damaged batches are left where they are");
                    damaged.insert(which);
                    break;
                }
            }
        }
        segment.flush()?;
        file.sync()?;
        files.sync_names()?;
        self.counts.compacted_bytes.fetch_add(segment.position, Ordering::Relaxed);
        let about = About { kind: FileKind::Segment, bytes: segment.position, closed: true, adopted: false };
        self.shelf.add(number, about, Some(file));
        let mut moved: BTreeMap<usize, Vec<Extent>> = BTreeMap::new();
        for ((which, _), index) in segment.moved {
            moved.entry(which).or_default().extend(index.extents());
        }
        for (which, Moving { log, from }) in moving.iter().enumerate() {
            if damaged.contains(&which) {
                self.leave(from.stretches.iter().flatten());
            } else {
                let extents = moved.remove(&which).unwrap_or_default();
                log.moved(from.rewrites, extents, |file| victims.contains(&file));
            }
        }
        Ok(())
    }

    /// The journal files of these extents stay as they are. Were they to be sorted again and again, they would fill the
    /// journal's budget for ever, and writers would wait for ever.
    fn leave<'a>(&self, extents: impl Iterator<Item = &'a Extent>) {
        if is_planted("damage-sorted-for-ever") {
            return;
        }
        for file in extents.map(|extent| extent.file).collect::<BTreeSet<_>>() {
            self.shelf.update(file, |about| about.adopted |= about.kind == FileKind::Journal);
        }
    }

    /// Copies a log's batches. The inner error says what is damaged.
    fn copy(
        &self,
        segment: &mut Segment,
        which: Which,
        key: Key,
        extents: &[Extent],
    ) -> io::Result<Result<(), String>> {
        let mut rest = extents;
        while let Some(first) = rest.first() {
            let mut end = first.position;
            let together = rest
                .iter()
                .take_while(|extent| {
                    let fits = extent.file == first.file
                        && extent.position == end
                        && (end == first.position || end - first.position + u64::from(extent.bytes) <= READ_BYTES);
                    if fits {
                        end += u64::from(extent.bytes);
                    }
                    fits
                })
                .count();
            let (run, behind) = rest.split_at_checked(together.max(1)).unwrap_or((rest, &[]));
            rest = behind;
            let length = usize::try_from(end - first.position).unwrap_or(usize::MAX);
            let bytes = self.shelf.read_now(first.file, first.position, length)?.unwrap_or_default();
            if bytes.len() < length {
                return Ok(Err(format!("file {} ends too soon", first.file)));
            }
            if let Err(what) = segment.take(which, key, run, &bytes)? {
                return Ok(Err(what));
            }
        }
        Ok(Ok(()))
    }
}

impl Segment {
    /// Takes the batches of `run`, which lie in `bytes`.
    fn take(&mut self, which: Which, key: Key, run: &[Extent], bytes: &Bytes) -> io::Result<Result<(), String>> {
        let Some(first) = run.first() else { return Ok(Ok(())) };
        let mut extents = run.iter().peekable();
        for item in Items::new(&key, bytes.clone()) {
            let (position, batch) = match item {
                Ok(item) => item,
                Err(bad) => return Ok(Err(format!("file {}, byte {}: {bad}", first.file, first.position))),
            };
            let at = first.position + u64::from(position);
            while extents.next_if(|extent| at >= extent.position + u64::from(extent.bytes)).is_some() {}
            let Some(current) = extents.peek() else { break };
            if batch.base_offset() < current.base {
                return Ok(Err(format!("file {}, byte {at}: it is not what the index expects", first.file)));
            }
            if batch.next_offset() > current.next {
                continue; // a truncation cut it off
            }
            let length = item_bytes(&batch);
            if !self.data.is_empty() && self.data.len() + length > CHUNK_BYTES {
                self.flush()?;
            }
            let start = position as usize;
            let Some(item) = bytes.get(start..start + length) else { break };
            let extent = extent(&batch, self.number, self.data.len() as u64, length);
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
        Ok(Ok(()))
    }

    /// Writes what was gathered as one chunk.
    fn flush(&mut self) -> io::Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let head = encode(0, self.chunks, 0, &self.entries);
        self.file.write_at(self.position, &mut [IoSlice::new(&head), IoSlice::new(&self.data)])?;
        let data = self.position + head.len() as u64;
        for (which, extent) in self.gathered.drain(..) {
            let placed = Extent { position: data + extent.position, ..extent };
            self.moved.entry(which).or_default().push(placed);
        }
        self.position = (data + self.data.len() as u64).next_multiple_of(8);
        self.chunks += 1;
        self.entries.clear();
        self.data.clear();
        Ok(())
    }
}
