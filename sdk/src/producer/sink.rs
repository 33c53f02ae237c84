//! A producer as a sink.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Sink;
use ottla_broker_core::env::BoxFuture;

use super::Producer;
use super::error::Error;
use crate::record::Record;

/// A [`Sink`] of records: ready while the producer has room. Flushing it is
/// [`Producer::flush`], failures included; closing it flushes, and leaves the producer open for its other
/// clones.
pub struct RecordSink {
    producer: Producer,
    waiting: Option<BoxFuture<'static, Result<(), Error>>>,
    flushing: Option<BoxFuture<'static, Result<(), Error>>>,
}

impl RecordSink {
    pub(super) const fn new(producer: Producer) -> Self {
        Self { producer, waiting: None, flushing: None }
    }
}

impl fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSink").field("waiting", &self.waiting.is_some()).finish_non_exhaustive()
    }
}

impl Sink<Record> for RecordSink {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(waiting) = &mut self.waiting {
            let enqueued = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            enqueued?;
        }
        self.producer.handle.shared.turns.poll(cx).map(Ok)
    }

    fn start_send(mut self: Pin<&mut Self>, record: Record) -> Result<(), Error> {
        // At most one record waits here: `poll_ready` comes before each.
        let producer = self.producer.clone();
        // A statement of its own: within the next one the guard would live on, and enqueueing takes it again.
        let known = producer.handle.shared.state().knows(record.topic.as_str());
        let enqueued = known.then(|| self.producer.try_enqueue(record.clone()));
        match enqueued {
            Some(Ok(delivery)) => drop(delivery),
            Some(Err(refused)) if !matches!(refused.error, Error::Full { .. }) => return Err(refused.error),
            _ => self.waiting = Some(Box::pin(async move { producer.enqueue(record).await.map(drop) })),
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.as_mut().poll_ready(cx))?;
        let this = &mut *self;
        let producer = &this.producer;
        let flushing = this.flushing.get_or_insert_with(|| {
            let producer = producer.clone();
            Box::pin(async move { producer.flush().await })
        });
        let flushed = ready!(flushing.as_mut().poll(cx));
        this.flushing = None;
        Poll::Ready(flushed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flush(cx)
    }
}
