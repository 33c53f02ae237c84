//! One record's encoding.
//!
//! ```text
//! length: varint              bytes after this field
//! attributes: i8              unused
//! timestamp delta: varlong    to the batch's base timestamp
//! offset delta: varint        to the batch's base offset
//! key length: varint          −1 for null     key
//! value length: varint        −1 for null     value
//! header count: varint        headers: key length, key, value length (−1 for null), value
//! ```
//!
//! Source: Kafka's `DefaultRecord`, KIP-82 for the headers.

use super::headers::{HeaderRef, Headers};
use super::varint::{self, MAX_LEN_32, MAX_LEN_64, Scratch};

/// What of a record does not depend on the batch it goes into.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: HeaderSource<'a>,
}

/// Headers to encode, or already encoded.
#[derive(Clone, Copy)]
pub(super) enum HeaderSource<'a> {
    Refs(&'a [HeaderRef<'a>]),
    Encoded(&'a Headers),
}

impl HeaderSource<'_> {
    fn count(&self) -> usize {
        match self {
            Self::Refs(headers) => headers.len(),
            Self::Encoded(headers) => headers.len(),
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Refs(headers) => headers_len(headers),
            Self::Encoded(headers) => headers.encoded().len(),
        }
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Refs(headers) => put_headers(buffer, headers),
            Self::Encoded(headers) => buffer.extend_from_slice(headers.encoded()),
        }
    }
}

/// A record's place in its batch, and the size that follows from it.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    fields: Fields<'a>,
    timestamp_delta: i64,
    offset_delta: i32,
    body_len: usize,
}

impl<'a> Placed<'a> {
    #[inline]
    pub(super) fn new(fields: Fields<'a>, timestamp_delta: i64, offset_delta: i32) -> Self {
        let deltas_len = varint::len(timestamp_delta) + varint::len(i64::from(offset_delta));
        Self { fields, timestamp_delta, offset_delta, body_len: 1 + deltas_len + fields.encoded_len() }
    }

    /// The record's exact size in bytes.
    #[inline]
    pub(super) fn encoded_len(&self) -> usize {
        varint::len(number(self.body_len)) + self.body_len
    }

    /// Appends the record. The caller has checked that its size fits the format.
    #[inline]
    pub(super) fn put(&self, buffer: &mut Vec<u8>) {
        buffer.reserve(self.encoded_len());
        // The small fields are gathered on the stack: each append to the buffer has its price.
        let mut front = Scratch::<{ 1 + 4 * MAX_LEN_32 + MAX_LEN_64 }>::new();
        front.varint(number(self.body_len));
        front.byte(0);
        front.varint(self.timestamp_delta);
        front.varint(i64::from(self.offset_delta));
        front.varint(nullable_len(self.fields.key));
        if let Some(key) = self.fields.key {
            buffer.extend_from_slice(front.as_slice());
            buffer.extend_from_slice(key);
            varint::put(buffer, nullable_len(self.fields.value));
        } else {
            front.varint(nullable_len(self.fields.value));
            buffer.extend_from_slice(front.as_slice());
        }
        buffer.extend_from_slice(self.fields.value.unwrap_or_default());
        varint::put(buffer, number(self.fields.headers.count()));
        self.fields.headers.put(buffer);
    }
}

impl Fields<'_> {
    /// The exact size of key, value and headers, in bytes.
    #[inline]
    pub(super) fn encoded_len(&self) -> usize {
        nullable_size(self.key)
            + nullable_size(self.value)
            + varint::len(number(self.headers.count()))
            + self.headers.encoded_len()
    }

    /// An upper bound on the record's size in bytes, wherever it is put.
    pub(super) fn max_encoded_len(&self) -> usize {
        MAX_LEN_32 + 1 + MAX_LEN_64 + MAX_LEN_32 + self.encoded_len()
    }
}

/// The encoded size of headers without their count, in bytes.
pub(super) fn headers_len(headers: &[HeaderRef<'_>]) -> usize {
    headers.iter().map(|header| nullable_size(Some(header.key)) + nullable_size(header.value)).sum()
}

/// Appends headers without their count.
pub(super) fn put_headers(buffer: &mut Vec<u8>, headers: &[HeaderRef<'_>]) {
    for header in headers {
        varint::put(buffer, number(header.key.len()));
        buffer.extend_from_slice(header.key);
        varint::put(buffer, nullable_len(header.value));
        buffer.extend_from_slice(header.value.unwrap_or_default());
    }
}

fn nullable_len(field: Option<&[u8]>) -> i64 {
    field.map_or(-1, |bytes| number(bytes.len()))
}

fn nullable_size(field: Option<&[u8]>) -> usize {
    varint::len(nullable_len(field)) + field.map_or(0, <[u8]>::len)
}

/// A length in memory as a number: no slice is longer than `isize::MAX`.
const fn number(len: usize) -> i64 {
    len as i64
}
