//! The 61 bytes in front of a batch's records.

use super::attributes::{Attributes, TimestampType};
use super::compression::Compression;
use super::crc::Running;
use super::error::Error;
use super::reader::{Reader, Truncated};
use super::sequence::sequence_after;
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// The header of a batch, decoded. Copying is cheap.
///
/// ```text
///  at  bytes
///   0  8  base offset               ┐
///   8  4  length: bytes after this  │ not under the CRC
///  12  4  partition leader epoch    │
///  16  1  magic: 2                  │
///  17  4  CRC-32C of all that follows
///  21  2  attributes
///  23  4  last offset delta
///  27  8  base timestamp, ms
///  35  8  max timestamp, ms
///  43  8  producer id
///  51  2  producer epoch
///  53  4  base sequence
///  57  4  record count
///  61  …  records, compressed as a whole if the attributes say so
/// ```
///
/// Source: KIP-98, Kafka's `DefaultRecordBatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The offset of the batch's first record when it was written; compaction may have removed that record.
    pub base_offset: Offset,
    /// The batch's bytes after the length field: [`Header::size_in_bytes`] less 12.
    pub length: i32,
    /// The epoch of the leader that appended the batch; [`LeaderEpoch::NONE`] before any did.
    pub leader_epoch: LeaderEpoch,
    /// The stated CRC-32C of bytes 21 to the end.
    pub crc: u32,
    /// Codec, timestamp type, flags.
    pub attributes: Attributes,
    /// The codec of the records, as the attributes have it.
    pub compression: Compression,
    /// The last offset less the base offset; it counts records that compaction removed.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas are relative to, in ms since 1970.
    pub base_timestamp: i64,
    /// The greatest timestamp of the batch, in ms since 1970; −1 when no record has one.
    pub max_timestamp: i64,
    /// The idempotent producer, or [`ProducerId::NONE`].
    pub producer_id: ProducerId,
    /// Its epoch, or [`ProducerEpoch::NONE`].
    pub producer_epoch: ProducerEpoch,
    /// The first record's sequence number, or [`NO_SEQUENCE`](super::NO_SEQUENCE).
    pub base_sequence: i32,
    /// How many records the batch holds: 0 when compaction removed them all.
    pub record_count: i32,
}

impl Header {
    /// The header's size in bytes.
    pub const SIZE: usize = 61;
    /// The bytes before and with the length field, which it does not count.
    pub const LENGTH_OVERHEAD: usize = 12;
    /// Where the CRC's range starts.
    pub const CRC_START: usize = 21;
    /// The bytes before the body, in which the stamp lies.
    pub const PREFIX_SIZE: usize = 16;
    /// The only format version supported.
    pub const MAGIC: i8 = 2;

    const MAGIC_AT: usize = 16;
    const CRC_AT: usize = 17;
    /// Length, attributes, timestamp and offset deltas, key, value and header count: one byte each.
    const MIN_RECORD_SIZE: usize = 7;

