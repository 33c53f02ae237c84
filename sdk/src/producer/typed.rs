//! A producer with codecs.

use std::fmt;
use std::sync::Arc;

use super::Producer;
use super::delivery::Delivery;
use super::error::Error;
use super::metadata::RecordMetadata;
use crate::codec::Encode;
use crate::record::{Record, Topic};

/// A [`Producer`] that encodes keys and values. From [`Producer::typed`]. Null keys and values stay outside
/// of the codecs.
#[derive(Clone)]
pub struct TypedProducer<K, V> {
    producer: Producer,
    key: K,
    value: V,
}

impl<K: Encode, V: Encode> TypedProducer<K, V> {
    pub(super) const fn new(producer: Producer, key: K, value: V) -> Self {
        Self { producer, key, value }
    }

    /// `record` with this key and value, encoded; `None` is null. The record says the rest: topic,
    /// partition, headers, timestamp.
    ///
    /// # Errors
    /// [`Error::Encode`]: nothing was enqueued.
    pub fn encode(
        &self,
        mut record: Record,
        key: Option<&K::Input>,
        value: Option<&V::Input>,
    ) -> Result<Record, Error> {
        let topic = record.topic.as_str();
        let refused = |part, source| Error::Encode { topic: topic.to_owned(), part, source: Arc::new(source) };
        let key = key.map(|key| self.key.encode(topic, key)).transpose();
        let key = key.map_err(|source| refused("key", source))?;
        let value = value.map(|value| self.value.encode(topic, value)).transpose();
        let value = value.map_err(|source| refused("value", source))?;
        record.key = key;
        record.value = value;
        Ok(record)
    }

    /// Sends a key and a value, and waits for the acknowledgement; as [`Producer::send`].
    ///
    /// # Errors
    /// [`Error::Encode`], and as [`Producer::send`].
    pub async fn send(
        &self,
        topic: impl Into<Topic>,
        key: &K::Input,
        value: &V::Input,
    ) -> Result<RecordMetadata, Error> {
        let record = self.encode(Record::to(topic), Some(key), Some(value))?;
        self.producer.send(record).await
    }

    /// Enqueues a key and a value, waiting for room only; as [`Producer::enqueue`].
    ///
    /// # Errors
    /// [`Error::Encode`], and as [`Producer::enqueue`].
    pub async fn enqueue(&self, topic: impl Into<Topic>, key: &K::Input, value: &V::Input) -> Result<Delivery, Error> {
        let record = self.encode(Record::to(topic), Some(key), Some(value))?;
        self.producer.enqueue(record).await
    }

    /// Sends a key without a value: the end of that key.
    ///
    /// # Errors
    /// [`Error::Encode`], and as [`Producer::send`].
    pub async fn send_tombstone(&self, topic: impl Into<Topic>, key: &K::Input) -> Result<RecordMetadata, Error> {
        let record = self.encode(Record::to(topic), Some(key), None)?;
        self.producer.send(record).await
    }

    /// The producer beneath.
    pub const fn producer(&self) -> &Producer {
        &self.producer
    }
}

impl<K, V> fmt::Debug for TypedProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedProducer").field(&self.producer).finish()
    }
}
