//! A batch as it lies on the medium.

use std::iter::FusedIterator;

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{self, Batch, Reader, take_front};

use super::bad::Bad;
use super::entry::key_bytes;
use crate::engine::Key;

/// The bytes of an item before the batch's body: the checksum and the batch's prefix.
pub(crate) const ITEM_HEAD_BYTES: usize = CRC_BYTES + record::Header::PREFIX_SIZE;
/// The bytes of the shortest item.
pub(super) const MIN_ITEM_BYTES: usize = CRC_BYTES + record::Header::SIZE;
const CRC_BYTES: usize = 4;

/// What goes before [`Batch::body`]: the checksum of the batch's prefix in this log, and the prefix.
pub(crate) fn item_head(key: &Key, batch: &Batch) -> [u8; ITEM_HEAD_BYTES] {
    let prefix = batch.prefix();
    let mut head = [0; ITEM_HEAD_BYTES];
    let (crc, rest) = head.split_at_mut_checked(CRC_BYTES).unwrap_or_default();
    crc.copy_from_slice(&stamp_crc(&prefix, &key_bytes(key)).to_be_bytes());
    rest.copy_from_slice(&prefix);
    head
}

/// The size of the batch's item.
pub(crate) fn item_bytes(batch: &Batch) -> usize {
    CRC_BYTES + batch.size_in_bytes()
}

fn stamp_crc(prefix: &[u8; record::Header::PREFIX_SIZE], key: &[u8; 21]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(prefix), key)
}

/// The batches of a run of items of one log, each with its position within the run. They share its bytes.
///
/// Every batch that comes out was checked whole: its place in this log and its records. The first damage is
/// an error, and the end: nothing behind it can be trusted to begin where it seems to.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    key: [u8; 21],
    rest: Bytes,
    position: usize,
}

impl Items {
    /// Reads the items of `key` from `bytes`, which begin with one.
    pub(crate) fn new(key: &Key, bytes: Bytes) -> Self {
        Self { key: key_bytes(key), rest: bytes, position: 0 }
    }

    fn take(&mut self) -> Result<(u32, Batch), Bad> {
        let mut reader = Reader::new(&self.rest);
        let head = reader.try_u32().and_then(|stated| Ok((stated, reader.try_array()?)));
        let (stated, prefix) = head.map_err(|truncated| Bad::cut("an item", truncated))?;
        // Before the batch is looked at: its length is part of what this checks.
        if stamp_crc(&prefix, &self.key) != stated && !is_planted("item-stamp-not-checked") {
            return Err(Bad::Crc { what: "an item's place in its log" });
        }
        let position = u32::try_from(self.position).map_err(|_| Bad::Structure("a run of items is beyond 4 GiB"))?;
        let before = self.rest.len();
        take_front(&mut self.rest, CRC_BYTES).map_err(|truncated| Bad::cut("an item", truncated))?;
        let batch = Batch::split_first(&mut self.rest)
            .map_err(|error| Bad::batch(&error))?
            .ok_or(Bad::Structure("an item is without a batch"))?;
        // Once for all: whoever reads the batch in this process need not do it again.
        let batch = batch.checked().map_err(|error| Bad::batch(&error))?;
        self.position += before - self.rest.len();
        Ok((position, batch))
    }
}

impl Iterator for Items {
    type Item = Result<(u32, Batch), Bad>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.take();
        if item.is_err() {
            self.rest = Bytes::new();
        }
        Some(item)
    }
}

impl FusedIterator for Items {}
