//! The attributes field of a batch header.

use super::compression::Compression;

/// Whose clock a batch's timestamps are of (KIP-32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    #[default]
    CreateTime,
    /// The broker's at the append: all records have the batch's max timestamp.
    LogAppendTime,
}

/// The attributes of a batch:
///
/// ```text
/// bit 0-2  compression: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd
/// bit 3    timestamp type: 0 create time, 1 log append time
/// bit 4    transactional
/// bit 5    control
/// bit 6    the base timestamp is a delete horizon (KIP-534)
/// bit 7-15 unused, must be 0
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(i16);

const COMPRESSION: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;
const KNOWN: i16 = (1 << 7) - 1;

impl Attributes {
    /// Takes the field's bits as they are; see [`Attributes::is_known`].
    #[must_use]
    pub const fn from_bits(bits: i16) -> Self {
        Self(bits)
    }

    /// The field's bits.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// Whether none of the unused bits is set. The codec's number may still be unknown.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 & !KNOWN == 0
    }

    /// The number of the codec, 0 to 7.
    #[must_use]
    pub const fn compression_id(self) -> u8 {
        (self.0 & COMPRESSION) as u8
    }

    /// Whose clock the timestamps are of.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.has(LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.has(TRANSACTIONAL)
    }

    /// Whether the records are control records, which no consumer's user sees.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.has(CONTROL)
    }

    /// Whether the base timestamp says when compaction may drop the batch's tombstones and markers.
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.has(DELETE_HORIZON)
    }

    /// The same with this codec.
    #[must_use]
    pub const fn with_compression(self, compression: Compression) -> Self {
        Self(self.0 & !COMPRESSION | compression.id() as i16)
    }

    /// The same with this timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(LOG_APPEND_TIME, matches!(timestamp_type, TimestampType::LogAppendTime))
    }

    /// The same, transactional or not.
    #[must_use]
    pub const fn with_transactional(self, on: bool) -> Self {
        self.with(TRANSACTIONAL, on)
    }

    /// The same, control or not.
    #[must_use]
    pub const fn with_control(self, on: bool) -> Self {
        self.with(CONTROL, on)
    }

    const fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    const fn with(self, bit: i16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }
}
