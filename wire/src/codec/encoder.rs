//! Writes fields, in the classic or the flexible (KIP-482) form, and never copies a record batch.

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::share;

use super::encoded::Encoded;
use super::error::EncodeError;

/// Shared bytes below this are copied: a buffer of their own would cost a vectored write more.
const COPY_BELOW: usize = 512;

/// Writes one frame. What cannot be said is remembered and told by [`Encoder::finish`].
#[derive(Debug)]
pub struct Encoder {
    buffer: Vec<u8>,
    /// Shared bytes, and where in `buffer` they belong.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
    version: i16,
    flexible: bool,
    error: Option<EncodeError>,
}

/// Where the frame's own length is.
const LENGTH_PREFIX: usize = 4;

impl Encoder {
    /// A frame for `version` of some message; its length comes first and is filled in at the end.
    #[must_use]
    pub fn new(version: i16, flexible: bool) -> Self {
        let mut buffer = Vec::with_capacity(256);
        buffer.extend_from_slice(&[0; LENGTH_PREFIX]);
        Self { buffer, shared: Vec::new(), shared_len: 0, version, flexible, error: None }
    }

    /// The version of the message.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version
    }

    /// Goes on in another form.
    pub const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Remembers that the version has no place for something.
    pub(crate) fn not_in_version(&mut self, reason: &'static str) {
        let version = self.version;
        self.error.get_or_insert(EncodeError::NotInVersion { version, reason });
    }

    fn too_long(&mut self, len: usize, max: usize) {
        self.error.get_or_insert(EncodeError::TooLong { len, max });
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Writes bytes without copying them, unless they are few.
    pub(crate) fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < COPY_BELOW || is_planted("batches-copied") {
            self.put(bytes);
        } else {
            self.shared_len += bytes.len();
            self.shared.push((self.buffer.len(), bytes.clone()));
        }
    }

    pub(crate) fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.push(value as u8);
    }

    /// A length: `None` for null. `wide` lengths have four bytes in the classic form, others two.
    pub(crate) fn length(&mut self, length: Option<usize>, wide: bool) {
        // Kafka reads lengths into signed numbers, in the compact form too.
        let max = if wide { i32::MAX as usize - 1 } else { i16::MAX as usize };
        if let Some(len) = length.filter(|len| *len > max) {
            self.too_long(len, max);
            return;
        }
        match (self.flexible, length) {
            (true, Some(length)) => self.uvarint(length as u32 + 1),
            (true, None) => self.uvarint(0),
            (false, _) if wide => self.put(&length.map_or(-1, |length| length as i32).to_be_bytes()),
            (false, _) => self.put(&length.map_or(-1, |length| length as i16).to_be_bytes()),
        }
    }

    pub(crate) fn text(&mut self, text: Option<&str>) {
        self.length(text.map(str::len), false);
        self.put(text.unwrap_or_default().as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: Option<&Bytes>) {
        self.length(bytes.map(Bytes::len), true);
        if let Some(bytes) = bytes {
            self.put_shared(bytes);
        }
    }

    /// Writes the tagged fields, if the form has them; else there MUST be none that matters.
    pub(crate) fn tags(&mut self, tags: Tags) {
        if !self.flexible {
            return;
        }
        self.uvarint(tags.fields.len() as u32);
        for (tag, field) in tags.fields {
            self.uvarint(tag);
            self.uvarint(u32::try_from(field.buffer.len()).unwrap_or_default());
            self.put(&field.buffer);
            if let Some(error) = field.error {
                self.error.get_or_insert(error);
            }
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// The first thing that could not be said.
    pub fn finish(mut self) -> Result<Encoded, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let len = self.buffer.len() - LENGTH_PREFIX + self.shared_len;
        let too_long = EncodeError::TooLong { len, max: i32::MAX as usize };
        let prefix = i32::try_from(len).map_err(|_| too_long)?.to_be_bytes();
        if let Some(slot) = self.buffer.first_chunk_mut::<LENGTH_PREFIX>() {
            *slot = prefix;
        }
        let own = Bytes::from(self.buffer);
        if self.shared.is_empty() {
            return Ok(Encoded::new(own, Vec::new()));
        }
        // The places are in order and within the buffer, so that no piece is ever missing.
        let piece = |from, to| share(&own, from..to).unwrap_or_default();
        let mut rest = Vec::with_capacity(2 * self.shared.len());
        let mut head = None;
        let mut at = 0;
        for (place, bytes) in self.shared {
            match head {
                None => head = Some(piece(0, place)),
                Some(_) if place > at => rest.push(piece(at, place)),
                Some(_) => {}
            }
            at = place;
            rest.push(bytes);
        }
        if at < own.len() {
            rest.push(piece(at, own.len()));
        }
        Ok(Encoded::new(head.unwrap_or_default(), rest))
    }
}

/// Tagged fields that are to be written, in the order of their tags.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    fields: Vec<(u32, Encoder)>,
}

impl Tags {
    /// Adds a field, written by `write`.
    pub(crate) fn add(&mut self, tag: u32, of: &Encoder, write: impl FnOnce(&mut Encoder)) {
        let mut field = Encoder {
            buffer: Vec::new(),
            shared: Vec::new(),
            shared_len: 0,
            version: of.version,
            flexible: of.flexible,
            error: None,
        };
        write(&mut field);
        self.fields.push((tag, field.gathered()));
    }
}

impl Encoder {
    /// A tagged field has its length before it: its bytes are brought together. Record batches are in none.
    fn gathered(mut self) -> Self {
        if !self.shared.is_empty() {
            let mut buffer = Vec::with_capacity(self.buffer.len() + self.shared_len);
            let mut at = 0;
            for (place, bytes) in std::mem::take(&mut self.shared) {
                buffer.extend_from_slice(self.buffer.get(at..place).unwrap_or_default());
                buffer.extend_from_slice(&bytes);
                at = place;
            }
            buffer.extend_from_slice(self.buffer.get(at..).unwrap_or_default());
            self.buffer = buffer;
            self.shared_len = 0;
        }
        self
    }
}