    /// Decodes and checks the first 61 of `bytes`; more may follow.
    ///
    /// # Errors
    /// [`Error::Truncated`] when there are fewer; [`Error::UnsupportedMagic`], [`Error::InvalidHeader`] or
    /// [`Error::UnknownCompression`] when they are no header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        Self::check_magic(bytes)?;
        if bytes.len() < Self::SIZE {
            return Err(Truncated { needed: Self::SIZE, remaining: bytes.len() }.into());
        }
        let base_offset = Offset(reader.try_i64()?);
        let length = reader.try_i32()?;
        let leader_epoch = LeaderEpoch(reader.try_i32()?);
        reader.try_i8()?;
        let crc = reader.try_u32()?;
        let attributes = Attributes::from_bits(reader.try_i16()?);
        let id = attributes.compression_id();
        let compression = Compression::from_id(id).ok_or(Error::UnknownCompression { base_offset, id })?;
        let header = Self {
            base_offset,
            length,
            leader_epoch,
            crc,
            attributes,
            compression,
            last_offset_delta: reader.try_i32()?,
            base_timestamp: reader.try_i64()?,
            max_timestamp: reader.try_i64()?,
            producer_id: ProducerId(reader.try_i64()?),
            producer_epoch: ProducerEpoch(reader.try_i16()?),
            base_sequence: reader.try_i32()?,
            record_count: reader.try_i32()?,
        };
        header.check()?;
        Ok(header)
    }

    /// Older formats keep their version at the same place, and may be shorter than a header.
    fn check_magic(bytes: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(bytes);
        let (Ok(base_offset), Some(&magic)) = (reader.try_i64(), bytes.get(Self::MAGIC_AT)) else {
            return Ok(());
        };
        let magic = i8::from_be_bytes([magic]);
        if magic == Self::MAGIC {
            Ok(())
        } else {
            Err(Error::UnsupportedMagic { base_offset: Offset(base_offset), magic })
        }
    }

    fn check(&self) -> Result<(), Error> {
        let invalid = |reason| Err(Error::InvalidHeader { base_offset: self.base_offset, reason });
        if self.length < Self::MIN_LENGTH {
            return invalid("its length is less than a header's");
        }
        if !self.attributes.is_known() {
            return invalid("it has unknown attributes");
        }
        if self.record_count < 0 {
            return invalid("its record count is negative");
        }
        if self.last_offset_delta < 0 || self.last_offset_delta < self.record_count - 1 {
            return invalid("it has more records than offsets");
        }
        if self.base_offset.0.checked_add(i64::from(self.last_offset_delta)).is_none() {
            return invalid("its last offset is out of range");
        }
        // What is compressed may hold more records than bytes; the iterator bounds those.
        let records_size = self.size_in_bytes() - Self::SIZE;
        if self.compression == Compression::None && self.record_count_usize() > records_size / Self::MIN_RECORD_SIZE {
            return invalid("it has more records than its bytes can hold");
        }
        Ok(())
    }

    const MIN_LENGTH: i32 = 49;

    /// The whole batch's size in bytes, as the length field has it.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        usize::try_from(self.length).unwrap_or_default() + Self::LENGTH_OVERHEAD
    }

    /// The offset of the last record when the batch was written.
    #[must_use]
    pub const fn last_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64)
    }

    /// The offset after the last; saturates.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// The last record's sequence number, where 0 follows 2³¹ − 1; [`NO_SEQUENCE`](super::NO_SEQUENCE) if there are none.
    #[must_use]
    pub const fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// Whose clock the timestamps are of.
    #[must_use]
    pub const fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    pub(super) fn record_count_usize(&self) -> usize {
        usize::try_from(self.record_count).unwrap_or_default()
    }

    /// The first 16 bytes, stamp and all.
    pub(super) fn prefix(&self) -> [u8; Self::PREFIX_SIZE] {
        let [o0, o1, o2, o3, o4, o5, o6, o7] = self.base_offset.0.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        let [e0, e1, e2, e3] = self.leader_epoch.0.to_be_bytes();
        [o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3, e0, e1, e2, e3]
    }

    /// Writes the header over the first 61 bytes of a whole batch, with length and CRC as the rest
    /// of `batch` makes them.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the batch is, [`Error::Truncated`] when `batch` has no room for a header.
    pub(super) fn seal(&mut self, batch: &mut [u8]) -> Result<(), Error> {
        self.seal_summed(batch, Running::new(Self::SIZE))
    }

    /// [`seal`](Self::seal), where `records` is the sum of the records so far.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(super) fn seal_summed(&mut self, batch: &mut [u8], records: Running) -> Result<(), Error> {
        let size = batch.len();
        let length = size.checked_sub(Self::LENGTH_OVERHEAD).and_then(|length| i32::try_from(length).ok());
        self.length = length.ok_or(Error::TooLarge { size })?;
        let truncated = Truncated { needed: Self::SIZE, remaining: size };
        let front = batch.first_chunk_mut::<{ Self::SIZE }>().ok_or(truncated)?;
        *front = self.encode();
        let fields = batch.get(Self::CRC_START..Self::SIZE).unwrap_or_default();
        self.crc = records.finish(fields, batch);
        if let Some(crc) = batch.get_mut(Self::CRC_AT..Self::CRC_START) {
            crc.copy_from_slice(&self.crc.to_be_bytes());
        }
        Ok(())
    }

    fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut rest = bytes.as_mut_slice();
        let mut put = |field: &[u8]| {
            if let Some((front, after)) = std::mem::take(&mut rest).split_at_mut_checked(field.len()) {
                front.copy_from_slice(field);
                rest = after;
            }
        };
        put(&self.prefix());
        put(&Self::MAGIC.to_be_bytes());
        put(&self.crc.to_be_bytes());
        put(&self.attributes.bits().to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp.to_be_bytes());
        put(&self.max_timestamp.to_be_bytes());
        put(&self.producer_id.0.to_be_bytes());
        put(&self.producer_epoch.0.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.record_count.to_be_bytes());
        bytes
    }
}
