//! Looking for batches: what is in memory, and where the rest lies.

use ottla_broker_core::Offset;
use ottla_broker_core::log::{Bounds, Error, ErrorKind};
use ottla_broker_core::record::Batch;

use super::{Log, State};
use crate::engine::extent::Extent;
use crate::engine::index::EXTENT_BYTES;

/// What a read finds without waiting.
#[derive(Debug)]
pub(crate) enum Found {
    /// All of it in memory.
    Here(Vec<Batch>),
    /// It lies on the medium, in these extents in order; batches at or after `until` do not count.
    There { extents: Vec<Extent>, until: Offset },
}

/// Where a batch is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// In memory, at this base offset; or nowhere.
    Here(Option<Offset>),
    /// In this extent, perhaps.
    There(Extent),
}

impl State {
    fn place(&self, there: Option<&Extent>, is: impl Fn(&&Batch) -> bool) -> Place {
        let tail = self.tail.front().map_or(self.bounds.end, Batch::base_offset);
        match there.filter(|extent| extent.base < tail) {
            Some(extent) => Place::There(*extent),
            None => Place::Here(self.tail.iter().find(is).map(Batch::base_offset)),
        }
    }
}

impl Log {
    /// See [`PartitionReader::read`](ottla_broker_core::log::PartitionReader::read).
    pub(crate) fn find(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Found, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        let Bounds { start, end, .. } = state.bounds;
        if from < start || from > end {
            let message = format!("offset {from} is outside the log of {}, which holds {start} to {end}", self.key);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let tail = state.tail.front().map_or(end, Batch::base_offset);
        let mut extents = Vec::new();
        let mut bytes = 0_usize;
        // The index also knows what is in memory; only what lies before that is read from the medium.
        for extent in state.index.from(from).take_while(|extent| from < tail && extent.base < tail.min(until)) {
            // Of a small one more than fits: how much of it fits is known only when it is read.
            let size = extent.bytes as usize;
            let is_large = extent.bytes > EXTENT_BYTES;
            if !extents.is_empty() && (bytes >= max_bytes || is_large && bytes.saturating_add(size) > max_bytes) {
                break;
            }
            // What lies before `from` does not count.
            if extent.base >= from || is_large {
                bytes = bytes.saturating_add(size);
            }
            extents.push(*extent);
        }
        if !extents.is_empty() {
            return Ok(Found::There { extents, until: until.min(tail) });
        }
        let first = state.tail.partition_point(|batch| batch.next_offset() <= from);
        let mut size = 0_usize;
        let here = state.tail.range(first..).take_while(|batch| {
            let is_first = size == 0;
            size = size.saturating_add(batch.size_in_bytes());
            batch.next_offset() <= until && (is_first || size <= max_bytes)
        });
        Ok(Found::Here(here.cloned().collect()))
    }

    /// The next extents from `from` on that are to be read from the medium, of some `bytes` together.
    pub(crate) fn beyond(&self, from: Offset, bytes: usize) -> Vec<Extent> {
        let state = self.lock();
        let tail = state.tail.front().map_or(state.bounds.end, Batch::base_offset);
        let mut size = 0_usize;
        let is_wanted = |extent: &&Extent| {
            let is_wanted = extent.base < tail && size < bytes;
            size = size.saturating_add(extent.bytes as usize);
            is_wanted
        };
        state.index.from(from).take_while(is_wanted).copied().collect()
    }

    /// The base offset of the first batch that ends after `from` and is of this time or later if it is in memory;
    /// or the extent that may hold it.
    pub(crate) fn find_time(&self, from: Offset, timestamp_ms: i64) -> Result<Place, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        let is = |batch: &&Batch| batch.next_offset() > from && batch.max_timestamp() >= timestamp_ms;
        let there = state.index.from(from).find(|extent| extent.max_timestamp >= timestamp_ms);
        Ok(state.place(there, is))
    }

    /// The first batch that ends after `from` if it is in memory, or the extent that may hold it.
    pub(crate) fn find_batch(&self, from: Offset) -> Result<Place, Error> {
        let state = self.lock();
        self.check_reader(&state)?;
        Ok(state.place(state.index.from(from).next(), |batch| batch.next_offset() > from))
    }
}
