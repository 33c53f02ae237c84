//! A batch as one run of shared bytes.

use std::fmt;

use bytes::Bytes;

use super::attributes::TimestampType;
use super::checksum::crc32c;
use super::compression::Compression;
use super::error::Error;
use super::header::Header;
use super::reader::{Truncated, share, take_front};
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::planted::is_planted;

/// A whole record batch, immutable, sharing its bytes. Cloning copies no records.
///
/// The base offset and the leader epoch lie outside the CRC, in the first 16 bytes. They are kept
/// beside the bytes as a stamp, so that a broker that assigns them copies nothing: the batch *is*
/// [`prefix`](Batch::prefix) followed by [`body`](Batch::body), and writers that can gather write those two.
///
/// A batch shares the buffer that it was parsed from: while it lives, so does the whole buffer.
#[derive(Clone)]
pub struct Batch {
    raw: Bytes,
    header: Header,
    /// The CRC was computed here, from these very bytes, which nothing can change: there is no need to do it again.
    sealed: bool,
}

impl Batch {
    /// Takes `raw` for exactly one batch. Checks the header in constant time, not the CRC
    /// ([`Batch::verify_crc`]) and not the records ([`Batch::validate_records`]).
    ///
    /// # Errors
    /// As [`Header::parse`]; [`Error::Truncated`] when `raw` ends before the batch, [`Error::InvalidHeader`]
    /// when it goes on behind it.
    pub fn parse(raw: Bytes) -> Result<Self, Error> {
        let header = Header::parse(&raw)?;
        let size = header.size_in_bytes();
        if raw.len() < size {
            return Err(Truncated { needed: size, remaining: raw.len() }.into());
        }
        if raw.len() > size {
            return Err(Error::InvalidHeader {
                base_offset: header.base_offset,
                reason: "there are bytes after the batch",
            });
        }
        Ok(Self { raw, header, sealed: false })
    }

