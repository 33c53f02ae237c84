//! A consumer with codecs.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use ottla_broker_core::env::BoxFuture;

use super::acks::Ack;
use super::error::Error;
use super::handle::Handle;
use super::message::{Message, Undecoded};
use super::surface::{Consumer, Waiting};
use crate::codec::Decode;
use crate::producer::{self, Producer};
use crate::reader;
use crate::record::{Record, Topic};

/// What becomes of a record whose key or value cannot be decoded.
#[derive(Clone, Debug)]
pub enum OnDecodeError {
    /// `next` yields the error and goes on after it; the record is not acknowledged, so that the commit stays
    /// before it and it comes again after a restart.
    Fail,
    /// It is left out and acknowledged, with a warning.
    Skip,
    /// It is written to another topic as it is, with headers that say where it came from and why
    /// (`ottla.source`, `ottla.error`). It is acknowledged once that is.
    DeadLetter {
        /// What writes it.
        producer: Producer,
        /// Where to.
        topic: Topic,
    },
}

impl OnDecodeError {
    /// [`OnDecodeError::DeadLetter`].
    pub fn dead_letter(producer: &Producer, topic: impl Into<Topic>) -> Self {
        Self::DeadLetter { producer: producer.clone(), topic: topic.into() }
    }
}

/// A record on its way to the dead-letter topic. It belongs to the consumer, so that a dropped `next` loses nothing.
struct Letter {
    message: reader::Message,
    ack: Option<Ack>,
    why: String,
    writing: Option<BoxFuture<'static, Result<(), producer::Error>>>,
}

/// A [`Consumer`] whose messages have decoded keys and values. From [`Builder::typed`](super::Builder::typed).
pub struct TypedConsumer<K, V> {
    consumer: Consumer,
    key: K,
    value: V,
    policy: OnDecodeError,
    letter: Option<Letter>,
}

type Item<K, V> = Message<<K as Decode>::Output, <V as Decode>::Output>;

impl<K: Decode, V: Decode> TypedConsumer<K, V> {
    pub(super) const fn new(consumer: Consumer, key: K, value: V, policy: OnDecodeError) -> Self {
        Self { consumer, key, value, policy, letter: None }
    }

    /// What to do with a record that cannot be decoded; [`OnDecodeError::Fail`] by default.
    #[must_use]
    pub fn on_decode_error(mut self, policy: OnDecodeError) -> Self {
        self.policy = policy;
        self
    }

    /// The next message; as [`Consumer::next`], cancel-safe.
    ///
    /// # Errors
    /// As [`Consumer::next`]; [`reader::Error::Decode`] as the policy says; [`Error::DeadLetter`].
    pub async fn next(&mut self) -> Result<Option<Item<K, V>>, Error> {
        let Self { consumer, key, value, policy, letter } = self;
        let waiting = Waiting(&mut consumer.core);
        poll_fn(|cx| poll(waiting.0, key, value, policy, letter, cx)).await.transpose()
    }

    /// Commits, seeks, pauses and ends this consumer, from any task.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.consumer.handle()
    }
}

fn poll<K: Decode, V: Decode>(
    core: &mut super::core::Core,
    key: &K,
    value: &V,
    policy: &OnDecodeError,
    pending: &mut Option<Letter>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Item<K, V>, Error>>> {
    loop {
        if let (Some(letter), OnDecodeError::DeadLetter { producer, topic }) = (pending.as_mut(), policy) {
            let writing = letter.writing.get_or_insert_with(|| {
                let (producer, record) = (producer.clone(), record(&letter.message, topic, &letter.why));
                Box::pin(async move { producer.send(record).await.map(drop) })
            });
            match ready!(writing.as_mut().poll(cx)) {
                Ok(()) => {
                    if let Some(ack) = pending.take().and_then(|letter| letter.ack) {
                        let _ = ack.ack();
                    }
                }
                Err(source) => {
                    letter.writing = None;
                    let partition = letter.message.topic_partition().clone();
                    let (offset, topic) = (letter.message.offset(), topic.as_str().to_owned());
                    return Poll::Ready(Some(Err(Error::DeadLetter { partition, offset, topic, source })));
                }
            }
        }
        let message = match ready!(core.poll_message(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        };
        let Undecoded { error, message } = match message.decode(key, value) {
            Ok(message) => return Poll::Ready(Some(Ok(message))),
            Err(refused) => *refused,
        };
        let (message, ack) = message.into_parts();
        match policy {
            OnDecodeError::Fail => return Poll::Ready(Some(Err(error.into()))),
            OnDecodeError::Skip => {
                tracing::warn!(%error, "a record is left out");
                if let Some(ack) = ack {
                    let _ = ack.ack();
                }
            }
            OnDecodeError::DeadLetter { topic, .. } => {
                tracing::warn!(%error, %topic, "a record goes to the dead-letter topic");
                *pending = Some(Letter { message, ack, why: error.to_string(), writing: None });
            }
        }
    }
}

fn record(message: &reader::Message, topic: &Topic, why: &str) -> Record {
    let mut record = Record::to(topic.clone()).timestamp_ms(message.timestamp_ms().max(0));
    record.key = message.key().cloned();
    record.value = message.value().cloned();
    record.headers.extend(message.headers().iter().map(|(name, value)| (Cow::Owned(name.into_owned()), value)));
    let source = format!("{}@{}", message.topic_partition(), message.offset());
    record.header("ottla.source", source).header("ottla.error", why.to_owned())
}

impl<K: Decode + Unpin, V: Decode + Unpin> Stream for TypedConsumer<K, V> {
    type Item = Result<Item<K, V>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { consumer, key, value, policy, letter } = &mut *self;
        poll(&mut consumer.core, key, value, policy, letter, cx)
    }
}

impl<K, V> fmt::Debug for TypedConsumer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedConsumer").field(&self.consumer).finish()
    }
}
