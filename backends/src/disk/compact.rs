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

use ottla_broker_core::planted::is_planted;

use super::engine::Engine;
use super::files::File;
use super::format::{FILE_HEADER_BYTES, FileHeader, FileKind, segment_name};
use super::shelf::About;
use crate::engine::{Extent, Key, Moving, Sorted, Sorter, Which};

/// A journal file whose pieces are so large on average stays as it is: reading it is sequential enough.
const SORTED_ENOUGH: u64 = 32 << 10;
/// What is read in one piece.
const READ_BYTES: u64 = 1 << 20;

/// Writes one segment.
struct Segment {
    file: Arc<dyn File>,
    sorter: Sorter,
    end: u64,
}

impl Engine {
    /// Sorts the oldest half of the journal, and what is mostly dead. Says whether a checkpoint was taken: where all is
    /// sorted well enough there is no need for one.
    pub(super) fn compact(&self) -> io::Result<bool> {
        let victims = self.victims();
        if victims.is_empty() {
            return Ok(false);
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
        self.checkpoint(false).map(|()| true)
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
        let end = FILE_HEADER_BYTES as u64;
        let mut segment = Segment { file: Arc::clone(&file), sorter: Sorter::new(number, end), end };
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
        segment.sorter.flush();
        segment.write()?;
        file.sync()?;
        files.sync_names()?;
        self.counts.compacted_bytes.fetch_add(segment.end, Ordering::Relaxed);
        let about = About { kind: FileKind::Segment, bytes: segment.end, closed: true, adopted: false };
        self.shelf.add(number, about, Some(file));
        let mut moved = segment.sorter.into_moved();
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
            if let Err(what) = segment.sorter.take(which, key, run, &bytes) {
                return Ok(Err(what));
            }
            segment.write()?;
        }
        Ok(Ok(()))
    }
}

impl Segment {
    /// Writes the chunks that are whole.
    fn write(&mut self) -> io::Result<()> {
        for Sorted { position, head, data } in self.sorter.ready.drain(..) {
            self.file.write_at(position, &mut [IoSlice::new(&head), IoSlice::new(&data)])?;
            self.end = (position + (head.len() + data.len()) as u64).next_multiple_of(8);
        }
        Ok(())
    }
}
