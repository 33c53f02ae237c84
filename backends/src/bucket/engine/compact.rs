//! Sorting what was written interleaved, one segment at a time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::PutPayload;
use ottla_broker_core::log::{Error, ErrorKind};

use super::Engine;
use crate::bucket::keys::{file_number, of_file};
use crate::bucket::store::{Created, Purpose};
use crate::engine::{Extent, FileKind, HEADER_BYTES, Moving, Sorter};

/// Objects that are sorted together, and held in memory for it.
const ROUND_BYTES: u64 = 64 << 20;
/// Objects that are read at a time.
const AT_ONCE: usize = 8;
/// A large journal object whose pieces are so large on average stays as it is: reading it is sequential enough.
const SORTED_ENOUGH: u64 = 32 << 10;
/// A smaller one is put together with others in any case: each costs a request to read.
const LARGE: u64 = 1 << 20;

static PADDING: [u8; 8] = [0; 8];

impl Engine {
    /// Whether there is more in the journal than is good.
    pub(super) fn wants_compaction(&self) -> bool {
        let (mut bytes, mut objects) = (0, 0);
        for (_, about) in self.shelf.all().iter().filter(|(file, about)| is_unsorted(*file, about.adopted)) {
            bytes += about.bytes;
            objects += 1;
        }
        bytes >= self.options.journal_bytes || objects >= self.options.journal_objects
    }

    /// The objects to sort. Those that are sorted well enough are adopted instead.
    fn victims(&self) -> BTreeMap<u64, u64> {
        let mut live: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for extent in self.core.logs().iter().flat_map(|log| log.extents()) {
            let (bytes, pieces) = live.entry(extent.file).or_default();
            *bytes += u64::from(extent.bytes);
            *pieces += 1;
        }
        let mut victims = BTreeMap::new();
        let mut gathered = 0;
        for (file, about) in self.shelf.all() {
            let (bytes, pieces) = live.get(&file).copied().unwrap_or_default();
            if bytes == 0 {
                continue; // the next checkpoint lets go of it
            }
            let mostly_dead = bytes < about.bytes / 2;
            if is_unsorted(file, about.adopted) {
                if about.bytes >= LARGE && bytes / pieces >= SORTED_ENOUGH && !mostly_dead {
                    self.shelf.adopt(file);
                    continue;
                }
            } else if !mostly_dead {
                continue;
            }
            if gathered > 0 && gathered + about.bytes > ROUND_BYTES {
                continue;
            }
            gathered += about.bytes;
            victims.insert(file, about.bytes);
        }
        victims
    }

    /// Sorts some of the journal, the oldest first, and what is mostly dead.
    ///
    /// # Errors
    /// `Unavailable`, `Fenced`. Nothing has moved.
    pub(super) async fn compact(&self) -> Result<(), Error> {
        let victims = self.victims();
        let mut moving = Vec::new();
        for log in self.core.logs() {
            let from = log.extents_in(|file| victims.contains_key(&file));
            if !from.stretches.is_empty() {
                moving.push(Moving { log, from });
            }
        }
        if moving.is_empty() {
            return Ok(());
        }
        let bodies = self.bodies(victims.keys().copied()).await?;
        let segment = {
            let mut work = self.lock();
            work.next_segment += 1;
            file_number(FileKind::Segment, self.incarnation, work.next_segment - 1)
        };
        let mut sorter = Sorter::new(segment, 0);
        let mut damaged = BTreeSet::new();
        for (which, Moving { log, from }) in moving.iter().enumerate() {
            for (stretch, extents) in from.stretches.iter().enumerate() {
                for extent in extents {
                    let taken = match piece(&bodies, extent) {
                        Some(bytes) => sorter.take((which, stretch), log.key, std::slice::from_ref(extent), &bytes),
                        None => Err(format!("`{}` ends too soon, or is gone", self.keys().file(extent.file))),
                    };
                    if let Err(what) = taken {
                        // It stays where it is, and readers are told: a copy with a good checksum would hide it.
                        tracing::error!(log = %log.key, %what, "damaged batches are left where they are");
                        damaged.insert(which);
                    }
                }
            }
        }
        drop(bodies);
        sorter.flush();
        let bytes = self.write_segment(segment, &mut sorter).await?;
        self.shelf.add(segment, bytes);
        let mut moved = sorter.into_moved();
        for (which, Moving { log, from }) in moving.iter().enumerate() {
            if damaged.contains(&which) {
                // Were they to be sorted again and again, the journal would be full for ever.
                for extent in from.stretches.iter().flatten() {
                    self.shelf.adopt(extent.file);
                }
            } else {
                let extents = moved.remove(&which).unwrap_or_default();
                log.moved(from.rewrites, extents, |file| victims.contains_key(&file));
            }
        }
        Ok(())
    }

    /// The whole of some objects. One that is gone is left out: what was in it is damage.
    async fn bodies(&self, files: impl Iterator<Item = u64>) -> Result<BTreeMap<u64, Bytes>, Error> {
        let read = |file| async move {
            let bytes = self.store().get(Purpose::Compaction, &self.keys().file(file)).await?;
            Ok::<_, Error>(bytes.map(|bytes| (file, bytes)))
        };
        let files: Vec<_> = files.collect();
        let found: Vec<_> = futures::stream::iter(files).map(read).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn write_segment(&self, segment: u64, sorter: &mut Sorter) -> Result<u64, Error> {
        let mut pieces = Vec::new();
        let mut position = 0;
        for piece in std::mem::take(&mut sorter.ready) {
            let gap = usize::try_from(piece.position - position).unwrap_or_default();
            pieces.push(Bytes::from_static(PADDING.get(..gap).unwrap_or_default()));
            position = piece.position + (piece.head.len() + piece.data.len()) as u64;
            pieces.extend([piece.head, piece.data]);
        }
        let head: Bytes = pieces.get(1).map_or_else(Bytes::new, |first| first.slice(..first.len().min(HEADER_BYTES)));
        let path = self.keys().file(segment);
        let payload: PutPayload = pieces.into_iter().collect();
        match self.store().create(Purpose::Segment, &path, payload, |found| found.starts_with(&head)).await? {
            Created::Ours => Ok(position),
            Created::Theirs(_) => Err(Error::new(
                ErrorKind::Fenced,
                format!("`{path}` was written by another: the storage was taken over"),
            )),
        }
    }
}

fn is_unsorted(file: u64, adopted: bool) -> bool {
    of_file(file).0 == FileKind::Journal && !adopted
}

fn piece(bodies: &BTreeMap<u64, Bytes>, extent: &Extent) -> Option<Bytes> {
    let body = bodies.get(&extent.file)?;
    let start = usize::try_from(extent.position).ok()?;
    let end = start.checked_add(extent.bytes as usize)?;
    (end <= body.len()).then(|| body.slice(start..end))
}
