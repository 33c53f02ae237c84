//! The headers of a record (KIP-82).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::encode;
use super::reader::{Malformed, Reader, share};

/// One header, borrowed: what a [`Builder`](super::Builder) appends and [`Headers::refs`] gives.
///
/// A key is text in Kafka, yet nothing on the way enforces it; it is kept as bytes, so that what
/// another client wrote can be copied faithfully.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// The key's bytes, UTF-8 by convention.
    pub key: &'a [u8],
    /// The value; `None` is Kafka's null, which differs from an empty one.
    pub value: Option<&'a [u8]>,
}

impl<'a> HeaderRef<'a> {
    /// A header with a key of text.
    #[must_use]
    pub const fn new(key: &'a str, value: Option<&'a [u8]>) -> Self {
        Self { key: key.as_bytes(), value }
    }

    /// The key as text; what is not UTF-8 is replaced, as Kafka's Java clients do.
    #[must_use]
    pub fn key_str(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

/// The headers of a record: in order, duplicates allowed. They share the record's bytes and are
/// decoded as they are looked at; that they can be was checked when the record was.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// The encoded headers, without their count.
    raw: Bytes,
    count: u32,
}

impl Headers {
    /// Encodes headers of one's own.
    #[must_use]
    pub fn encode(headers: &[HeaderRef<'_>]) -> Self {
        let mut raw = Vec::with_capacity(encode::headers_len(headers));
        encode::put_headers(&mut raw, headers);
        Self { raw: Bytes::from(raw), count: u32::try_from(headers.len()).unwrap_or(u32::MAX) }
    }

    /// `raw` MUST have passed [`check`] with this count.
    pub(super) const fn from_checked(raw: Bytes, count: u32) -> Self {
        Self { raw, count }
    }

    /// How many there are, duplicates counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The encoded headers, without their count.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.raw
    }

    /// Keys (as [`HeaderRef::key_str`]) and values in order; values share the record's bytes.
    #[must_use]
    pub fn iter(&self) -> HeadersIter<'_> {
        HeadersIter { headers: self, reader: Reader::shared(&self.raw) }
    }

    /// The headers in order, borrowed and with their exact keys.
    pub fn refs(&self) -> impl Iterator<Item = HeaderRef<'_>> {
        let mut reader = Reader::new(&self.raw);
        std::iter::from_fn(move || {
            let (key, value) = next(&mut reader).ok()??;
            let value = value.map(|range| self.raw.get(range).unwrap_or_default());
            Some(HeaderRef { key: self.raw.get(key)?, value })
        })
    }

    /// The last header of this name, as Kafka's `lastHeader`: `None` if there is none, `Some(None)` if
    /// its value is null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Option<Bytes>> {
        let mut reader = Reader::new(&self.raw);
        let mut found = None;
        while let Ok(Some((range, value))) = next(&mut reader) {
            if self.raw.get(range) == Some(key.as_bytes()) {
                found = Some(value);
            }
        }
        found.map(|value| value.and_then(|range| share(&self.raw, range).ok()))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.refs().map(|header| (header.key_str(), header.value))).finish()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (Cow<'a, str>, Option<Bytes>);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Goes through [`Headers`].
#[derive(Clone, Debug)]
pub struct HeadersIter<'a> {
    headers: &'a Headers,
    reader: Reader<'a>,
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (Cow<'a, str>, Option<Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let raw = &self.headers.raw;
        let (key, value) = next(&mut self.reader).ok()??;
        Some((String::from_utf8_lossy(raw.get(key)?), value.and_then(|range| share(raw, range).ok())))
    }
}

/// Walks `count` headers, without allocating.
pub(super) fn check(reader: &mut Reader<'_>, count: u32) -> Result<(), Malformed> {
    for _ in 0..count {
        if next(reader)?.is_none() {
            return Err(Malformed::Truncated(super::Truncated { needed: 2, remaining: 0 }));
        }
    }
    Ok(())
}

type KeyAndValue = (Range<usize>, Option<Range<usize>>);

/// Where the next header's key and value lie; `None` at the end.
fn next(reader: &mut Reader<'_>) -> Result<Option<KeyAndValue>, Malformed> {
    if reader.is_empty() {
        return Ok(None);
    }
    // A key may be empty but not null.
    let key = nullable(reader)?.ok_or(Malformed::VarintRange)?;
    Ok(Some((key, nullable(reader)?)))
}

/// Where the next length-prefixed field lies; `None` if it is null. A length below −1 is null too, as
/// Kafka's `DefaultRecord` has it.
#[inline]
pub(super) fn nullable(reader: &mut Reader<'_>) -> Result<Option<Range<usize>>, Malformed> {
    let Ok(len) = usize::try_from(reader.try_varint()?) else {
        return Ok(None);
    };
    let start = reader.position();
    reader.try_take(len)?;
    Ok(Some(start..start + len))
}
