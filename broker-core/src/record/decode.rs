//! One record's decoding; the layout is drawn in `encode.rs`.

use std::ops::Range;

use super::headers::{check, nullable};
use super::reader::{Malformed, Reader};

/// Where the parts of one record lie, as ranges of the bytes that the reader was made from.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<Range<usize>>,
    pub(super) value: Option<Range<usize>>,
    pub(super) headers: Range<usize>,
    pub(super) header_count: u32,
}

const ENDS_EARLY: &str = "it ends early";
const BAD_NUMBER: &str = "it has a number out of range";

impl From<Malformed> for Invalid {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated(_) => Self(ENDS_EARLY),
            Malformed::VarintRange => Self(BAD_NUMBER),
        }
    }
}

impl From<super::Truncated> for Invalid {
    fn from(_: super::Truncated) -> Self {
        Self(ENDS_EARLY)
    }
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invalid(pub(super) &'static str);

impl Parts {
    /// Takes the next record. Nothing is allocated.
    #[inline]
    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let len = usize::try_from(reader.try_varint()?).map_err(|_| Invalid("its length is negative"))?;
        if len > reader.remaining() {
            return Err(Invalid(ENDS_EARLY));
        }
        let end = reader.position() + len;
        // Unused attributes: Kafka skips them too.
        reader.try_u8()?;
        let timestamp_delta = reader.try_varlong()?;
        let offset_delta = reader.try_varint()?;
        let key = nullable(reader)?;
        let value = nullable(reader)?;
        let header_count = u32::try_from(reader.try_varint()?).map_err(|_| Invalid("its header count is negative"))?;
        let start = reader.position();
        if header_count > 0 {
            check(reader, header_count)?;
        }
        // A field that ran over the record's end has pushed the position beyond it.
        if reader.position() != end {
            return Err(Invalid("its parts do not add up to its length"));
        }
        Ok(Self { timestamp_delta, offset_delta, key, value, headers: start..end, header_count })
    }
}
