//! A record as a reader hands it over.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::record::{Headers, Record};
use ottla_broker_core::{Offset, TopicName, TopicPartition};

use super::error::Error;
use crate::codec::{Decode, Part};

/// A record and where it came from. Keys and values are slices of the batch as it was fetched: keeping a
/// message keeps its batch; copy what is to be kept for long.
///
/// `K` and `V` are [`Bytes`], or what the codecs of a typed reader made of them.
#[derive(Clone, Debug)]
pub struct Message<K = Bytes, V = Bytes> {
    source: Arc<TopicPartition>,
    offset: Offset,
    timestamp_ms: i64,
    key: Option<K>,
    value: Option<V>,
    headers: Headers,
}

impl Message {
    #[inline]
    pub(super) fn new(source: Arc<TopicPartition>, record: Record) -> Self {
        Self {
            source,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }

    /// The same message with its key and value decoded.
    ///
    /// # Errors
    /// [`Error::Decode`] with the topic, partition and offset.
    pub fn decode<K: Decode, V: Decode>(self, key: &K, value: &V) -> Result<Message<K::Output, V::Output>, Error> {
        let refused = |part, source| Error::Decode {
            partition: TopicPartition::clone(&self.source),
            offset: self.offset,
            part,
            source,
        };
        let topic = self.source.topic.as_str();
        let decoded_key = self.key.as_ref().map(|bytes| key.decode(topic, bytes)).transpose();
        let decoded_key = decoded_key.map_err(|source| refused(Part::Key, source))?;
        let decoded_value = self.value.as_ref().map(|bytes| value.decode(topic, bytes)).transpose();
        let decoded_value = decoded_value.map_err(|source| refused(Part::Value, source))?;
        Ok(Message {
            source: self.source,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: decoded_key,
            value: decoded_value,
            headers: self.headers,
        })
    }
}

impl<K, V> Message<K, V> {
    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.source.topic
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.source.partition
    }

    /// Topic and partition.
    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.source
    }

    /// Its place in the partition.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// When it was made (or appended, with `message.timestamp.type=LogAppendTime`), in ms since 1970; −1 for never.
    #[must_use]
    pub const fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    /// The key; `None` for a null one.
    #[must_use]
    pub const fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// The value; `None` for a tombstone.
    #[must_use]
    pub const fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }

    /// The headers, in order; a name may occur more than once.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Key and value, owned.
    #[must_use]
    pub fn into_parts(self) -> (Option<K>, Option<V>) {
        (self.key, self.value)
    }
}
