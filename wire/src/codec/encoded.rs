//! A frame that is ready to be sent.

use bytes::{Bytes, BytesMut};

/// A whole frame, its length included, as a few shared buffers for a vectored write: record batches lie
/// in it as they were given, uncopied.
#[derive(Clone, Debug, Default)]
#[must_use = "a frame is there to be sent"]
pub struct Encoded {
    /// The first bytes; most messages have no more.
    pub head: Bytes,
    /// What follows, in order. No buffer is empty.
    pub rest: Vec<Bytes>,
}

impl Encoded {
    pub(super) const fn new(head: Bytes, rest: Vec<Bytes>) -> Self {
        Self { head, rest }
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffers, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.head).chain(&self.rest)
    }

    /// The buffers, in order.
    pub fn into_chunks(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.head).chain(self.rest)
    }

    /// One buffer. Copies if there are several: for tests and small messages.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if self.rest.is_empty() {
            return self.head.clone();
        }
        let mut bytes = BytesMut::with_capacity(self.len());
        for chunk in self.chunks() {
            bytes.extend_from_slice(chunk);
        }
        bytes.freeze()
    }
}
