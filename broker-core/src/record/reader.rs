//! The one checked reader of untrusted bytes.
//!
//! `Bytes::slice`, `split_to`, `slice::split_at` and `Buf::get_*` panic out of range and are banned;
//! here their like answer with an error.

use std::ops::Range;

use bytes::Bytes;

use super::varint::{MAX_LEN_32, MAX_LEN_64, unzigzag};

/// Fewer bytes remain than a field needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{needed} bytes are needed and {remaining} remain")]
pub struct Truncated {
    /// Bytes that the field needs.
    pub needed: usize,
    /// Bytes that there are.
    pub remaining: usize,
}

/// Why no variable-length number could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end within it.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// It goes on for longer than its type can.
    #[error("a variable-length number is out of its type's range")]
    VarintRange,
}

/// Reads fields off the front of some bytes, each checked against what remains. Numbers are
/// big-endian, as everywhere in Kafka's protocol.
///
/// A failed call takes nothing.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
    source: Option<&'a Bytes>,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident -> $number:ty;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// [`Truncated`] when too few bytes remain.
            #[inline]
            pub fn $name(&mut self) -> Result<$number, Truncated> {
                self.try_array().map(<$number>::from_be_bytes)
            }
        )*
    };
}

impl<'a> Reader<'a> {
    /// Reads from a slice.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), source: None }
    }

    /// Reads from shared bytes: [`Reader::try_take_bytes`] then shares rather than copies.
    #[must_use]
    pub fn shared(bytes: &'a Bytes) -> Self {
        Self { rest: bytes, len: bytes.len(), source: Some(bytes) }
    }

    /// Bytes taken so far.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Bytes left.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether all is taken.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Truncated`] when fewer remain.
    #[inline]
    pub fn try_take(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        match self.rest.split_at_checked(n) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Truncated { needed: n, remaining: self.rest.len() }),
        }
    }

    /// The next `n` bytes as shared ones; a copy if the reader was made from a plain slice.
    ///
    /// # Errors
    /// [`Truncated`] when fewer remain.
    #[inline]
    pub fn try_take_bytes(&mut self, n: usize) -> Result<Bytes, Truncated> {
        let start = self.position();
        let taken = self.try_take(n)?;
        match self.source {
            Some(source) => share(source, start..start + taken.len()),
            None => Ok(Bytes::copy_from_slice(taken)),
        }
    }

    /// The next `N` bytes, by value.
    ///
    /// # Errors
    /// [`Truncated`] when fewer remain.
    #[inline]
    pub fn try_array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(Truncated { needed: N, remaining: self.rest.len() }),
        }
    }

    numbers! {
        /// One unsigned byte.
        try_u8 -> u8;
        /// One signed byte.
        try_i8 -> i8;
        /// Two bytes, unsigned.
        try_u16 -> u16;
        /// Two bytes, signed.
        try_i16 -> i16;
        /// Four bytes, unsigned.
        try_u32 -> u32;
        /// Four bytes, signed.
        try_i32 -> i32;
        /// Eight bytes, unsigned.
        try_u64 -> u64;
        /// Eight bytes, signed.
        try_i64 -> i64;
    }

    /// A zigzag varint of 32 bits, one to five bytes.
    ///
    /// # Errors
    /// [`Malformed`] when it is cut off, or does not fit 32 bits.
    #[inline]
    pub fn try_varint(&mut self) -> Result<i32, Malformed> {
        i32::try_from(unzigzag(self.try_uvarint_of(MAX_LEN_32)?)).map_err(|_| Malformed::VarintRange)
    }

    /// A zigzag varint of 64 bits, one to ten bytes.
    ///
    /// # Errors
    /// [`Malformed`] when it is cut off, or does not fit 64 bits.
    #[inline]
    pub fn try_varlong(&mut self) -> Result<i64, Malformed> {
        self.try_uvarint_of(MAX_LEN_64).map(unzigzag)
    }

    /// An unsigned varint of 32 bits, one to five bytes (KIP-482's compact lengths).
    ///
    /// # Errors
    /// [`Malformed`] when it is cut off, or does not fit 32 bits.
    #[inline]
    pub fn try_uvarint(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.try_uvarint_of(MAX_LEN_32)?).map_err(|_| Malformed::VarintRange)
    }

    #[inline]
    fn try_uvarint_of(&mut self, max_len: usize) -> Result<u64, Malformed> {
        // Most lengths, deltas and counts of a record fit one byte.
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.try_long_uvarint(max_len),
        }
    }

    fn try_long_uvarint(&mut self, max_len: usize) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (i, &byte) in self.rest.iter().take(max_len).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * i;
            let shifted = bits << shift;
            if shifted >> shift != bits {
                return Err(Malformed::VarintRange);
            }
            value |= shifted;
            if byte < 0x80 {
                self.try_take(i + 1)?;
                return Ok(value);
            }
        }
        if self.rest.len() < max_len {
            Err(Truncated { needed: self.rest.len() + 1, remaining: self.rest.len() }.into())
        } else {
            Err(Malformed::VarintRange)
        }
    }
}

/// The bytes of `range`, sharing the storage of `bytes`.
///
/// # Errors
/// [`Truncated`] when the range ends beyond `bytes`; a range that ends before it starts is empty.
#[inline]
pub fn share(bytes: &Bytes, range: Range<usize>) -> Result<Bytes, Truncated> {
    if range.start >= range.end {
        return if range.start <= bytes.len() {
            Ok(Bytes::new())
        } else {
            Err(Truncated { needed: range.start, remaining: bytes.len() })
        };
    }
    if range.end > bytes.len() {
        return Err(Truncated { needed: range.end, remaining: bytes.len() });
    }
    #[expect(clippy::disallowed_methods, reason = "the range was checked just above")]
    Ok(bytes.slice(range))
}

/// Takes the first `n` bytes off `bytes`, sharing its storage.
///
/// # Errors
/// [`Truncated`] when there are fewer; `bytes` is then unchanged.
pub fn take_front(bytes: &mut Bytes, n: usize) -> Result<Bytes, Truncated> {
    if n > bytes.len() {
        return Err(Truncated { needed: n, remaining: bytes.len() });
    }
    #[expect(clippy::disallowed_methods, reason = "the length was checked just above")]
    Ok(bytes.split_to(n))
}
