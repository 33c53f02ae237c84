//! Sending records: batched, in order, once.
//!
//! ```text
//! enqueue: room (budget) → partition (partitioner) → encoded into the partition's open batch
//! sender:  partitions with something to send, by leader → sealed, CRC → Cluster::produce
//! answer:  settle the batch's deliveries | again, with the same sequence | split | fail
//! ```
//!
//! One task a producer, whatever the number of partitions; one timer for the earliest deadline of all.

mod backoff;
mod barrier;
mod batch;
mod budget;
mod buffers;
mod builder;
mod completion;
mod crowd;
mod delivery;
mod error;
mod gather;
mod metadata;
mod partition;
mod permit;
mod reports;
mod sender;
mod settings;
mod shared;
mod sink;
mod state;
mod submit;
mod turns;
mod typed;
mod unacknowledged;
mod verdict;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_broker_core::TopicName;
use ottla_broker_core::api::TopicMetadata;
use ottla_broker_core::planted::is_planted;

pub use builder::ProducerBuilder;
pub use delivery::Delivery;
pub use error::{Error, NotEnqueued};
pub use metadata::RecordMetadata;
pub use permit::Permit;
pub use settings::Settings;
pub use sink::RecordSink;
pub use typed::TypedProducer;
pub use unacknowledged::Unacknowledged;

use crate::codec::Encode;
use crate::record::Record;
use shared::Shared;

/// Sends records. Cloning is cheap, and clones share everything: the batches, the room, the identity.
///
/// When the last clone goes without [`Producer::close`], what is not acknowledged resolves with
/// [`Error::Closed`], and a warning says how many records that were.
#[derive(Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

/// A producer, if it still has an owner.
#[derive(Clone)]
pub(crate) struct WeakProducer(Weak<Handle>);

impl WeakProducer {
    pub(crate) fn upgrade(&self) -> Option<Producer> {
        self.0.upgrade().map(|handle| Producer { handle })
    }
}

impl fmt::Debug for WeakProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakProducer").field(&self.upgrade()).finish()
    }
}

/// What the clones share; the background task does not, so that the last clone is known.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("shared", &self.handle.shared).finish()
    }
}

impl Producer {
    fn start(shared: Arc<Shared>) -> Self {
        sender::start(&shared);
        Self { handle: Arc::new(Handle { shared }) }
    }

    pub(crate) fn downgrade(&self) -> WeakProducer {
        WeakProducer(Arc::downgrade(&self.handle))
    }

    /// Sends `record` and waits for its acknowledgement.
    ///
    /// Cancel-safe: dropped while it waits for room, the record is not sent; dropped later, it is sent all
    /// the same, and a failure is told by [`Producer::flush`].
    ///
    /// # Errors
    /// Why it was not sent; [`Error::may_have_been_written`] says whether it may be in the log all the same.
    pub async fn send(&self, record: Record) -> Result<RecordMetadata, Error> {
        let delivery = self.enqueue(record).await?;
        if is_planted("send-acked-at-enqueue") {
            return Ok(RecordMetadata {
                topic: TopicName::new("unknown")?,
                partition: 0,
                offset: None,
                timestamp_ms: 0,
                durability: ottla_broker_core::log::Durability::Unknown,
                replicas: 0,
            });
        }
        delivery.await
    }

