//! Encoding a batch.

use bytes::Bytes;

use super::NO_TIMESTAMP;
use super::attributes::{Attributes, TimestampType};
use super::batch::Batch;
use super::compression::Compression;
use super::crc::Running;
use super::encode::{Fields, HeaderSource, Placed};
use super::error::Error;
use super::header::Header;
use super::headers::HeaderRef;
use super::records::Record;
use super::sequence::NO_SEQUENCE;
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// How a [`Builder`] encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuilderOptions {
    /// The codec of the finished batch.
    pub compression: Compression,
    /// The codec's level (KIP-390), for gzip (0 to 9) and zstd (1 to 22); `None` for the codec's default.
    pub level: Option<u32>,
    /// Bytes to set aside at once, header included: the batch's expected size before compression. The
    /// buffer grows beyond it as needed.
    pub capacity: usize,
}

impl Default for BuilderOptions {
    /// No compression, and Kafka's default `batch.size` of 16 KiB.
    fn default() -> Self {
        Self { compression: Compression::None, level: None, capacity: 16 << 10 }
    }
}

/// What an idempotent producer puts on each of its batches (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer.
    pub id: ProducerId,
    /// Its incarnation.
    pub epoch: ProducerEpoch,
    /// The first record's sequence number in its partition.
    pub base_sequence: i32,
}

/// The batch's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Part of a transaction.
    pub transactional: bool,
    /// Its records are [control records](super::ControlRecord).
    pub control: bool,
}

/// Encodes records into one buffer, which [`Builder::finish`] turns into a [`Batch`] without a copy
/// (or with one pass of the codec).
///
/// The batch's base offset is 0 and its leader epoch [`LeaderEpoch::NONE`] until someone
/// [stamps](Batch::stamp) it.
#[derive(Debug)]
pub struct Builder {
    /// Room for the header, then records, not compressed.
    buffer: Vec<u8>,
    /// The sum of the records so far, unless they will be compressed.
    sum: Running,
    options: BuilderOptions,
    record_count: i32,
    next_delta: i32,
    /// The first record's.
    base_timestamp: i64,
    max_timestamp: i64,
    timestamp_type: TimestampType,
}

impl Builder {
    /// An empty batch to be.
    #[must_use]
    pub fn new(options: BuilderOptions) -> Self {
        Self::within(options, Vec::new())
    }

    /// An empty batch to be, in the memory of another: what [`finish_reusing`](Builder::finish_reusing) gave back. Where
    /// there is some, it grows from that, whatever the expected size.
    #[must_use]
    pub fn within(options: BuilderOptions, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        if buffer.capacity() == 0 {
            buffer.reserve_exact(options.capacity.max(Header::SIZE));
        }
        buffer.resize(Header::SIZE, 0);
        Self {
            buffer,
            sum: Running::new(Header::SIZE),
            options,
            record_count: 0,
            next_delta: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            timestamp_type: TimestampType::CreateTime,
        }
    }

    /// An upper bound on what a record adds to a batch before compression, in bytes.
    #[must_use]
    pub fn record_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[HeaderRef<'_>]) -> usize {
        Fields { key, value, headers: HeaderSource::Refs(headers) }.max_encoded_len()
    }