    /// Takes the next batch off a run of them; `None` at its end.
    ///
    /// # Errors
    /// As [`Header::parse`], and [`Error::Truncated`] when the run ends within the batch, as a fetch
    /// answer may. `bytes` is then unchanged.
    pub fn split_first(bytes: &mut Bytes) -> Result<Option<Self>, Error> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let header = Header::parse(bytes)?;
        let raw = take_front(bytes, header.size_in_bytes())?;
        Ok(Some(Self { raw, header, sealed: false }))
    }

    /// A batch whose bytes were just written with this header and sealed.
    pub(super) const fn from_parts(raw: Bytes, header: Header) -> Self {
        Self { raw, header, sealed: true }
    }

    /// Compares the CRC-32C of the bytes from 21 on with the header's. A batch that was encoded in this process and
    /// never left it has the CRC that was computed then; one that was [`checked`](Batch::checked) is not checked again.
    ///
    /// # Errors
    /// [`Error::CrcMismatch`].
    pub fn verify_crc(&self) -> Result<(), Error> {
        if self.sealed {
            return Ok(());
        }
        let computed = crc32c(self.raw.get(Header::CRC_START..).unwrap_or_default());
        if computed == self.header.crc {
            Ok(())
        } else {
            Err(Error::CrcMismatch { base_offset: self.header.base_offset, stated: self.header.crc, computed })
        }
    }

    /// [`Batch::verify_crc`], remembered: this batch and its clones share bytes that nothing can change, so that
    /// whoever comes later need not go through them again. For a storage that checks what it reads.
    ///
    /// # Errors
    /// As [`Batch::verify_crc`].
    pub fn checked(mut self) -> Result<Self, Error> {
        if !is_planted("stored-batch-trusted") {
            self.verify_crc()?;
        }
        self.sealed = true;
        Ok(self)
    }

    /// Whether [`verify_crc`](Batch::verify_crc) has nothing to do: the CRC was computed or checked in this process.
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        self.sealed
    }

    /// Assigns the batch its place in the log. Copies nothing, and leaves the CRC as it is.
    ///
    /// `base_offset` MUST leave room for the batch's offsets below [`Offset::MAX`].
    pub const fn stamp(&mut self, base_offset: Offset, leader_epoch: LeaderEpoch) {
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
    }

    /// [`Batch::stamp`], by value.
    #[must_use]
    pub const fn stamped(mut self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        self.stamp(base_offset, leader_epoch);
        self
    }

    /// The first 16 bytes, with the stamp: base offset, length, leader epoch.
    #[must_use]
    pub fn prefix(&self) -> [u8; Header::PREFIX_SIZE] {
        self.header.prefix()
    }

    /// All bytes after the [`prefix`](Batch::prefix); no stamp changes them.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.raw.get(Header::PREFIX_SIZE..).unwrap_or_default()
    }

    /// [`Batch::body`], sharing the batch's bytes.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        share(&self.raw, Header::PREFIX_SIZE..self.raw.len()).unwrap_or_default()
    }

    /// The records as they lie in the batch: compressed, if it is.
    #[must_use]
    pub fn records_bytes(&self) -> Bytes {
        share(&self.raw, Header::SIZE..self.raw.len()).unwrap_or_default()
    }

    /// The whole batch, stamped and contiguous. Copies only if the stamp is not what the bytes have.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let prefix = self.prefix();
        if self.raw.starts_with(&prefix) {
            return self.raw.clone();
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        bytes.extend_from_slice(&prefix);
        bytes.extend_from_slice(self.body());
        Bytes::from(bytes)
    }

    /// The header, with the stamp.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The batch's size in bytes, header and all.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.raw.len()
    }

    /// The offset of the first record when the batch was written.
    #[must_use]
    pub const fn base_offset(&self) -> Offset {
        self.header.base_offset
    }

    /// The offset of the last record when the batch was written.
    #[must_use]
    pub const fn last_offset(&self) -> Offset {
        self.header.last_offset()
    }

    /// The offset after the batch.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.header.next_offset()
    }

    /// The last offset less the base offset.
    #[must_use]
    pub const fn last_offset_delta(&self) -> i32 {
        self.header.last_offset_delta
    }

    /// The epoch of the leader that appended the batch.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.header.leader_epoch
    }

    /// How many records the batch holds.
    #[must_use]
    pub const fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// The timestamp of the first record as it was written, in ms since 1970; −1 for none. `None` when
    /// compaction has put a delete horizon in its place (KIP-534).
    #[must_use]
    pub const fn first_timestamp(&self) -> Option<i64> {
        if self.header.attributes.has_delete_horizon() { None } else { Some(self.header.base_timestamp) }
    }

    /// From when on compaction may drop the batch's tombstones and markers, in ms since 1970 (KIP-534).
    #[must_use]
    pub const fn delete_horizon(&self) -> Option<i64> {
        if self.header.attributes.has_delete_horizon() { Some(self.header.base_timestamp) } else { None }
    }

    /// The greatest timestamp of the batch, in ms since 1970; −1 for none.
    #[must_use]
    pub const fn max_timestamp(&self) -> i64 {
        self.header.max_timestamp
    }

    /// Whose clock the timestamps are of.
    #[must_use]
    pub const fn timestamp_type(&self) -> TimestampType {
        self.header.timestamp_type()
    }

    /// The codec of the records.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.header.compression
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub const fn is_transactional(&self) -> bool {
        self.header.attributes.is_transactional()
    }

    /// Whether its records are [control records](super::ControlRecord).
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.header.attributes.is_control()
    }

    /// Whether an idempotent producer wrote it.
    #[must_use]
    pub const fn has_producer(&self) -> bool {
        self.header.producer_id.0 > ProducerId::NONE.0
    }

    /// The idempotent producer, or [`ProducerId::NONE`].
    #[must_use]
    pub const fn producer_id(&self) -> ProducerId {
        self.header.producer_id
    }

    /// The producer's epoch, or [`ProducerEpoch::NONE`].
    #[must_use]
    pub const fn producer_epoch(&self) -> ProducerEpoch {
        self.header.producer_epoch
    }

    /// The first record's sequence number, or [`NO_SEQUENCE`](super::NO_SEQUENCE).
    #[must_use]
    pub const fn base_sequence(&self) -> i32 {
        self.header.base_sequence
    }

    /// The last record's sequence number, where 0 follows 2³¹ − 1, or [`NO_SEQUENCE`](super::NO_SEQUENCE).
    #[must_use]
    pub const fn last_sequence(&self) -> i32 {
        self.header.last_sequence()
    }
}

impl PartialEq for Batch {
    /// Equal bytes, stamp included.
    fn eq(&self, other: &Self) -> bool {
        self.prefix() == other.prefix() && self.body() == other.body()
    }
}

impl Eq for Batch {}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("header", &self.header).finish_non_exhaustive()
    }
}