    /// Enqueues `record`, waiting for room only (and, for a topic's first record, for its metadata). Its
    /// partition and its place among the partition's records are fixed when this returns.
    ///
    /// Room there is up to [`max_unacked_bytes`](ProducerBuilder::max_unacked_bytes). While answers come fast it also waits,
    /// a few milliseconds at most, for what would only pile up: when behind a partition's batches in flight five more are
    /// full already.
    ///
    /// Waiting for room is first come, first served, and cancel-safe. With room there is no waiting, but now and then
    /// it lets other tasks run.
    ///
    /// # Errors
    /// When the record can never be sent.
    pub async fn enqueue(&self, record: Record) -> Result<Delivery, Error> {
        let shared = &self.handle.shared;
        let bytes = record.reserved_bytes();
        let needed = shared.admissible(&record, bytes)?;
        let turn = shared.turns.take().await;
        shared.crowd.wait(&shared.parts.env, gather::LONG).await;
        shared.take_room(needed).await?;
        match shared.enqueue_known(record, bytes) {
            Ok(placed) => placed.map_err(|refused| refused.error),
            Err(record) => {
                // A topic's first record: its metadata first, and no room is held meanwhile.
                drop(turn);
                shared.budget.give_back(bytes);
                shared.load_topic(record.topic.as_str()).await?;
                shared.take_room(needed).await?;
                shared.enqueue_reserved(*record, bytes).map_err(|refused| refused.error)
            }
        }
    }

    /// Enqueues `record` if there is room right now.
    ///
    /// # Errors
    /// The record, and why: [`Error::Full`], or it can never be sent.
    pub fn try_enqueue(&self, record: Record) -> Result<Delivery, NotEnqueued> {
        let shared = &self.handle.shared;
        let bytes = record.reserved_bytes();
        let room = shared.admissible(&record, bytes).and_then(|needed| shared.budget.try_take(needed));
        match room {
            Ok(()) => shared.enqueue_reserved(record, bytes),
            Err(error) => Err(NotEnqueued { error, record: Box::new(record) }),
        }
    }

    /// Waits for room for `bytes`, as [`Record::reserved_bytes`] counts them.
    ///
    /// # Errors
    /// [`Error::Config`] for more than `max_unacked_bytes`; [`Error::Closed`].
    pub async fn reserve(&self, bytes: usize) -> Result<Permit, Error> {
        let shared = &self.handle.shared;
        let needed = u32::try_from(bytes).ok().filter(|_| bytes <= shared.budget.limit());
        let needed = needed.ok_or_else(|| Error::Config {
            setting: "max_unacked_bytes",
            reason: format!("it is {}, and {bytes} bytes were to be reserved at once", shared.budget.limit()),
        })?;
        shared.take_room(needed).await?;
        Ok(Permit::new(Arc::clone(shared), bytes))
    }

    /// Waits until everything that was enqueued before this call has its answer. Records can be enqueued
    /// meanwhile.
    ///
    /// # Errors
    /// [`Error::Undelivered`]: how many records failed whose deliveries were dropped, since the last call
    /// that said so, and how the first did.
    pub async fn flush(&self) -> Result<(), Error> {
        self.handle.shared.flush().await;
        self.handle.shared.reports.take()
    }

    /// Takes no further records, flushes within `limit`, and ends. What is not acknowledged by then
    /// resolves with [`Error::Closed`]. Further calls, of clones too, say `Closed`.
    ///
    /// # Errors
    /// [`Error::LeftBehind`], with the partitions, when the limit passed; else as [`Producer::flush`].
    pub async fn close(&self, limit: Duration) -> Result<(), Error> {
        self.handle.shared.close(limit).await
    }

    /// The topic's partitions, and who leads them.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::InvalidTopic`], [`Error::Cluster`].
    pub async fn partitions_for(&self, topic: &str) -> Result<Arc<TopicMetadata>, Error> {
        self.handle.shared.load_topic(topic).await
    }

    /// Bytes that wait for their acknowledgement, as [`Record::reserved_bytes`] counts them, permits included.
    #[must_use]
    pub fn unacked_bytes(&self) -> usize {
        let budget = &self.handle.shared.budget;
        budget.limit().saturating_sub(budget.free())
    }

    /// A [`Sink`](futures::Sink) of records, whose readiness is this producer's room.
    pub fn sink(&self) -> RecordSink {
        RecordSink::new(self.clone())
    }

    /// This producer with codecs: a cheap view, so that one engine, one room and one identity serve every
    /// type of event.
    pub fn typed<K: Encode, V: Encode>(&self, key: K, value: V) -> TypedProducer<K, V> {
        TypedProducer::new(self.clone(), key, value)
    }
}

#[cfg(test)]
mod tests;