    /// Adds a record at the next offset and gives its offset less the batch's base offset.
    /// `timestamp_ms` is in ms since 1970, −1 for none.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::InvalidAppend`] when the format holds no more; the batch is then unchanged.
    #[inline]
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderRef<'_>],
    ) -> Result<i32, Error> {
        self.append_at(self.next_delta, timestamp_ms, key, value, headers)
    }

    /// Adds a record at an offset delta of its own, greater than the last: for batches with gaps, as
    /// compaction and copies make them.
    ///
    /// # Errors
    /// As [`Builder::append`]; [`Error::InvalidAppend`] also when the delta is not greater than the last.
    #[inline]
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderRef<'_>],
    ) -> Result<i32, Error> {
        self.put(offset_delta, timestamp_ms, Fields { key, value, headers: HeaderSource::Refs(headers) })
    }

    /// Adds a decoded record at an offset delta of its own, its headers byte for byte.
    ///
    /// # Errors
    /// As [`Builder::append_at`].
    pub fn append_record(&mut self, offset_delta: i32, record: &Record) -> Result<i32, Error> {
        let fields = Fields {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: HeaderSource::Encoded(&record.headers),
        };
        self.put(offset_delta, record.timestamp_ms, fields)
    }

    #[inline]
    fn put(&mut self, offset_delta: i32, timestamp_ms: i64, fields: Fields<'_>) -> Result<i32, Error> {
        if offset_delta < self.next_delta || offset_delta == i32::MAX {
            return Err(Error::InvalidAppend { reason: "the offset delta is not after the last, or too large" });
        }
        let first = self.record_count == 0;
        let base = if first { timestamp_ms } else { self.base_timestamp };
        // Wraps, so that any two timestamps share a batch; the decoder's sum wraps back.
        let placed = Placed::new(fields, timestamp_ms.wrapping_sub(base), offset_delta);
        let size = self.buffer.len().saturating_add(placed.encoded_len());
        if size > MAX_SIZE {
            return Err(Error::TooLarge { size });
        }
        placed.put(&mut self.buffer);
        if self.options.compression == Compression::None {
            self.sum.follow(&self.buffer);
        }
        self.base_timestamp = base;
        self.max_timestamp = if first { timestamp_ms } else { self.max_timestamp.max(timestamp_ms) };
        self.record_count += 1;
        self.next_delta = offset_delta + 1;
        Ok(offset_delta)
    }

    /// Extends the batch's offsets to this delta, beyond its last record: compaction keeps a batch's
    /// range when it drops records from its end, even all of them.
    ///
    /// # Errors
    /// [`Error::InvalidAppend`] when the batch goes further already.
    pub fn extend_to(&mut self, last_offset_delta: i32) -> Result<(), Error> {
        if last_offset_delta < self.next_delta.saturating_sub(1).max(0) || last_offset_delta == i32::MAX {
            return Err(Error::InvalidAppend { reason: "the last offset delta is before the last record's" });
        }
        self.next_delta = last_offset_delta + 1;
        Ok(())
    }

    /// Puts the batch under the broker's clock, with this timestamp for all its records, in ms since
    /// 1970: for rewriting a batch that was so (KIP-32).
    pub const fn set_log_append_time(&mut self, timestamp_ms: i64) {
        self.timestamp_type = TimestampType::LogAppendTime;
        self.max_timestamp = timestamp_ms;
    }

    /// The batch's size so far before compression, header included, in bytes.
    #[must_use]
    pub const fn size_in_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// How many records there are.
    #[must_use]
    pub const fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Compresses the records if asked for, and writes header and CRC.
    ///
    /// # Errors
    /// [`Error::InvalidAppend`] for a batch of neither records nor [`extend_to`](Builder::extend_to);
    /// [`Error::CodecDisabled`], [`Error::Codec`], [`Error::TooLarge`].
    pub fn finish(mut self, producer: Option<ProducerStamp>, flags: Flags) -> Result<Batch, Error> {
        let (header, compressed) = self.seal(producer, flags)?;
        Ok(Batch::from_parts(cut_to_size(compressed.unwrap_or(self.buffer)), header))
    }

    /// As [`finish`](Builder::finish), and gives its buffer back for the [next](Builder::within), where that is possible: a
    /// batch of up to 64 KiB is copied to memory of just its size. That is cheaper than a buffer for each that grows,
    /// is cut to size, and is freed by another thread. The buffer of a larger one becomes the batch, and what comes back
    /// has no capacity.
    ///
    /// # Errors
    /// As [`finish`](Builder::finish).
    pub fn finish_reusing(mut self, producer: Option<ProducerStamp>, flags: Flags) -> Result<(Batch, Vec<u8>), Error> {
        let (header, compressed) = self.seal(producer, flags)?;
        let (bytes, buffer) = match compressed {
            Some(bytes) => (cut_to_size(bytes), self.buffer),
            None if self.buffer.len() <= COPIED => (Bytes::copy_from_slice(&self.buffer), self.buffer),
            None => (cut_to_size(self.buffer), Vec::new()),
        };
        Ok((Batch::from_parts(bytes, header), buffer))
    }

    /// Writes header and CRC into the buffer, or what the codec makes of it.
    fn seal(&mut self, producer: Option<ProducerStamp>, flags: Flags) -> Result<(Header, Option<Vec<u8>>), Error> {
        if self.next_delta == 0 {
            return Err(Error::InvalidAppend { reason: "it has no record" });
        }
        // As Kafka: an emptied batch is not compressed.
        let compression = if self.is_empty() { Compression::None } else { self.options.compression };
        let producer = producer.unwrap_or(ProducerStamp {
            id: ProducerId::NONE,
            epoch: ProducerEpoch::NONE,
            base_sequence: NO_SEQUENCE,
        });
        let mut header = Header {
            base_offset: Offset::ZERO,
            length: 0,
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default()
                .with_compression(compression)
                .with_timestamp_type(self.timestamp_type)
                .with_transactional(flags.transactional)
                .with_control(flags.control),
            compression,
            last_offset_delta: self.next_delta - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            record_count: self.record_count,
        };
        if compression == Compression::None {
            header.seal_summed(&mut self.buffer, self.sum)?;
            return Ok((header, None));
        }
        let records = self.buffer.get(Header::SIZE..).unwrap_or_default();
        let mut bytes = compression.compress(records, self.options.level)?;
        header.seal(&mut bytes)?;
        Ok((header, Some(bytes)))
    }
}

/// A batch may live long, in a cache or a queue: it should not hold room that it does not use.
fn cut_to_size(mut bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() - bytes.len() > bytes.len() / 4 {
        bytes.shrink_to_fit();
    }
    Bytes::from(bytes)
}

/// Bytes of a batch that are copied so that its buffer can be used again.
const COPIED: usize = 64 << 10;

/// The most that the length field can say.
const MAX_SIZE: usize = i32::MAX as usize;
