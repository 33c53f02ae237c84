//! Fields of Kafka's message format, as far as groups need them: read with every length checked
//! against what remains, written with every length checked against what its field can say.

use std::sync::Arc;

use bytes::Bytes;

use crate::ids::{InvalidTopicName, TopicName};
use crate::record::{Malformed, Reader, Truncated};

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end within a field.
    #[error("the bytes end within a field: {0}")]
    Truncated(#[from] Truncated),
    /// A variable-length number is out of range.
    #[error("{0}")]
    Malformed(Malformed),
    /// A version that is not known.
    #[error("version {0} is not known")]
    UnknownVersion(i16),
    /// A length or count is negative where null is not allowed.
    #[error("a {0} is null or has a negative length")]
    Null(&'static str),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotText,
    /// A topic's name is not one.
    #[error(transparent)]
    Topic(#[from] InvalidTopicName),
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    TrailingBytes(usize),
}

impl From<Malformed> for DecodeError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated(truncated) => Self::Truncated(truncated),
            other => Self::Malformed(other),
        }
    }
}

/// A text or a list is longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field of {len} bytes or entries is too long for its length field, which goes to {max}")]
pub struct FieldTooLong {
    /// How long it is.
    pub len: usize,
    /// The longest that there may be.
    pub max: usize,
}

/// Reads fields, in the classic or the flexible (KIP-482) form.
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    flexible: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self { reader: Reader::shared(bytes), flexible: false }
    }

    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    pub(super) fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(self.reader.try_i16()?)
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(self.reader.try_i32()?)
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(self.reader.try_i64()?)
    }

    /// A length: `None` for null. `wide` lengths have four bytes in the classic form, others two.
    fn length(&mut self, wide: bool) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible {
            i64::from(self.reader.try_uvarint()?) - 1
        } else if wide {
            i64::from(self.reader.try_i32()?)
        } else {
            i64::from(self.reader.try_i16()?)
        };
        match length {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| DecodeError::Null("field")),
        }
    }

    pub(super) fn nullable_str(&mut self) -> Result<Option<&'a str>, DecodeError> {
        let Some(length) = self.length(false)? else { return Ok(None) };
        let text = self.reader.try_take(length)?;
        std::str::from_utf8(text).map(Some).map_err(|_| DecodeError::NotText)
    }

    pub(super) fn str(&mut self) -> Result<&'a str, DecodeError> {
        self.nullable_str()?.ok_or(DecodeError::Null("text"))
    }

    pub(super) fn shared_str(&mut self) -> Result<Arc<str>, DecodeError> {
        self.str().map(Arc::from)
    }

    pub(super) fn topic(&mut self) -> Result<TopicName, DecodeError> {
        Ok(TopicName::new(self.str()?)?)
    }

    pub(super) fn nullable_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.length(true)? else { return Ok(None) };
        Ok(Some(self.reader.try_take_bytes(length)?))
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        self.nullable_bytes()?.ok_or(DecodeError::Null("bytes"))
    }

    /// A list whose entries take at least `least` bytes each: a count that cannot fit is refused before
    /// anything is set aside for it.
    pub(super) fn list<T>(
        &mut self,
        least: usize,
        mut entry: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.length(true)?.ok_or(DecodeError::Null("list"))?;
        let needed = count.saturating_mul(least.max(1));
        if needed > self.reader.remaining() {
            return Err(Truncated { needed, remaining: self.reader.remaining() }.into());
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(entry(self)?);
        }
        Ok(entries)
    }

    /// Skips tagged fields, if the form has them: none is known here.
    pub(super) fn tags(&mut self) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        // Each takes two bytes at least, so a hostile count ends with the bytes.
        for _ in 0..self.reader.try_uvarint()? {
            self.reader.try_uvarint()?;
            let length = self.reader.try_uvarint()?;
            self.reader.try_take(length as usize)?;
        }
        Ok(())
    }

    /// Whether all is read.
    pub(super) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.reader.remaining() {
            0 => Ok(()),
            rest => Err(DecodeError::TrailingBytes(rest)),
        }
    }
}

/// Writes fields in the classic form. A field that is too long is remembered, and told at the end.
#[derive(Default)]
pub(super) struct FieldWriter {
    buffer: Vec<u8>,
    too_long: Option<FieldTooLong>,
}

impl FieldWriter {
    pub(super) fn i16(&mut self, value: i16) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn str(&mut self, text: &str) {
        match i16::try_from(text.len()) {
            Ok(length) => {
                self.i16(length);
                self.buffer.extend_from_slice(text.as_bytes());
            }
            Err(_) => self.too_long = Some(FieldTooLong { len: text.len(), max: i16::MAX as usize }),
        }
    }

    pub(super) fn nullable_str(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.str(text),
            None => self.i16(-1),
        }
    }

    pub(super) fn count(&mut self, count: usize) {
        match i32::try_from(count) {
            Ok(count) => self.i32(count),
            Err(_) => self.too_long = Some(FieldTooLong { len: count, max: i32::MAX as usize }),
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn nullable_bytes(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.i32(-1),
        }
    }

    pub(super) fn finish(self) -> Result<Bytes, FieldTooLong> {
        match self.too_long {
            None => Ok(Bytes::from(self.buffer)),
            Some(too_long) => Err(too_long),
        }
    }
}
