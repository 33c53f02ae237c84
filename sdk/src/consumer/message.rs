//! What a consumer hands over.

use std::ops::Deref;

use bytes::Bytes;

use super::acks::{Ack, AckMany, Acked, AckedMany};
use crate::codec::Decode;
use crate::reader::{self, Messages};

/// A record, and the right to acknowledge it. Dropping it acknowledges nothing: it holds the commit of its
/// partition back.
///
/// With [`Commit::BeforeHandover`](super::Commit::BeforeHandover) and
/// [`Commit::Application`](super::Commit::Application) there is nothing to acknowledge, and `ack` does nothing.
#[derive(Debug)]
pub struct Message<K = Bytes, V = Bytes> {
    message: reader::Message<K, V>,
    ack: Option<Ack>,
}

impl Message {
    #[inline]
    pub(super) const fn new(message: reader::Message, ack: Option<Ack>) -> Self {
        Self { message, ack }
    }

    /// The same message with its key and value decoded.
    ///
    /// # Errors
    /// What was refused, with the message as it was.
    pub fn decode<K: Decode, V: Decode>(
        self,
        key: &K,
        value: &V,
    ) -> Result<Message<K::Output, V::Output>, Box<Undecoded>> {
        match self.message.clone().decode(key, value) {
            Ok(message) => Ok(Message { message, ack: self.ack }),
            Err(error) => Err(Box::new(Undecoded { error, message: self })),
        }
    }
}

/// A message that a codec refused.
#[derive(Debug)]
pub struct Undecoded {
    /// [`reader::Error::Decode`].
    pub error: reader::Error,
    /// The message as it was, still to be acknowledged.
    pub message: Message,
}

impl<K, V> Message<K, V> {
    /// Says that the message is handled: a commit covers it once all before it in its partition are acknowledged
    /// too. One atomic operation.
    ///
    /// [`Acked::Revoked`] when the partition is no longer this consumer's, or was sought in since.
    #[inline]
    pub fn ack(self) -> Acked {
        self.ack.map_or(Acked::Counted, Ack::ack)
    }

    /// The record and the right to acknowledge it, apart.
    #[must_use]
    pub fn into_parts(self) -> (reader::Message<K, V>, Option<Ack>) {
        (self.message, self.ack)
    }
}

impl<K, V> Deref for Message<K, V> {
    type Target = reader::Message<K, V>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.message
    }
}

/// The messages of one batch of one partition, and the right to acknowledge them: the fast path. An iterator that
/// decodes as it goes.
///
/// ```no_run
/// # async fn handle(consumer: &mut ottla::Consumer) -> Result<(), ottla::consumer::Error> {
/// while let Some(mut batch) = consumer.next_batch().await? {
///     for message in &mut batch {
///         println!("{:?}", message?.value());
///     }
///     batch.ack();
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch that is not acknowledged holds its partition back"]
pub struct Batch {
    messages: Messages,
    acks: Option<AckMany>,
    /// All of them, to count those before an error.
    all: Messages,
    /// How many [`ack_first`](Self::ack_first) acknowledged.
    acked: u64,
}

impl Batch {
    pub(super) fn new(messages: Messages, acks: Option<AckMany>) -> Self {
        Self { all: messages.clone(), messages, acks, acked: 0 }
    }

    pub(super) const fn acks_mut(&mut self) -> Option<&mut AckMany> {
        self.acks.as_mut()
    }

    /// Topic and partition that all of them are of.
    #[must_use]
    pub fn topic_partition(&self) -> &ottla_broker_core::TopicPartition {
        self.messages.topic_partition()
    }

    /// Acknowledges all of them, or, after an error, all before it.
    pub fn ack(self) -> AckedMany {
        let Some(mut acks) = self.acks else { return AckedMany::default() };
        if !self.messages.has_failed() {
            return acks.ack();
        }
        let good = self.all.map_while(Result::ok).count();
        acks.ack_first(u64::try_from(good).unwrap_or(u64::MAX).saturating_sub(self.acked))
    }

    /// Acknowledges the next `count` that are not acknowledged.
    pub fn ack_first(&mut self, count: u64) -> AckedMany {
        self.acked = self.acked.saturating_add(count);
        self.acks.as_mut().map_or_else(AckedMany::default, |acks| acks.ack_first(count))
    }
}

impl Iterator for Batch {
    // The reader's own items, untouched: another error type would copy each message.
    type Item = Result<reader::Message, reader::Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.messages.next()
    }
}
