//! Reads fields, in the classic or the flexible (KIP-482) form, and trusts none of them.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Reader, Truncated};

use super::error::DecodeError;
use super::field::Field;

/// A text shared by `Arc` has two counters before it, and allocators round up.
const TEXT_OVERHEAD: usize = 32;

/// Reads the fields of one message at one version.
///
/// Every length is checked against the bytes that remain. Memory is taken from a budget *before* it is
/// allocated, so a list of tiny entries cannot claim many times the frame's length. Byte strings share
/// the frame's storage and cost nothing.
#[derive(Debug)]
pub struct Decoder<'a> {
    reader: Reader<'a>,
    version: i16,
    flexible: bool,
    budget: usize,
}

impl<'a> Decoder<'a> {
    /// Reads `bytes` as `version` of some message.
    #[must_use]
    pub fn new(bytes: &'a Bytes, version: i16, flexible: bool) -> Self {
        Self { reader: Reader::shared(bytes), version, flexible, budget: budget_for(bytes.len()) }
    }

    /// The version of the message.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version
    }

    /// Goes on in another form: a request's header comes before its body, and may have another.
    pub const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The fixed-size fields.
    pub(crate) const fn reader(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }

    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(DecodeError::OverBudget(bytes))?;
        Ok(())
    }

    /// A length: `None` for null. `wide` lengths have four bytes in the classic form, others two.
    pub(crate) fn length(&mut self, wide: bool) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible {
            i64::from(self.reader.try_uvarint()?) - 1
        } else if wide {
            i64::from(self.reader.try_i32()?)
        } else {
            i64::from(self.reader.try_i16()?)
        };
        match length {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| DecodeError::NegativeLength(length)),
        }
    }

    pub(crate) fn text(&mut self) -> Result<Option<Arc<str>>, DecodeError> {
        let Some(length) = self.length(false)? else { return Ok(None) };
        let text = std::str::from_utf8(self.reader.try_take(length)?).map_err(|_| DecodeError::NotText)?;
        self.charge(text.len() + TEXT_OVERHEAD)?;
        Ok(Some(Arc::from(text)))
    }

    pub(crate) fn bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.length(true)? else { return Ok(None) };
        Ok(Some(self.reader.try_take_bytes(length)?))
    }

    pub(crate) fn list<T: Field>(&mut self) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(true)? else { return Ok(None) };
        // The least entry has one byte; the budget knows what it takes in memory.
        if count > self.reader.remaining() {
            return Err(Truncated { needed: count, remaining: self.reader.remaining() }.into());
        }
        if !is_planted("lists-without-budget") {
            self.charge(count.saturating_mul(size_of::<T>()))?;
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(T::read(self, true)?);
        }
        Ok(Some(entries))
    }

    /// Reads the tagged fields, if the form has them. `known` reads a field that it knows, and says
    /// whether it did; others are skipped, as KIP-482 wants it.
    pub(crate) fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        let mut previous = None;
        // Each takes two bytes at least, so a hostile count ends with the bytes.
        for _ in 0..self.reader.try_uvarint()? {
            let tag = self.reader.try_uvarint()?;
            if previous.is_some_and(|previous| tag <= previous) {
                return Err(DecodeError::TagOrder);
            }
            previous = Some(tag);
            let size = self.reader.try_uvarint()? as usize;
            let before = self.reader.remaining();
            if known(tag, self)? {
                // It may not be longer or shorter than it said, nor end beyond the message.
                if before - self.reader.remaining() != size {
                    return Err(DecodeError::TagLength { tag, size });
                }
            } else {
                self.reader.try_take(size)?;
            }
        }
        Ok(())
    }

    /// Ends the message.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] if anything is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.reader.remaining() {
            0 => Ok(()),
            rest => Err(DecodeError::TrailingBytes(rest)),
        }
    }
}

/// The memory that a message of `len` bytes may take once decoded, besides the frame itself: a small
/// multiple, and room for short names and small numbers, which are larger in memory than on the wire.
pub(crate) const fn budget_for(len: usize) -> usize {
    len.saturating_mul(8).saturating_add(64 * 1024)
}
