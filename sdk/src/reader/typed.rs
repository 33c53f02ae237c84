//! A reader with codecs.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use super::Reader;
use super::error::Error;
use super::message::Message;
use crate::codec::Decode;

/// A [`Reader`] whose messages have decoded keys and values. From [`Reader::typed`].
pub struct TypedReader<K, V> {
    reader: Reader,
    key: K,
    value: V,
}

impl<K: Decode, V: Decode> TypedReader<K, V> {
    pub(super) const fn new(reader: Reader, key: K, value: V) -> Self {
        Self { reader, key, value }
    }

    /// The next message; as [`Reader::next`].
    ///
    /// # Errors
    /// [`Error`]. After [`Error::Decode`] the position is behind the record: the next call leaves it out,
    /// and a [`seek`](Reader::seek) to its offset reads it again.
    pub async fn next(&mut self) -> Result<Option<Message<K::Output, V::Output>>, Error> {
        match self.reader.next().await? {
            Some(message) => message.decode(&self.key, &self.value).map(Some),
            None => Ok(None),
        }
    }

    /// The reader beneath: to seek, pause, or ask for positions.
    pub const fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The reader without its codecs.
    #[must_use]
    pub fn into_inner(self) -> Reader {
        self.reader
    }
}

impl<K: Decode + Unpin, V: Decode + Unpin> Stream for TypedReader<K, V> {
    type Item = Result<Message<K::Output, V::Output>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        Pin::new(&mut this.reader)
            .poll_next(cx)
            .map(|item| item.map(|message| message.and_then(|message| message.decode(&this.key, &this.value))))
    }
}

impl<K, V> fmt::Debug for TypedReader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedReader").field(&self.reader).finish()
    }
}
