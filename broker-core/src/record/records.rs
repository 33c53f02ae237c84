//! Going through the records of a batch.

use std::ops::Range;

use bytes::Bytes;

use super::attributes::TimestampType;
use super::batch::Batch;
use super::compression::Compression;
use super::decode::{Invalid, Parts};
use super::error::Error;
use super::header::Header;
use super::headers::Headers;
use super::reader::{Reader, Truncated, share};
use crate::ids::Offset;

/// How many bytes the records of one batch may decompress to, unless the caller says otherwise: 64 MiB,
/// sixty times Kafka's default limit on a batch (`message.max.bytes`).
pub const DEFAULT_MAX_DECOMPRESSED_BYTES: usize = 64 << 20;

/// One record. Its parts share the batch's bytes, or, where the batch was compressed, one buffer for
/// all its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// When it was made or appended ([`Batch::timestamp_type`]), in ms since 1970; −1 for never.
    pub timestamp_ms: i64,
    /// The key; `None` is Kafka's null.
    pub key: Option<Bytes>,
    /// The value; `None` is Kafka's null, the tombstone of a compacted topic.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
}

impl Batch {
    /// The records, decoded one by one; compressed ones are decompressed at once, to at most
    /// [`DEFAULT_MAX_DECOMPRESSED_BYTES`].
    ///
    /// # Errors
    /// As [`Batch::records_with_limit`].
    pub fn records(&self) -> Result<Records, Error> {
        self.records_with_limit(DEFAULT_MAX_DECOMPRESSED_BYTES)
    }

    /// The records, decompressed to at most `max_decompressed_bytes`. What is not compressed is
    /// not subject to the limit: it is there already.
    ///
    /// # Errors
    /// [`Error::DecompressedTooLarge`], [`Error::CodecDisabled`], [`Error::Codec`].
    pub fn records_with_limit(&self, max_decompressed_bytes: usize) -> Result<Records, Error> {
        let raw = self.records_bytes();
        let codec = self.compression();
        // A batch that compaction emptied has no compressed stream, whatever its attributes say.
        let data = if codec == Compression::None || raw.is_empty() {
            raw
        } else {
            Bytes::from(codec.decompress(&raw, max_decompressed_bytes)?)
        };
        Ok(Records { data, at: 0, index: 0, last_delta: -1, done: false, header: *self.header() })
    }
}

/// Goes through the records of a batch, in order; each is checked as it is met. After an error there
/// is nothing more.
///
/// Offsets MUST strictly increase and stay within the batch's, and nothing may follow the last record.
/// Memory is bounded by the batch's bytes, whatever its counts say.
#[derive(Clone, Debug)]
pub struct Records {
    data: Bytes,
    /// The next record's place in `data`.
    at: usize,
    /// The next record's number.
    index: i32,
    last_delta: i32,
    done: bool,
    header: Header,
}

impl Records {
    /// The next record's parts, not yet shared.
    #[inline]
    fn next_parts(&mut self) -> Result<Option<Parts>, Error> {
        if self.index >= self.header.record_count {
            self.done = true;
            return if self.at == self.data.len() {
                Ok(None)
            } else {
                Err(self.invalid(Invalid("the batch goes on after its last record")))
            };
        }
        let mut reader = Reader::new(&self.data);
        let parts = reader.try_take(self.at).map_err(Invalid::from).and_then(|_| Parts::take(&mut reader));
        let parts = parts.map_err(|invalid| self.invalid(invalid))?;
        if parts.offset_delta <= self.last_delta || parts.offset_delta > self.header.last_offset_delta {
            return Err(self.invalid(Invalid("its offset is not after the one before, or not within the batch")));
        }
        self.at = reader.position();
        self.last_delta = parts.offset_delta;
        self.index += 1;
        Ok(Some(parts))
    }

    /// Calls `look` on each record's timestamp and offset delta, without sharing any bytes.
    pub(super) fn for_each_place(
        mut self,
        mut look: impl FnMut(i32, Place) -> Result<(), Invalid>,
    ) -> Result<(), Error> {
        while let Some(parts) = self.next_parts()? {
            let index = self.index - 1;
            let place = Place { timestamp_ms: self.timestamp(&parts), offset_delta: parts.offset_delta };
            look(index, place).map_err(|Invalid(reason)| Error::InvalidRecord {
                base_offset: self.header.base_offset,
                index,
                reason,
            })?;
        }
        Ok(())
    }

    fn record(&self, parts: &Parts) -> Result<Record, Truncated> {
        let headers = if parts.header_count == 0 {
            Headers::default()
        } else {
            Headers::from_checked(share(&self.data, parts.headers.clone())?, parts.header_count)
        };
        Ok(Record {
            offset: self.header.base_offset.plus(i64::from(parts.offset_delta)),
            timestamp_ms: self.timestamp(parts),
            key: self.field(parts.key.as_ref())?,
            value: self.field(parts.value.as_ref())?,
            headers,
        })
    }

    #[inline]
    fn field(&self, range: Option<&Range<usize>>) -> Result<Option<Bytes>, Truncated> {
        range.map(|range| share(&self.data, range.clone())).transpose()
    }

    #[inline]
    fn timestamp(&self, parts: &Parts) -> i64 {
        match self.header.timestamp_type() {
            // The encoder's difference wraps as well, so that any two timestamps share a batch.
            TimestampType::CreateTime => self.header.base_timestamp.wrapping_add(parts.timestamp_delta),
            TimestampType::LogAppendTime => self.header.max_timestamp,
        }
    }

    #[cold]
    fn invalid(&self, Invalid(reason): Invalid) -> Error {
        Error::InvalidRecord { base_offset: self.header.base_offset, index: self.index, reason }
    }
}

/// Where a record stands in its batch.
pub(super) struct Place {
    pub(super) timestamp_ms: i64,
    pub(super) offset_delta: i32,
}

impl Iterator for Records {
    type Item = Result<Record, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.next_parts() {
            Ok(Some(parts)) => Some(self.record(&parts).map_err(Error::from)),
            Ok(None) => None,
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }

    /// No lower bound: a collection must not reserve what a hostile count asks for.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.header.record_count.saturating_sub(self.index);
        // One more for the error after the last.
        (0, usize::try_from(left).ok().and_then(|left| left.checked_add(1)))
    }
}

impl std::iter::FusedIterator for Records {}
