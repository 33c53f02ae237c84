//! One stream a partition, for work that goes on in parallel and in order.
//!
//! ```text
//!   engine ──► pump (a task) ──one batch at a time──► PartitionStream of t-0
//!                            └─────────────────────► PartitionStream of t-1
//! ```
//!
//! A stream that is not read holds its own partition back and no other.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use futures::Stream;
use ottla_broker_core::TopicPartition;
use tokio::sync::{mpsc, oneshot};

use super::acks::{Ack, AckMany};
use super::assigned::Assigned;
use super::core::Core;
use super::error::Error;
use super::handle::Handle;
use super::message::{Batch, Message};
use super::shared::{Change, Shared};
use super::surface::Consumer;

/// The partitions of a consumer as they are assigned. From [`Consumer::partitions`].
///
/// Errors that are about no message come from here too. Dropping it ends the consumer and all the streams.
pub struct Partitions {
    items: mpsc::UnboundedReceiver<Item>,
    handle: Handle,
}

enum Item {
    Stream(Box<PartitionStream>),
    /// And who waits until it was taken: an error is one poll's.
    Error(Error, oneshot::Sender<()>),
}

/// The messages of one assignment of one partition, in order. It ends when the partition is revoked or lost; a
/// later assignment is another stream.
pub struct PartitionStream {
    assigned: Arc<Assigned>,
    batches: mpsc::Receiver<Queued>,
    /// And the seeks before it: what was fetched before a later one is not wanted.
    current: Option<(Batch, u64)>,
    shared: Arc<Shared>,
}

/// A batch in a stream. It counts as long as it waits.
#[derive(Debug)]
pub(super) struct Queued {
    batch: Batch,
    seeks: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Counts(Arc<Shared>);

impl Counts {
    fn new(shared: Arc<Shared>) -> Self {
        shared.queued.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Consumer {
    /// One stream for each partition that is assigned, now and later. Each may be read by a task of its own;
    /// together with [`Handle::held_back`] and acks they work as [`next`](Self::next) does.
    ///
    /// The application counts as busy while a stream has a message to take and none takes any.
    #[must_use]
    pub fn partitions(self) -> Partitions {
        let (send, items) = mpsc::unbounded_channel();
        let handle = self.handle();
        self.core.shared.in_streams();
        let env = self.context().env.clone();
        // It ends with the consumer, and when nobody is there to take from it.
        drop(env.spawn("ottla-partitions", pump(self, send)));
        Partitions { items, handle }
    }
}

async fn pump(mut consumer: Consumer, items: mpsc::UnboundedSender<Item>) {
    loop {
        let next = poll_fn(|cx| consumer.core.poll_current(cx));
        let next = tokio::select! {
            biased;
            () = items.closed() => return,
            next = next => next,
        };
        match next {
            Some(Ok(())) => consumer.core.route(&items),
            Some(Err(error)) => {
                let (send, taken) = oneshot::channel();
                if items.send(Item::Error(error, send)).is_err() {
                    return;
                }
                let _ = taken.await;
            }
            None => return,
        }
    }
}

impl Core {
    /// Hands the current batch to its stream, which is made if it is the first.
    fn route(&mut self, items: &mpsc::UnboundedSender<Item>) {
        let shared = Arc::clone(&self.shared);
        let Some(lane) = self.current_lane() else { return };
        let sender = match &lane.stream {
            Some(sender) => sender.clone(),
            None => {
                let (sender, batches) = mpsc::channel(1);
                let assigned = Arc::clone(&lane.assigned);
                lane.stream = Some(sender.clone());
                let _ = items.send(Item::Stream(Box::new(PartitionStream {
                    assigned,
                    batches,
                    current: None,
                    shared: Arc::clone(&shared),
                })));
                sender
            }
        };
        match sender.try_reserve() {
            Ok(room) => {
                let seeks = lane.assigned.seeks();
                if let Some(batch) = self.hand_over_current() {
                    room.send(Queued { batch, seeks, counts: Counts::new(shared) });
                }
            }
            // Its stream says when it has taken something. One that was dropped never will.
            Err(_) => self.clog_current(),
        }
    }
}

impl Partitions {
    /// The next partition's stream; `None` after shutdown. Cancel-safe.
    ///
    /// # Errors
    /// As [`Consumer::next`]; the next call goes on.
    pub async fn next(&mut self) -> Result<Option<PartitionStream>, Error> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }

    /// Commits, seeks, pauses and ends the consumer, from any task.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Stream for Partitions {
    type Item = Result<PartitionStream, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.items.poll_recv(cx)) {
            Some(Item::Stream(stream)) => Some(Ok(*stream)),
            Some(Item::Error(error, taken)) => {
                let _ = taken.send(());
                Some(Err(error))
            }
            None => None,
        })
    }
}

impl PartitionStream {
    /// The partition.
    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.assigned.partition
    }

    /// The next message; `None` when the partition is no longer this consumer's. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Read`] for a record that cannot be read.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl Stream for PartitionStream {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.assigned.is_stopped() {
                self.current = None;
                return Poll::Ready(None);
            }
            let seeks = self.assigned.seeks();
            if let Some((batch, before)) = &mut self.current {
                if let Some(message) = batch.take_one().filter(|_| *before == seeks) {
                    self.shared.polls.fetch_add(1, Ordering::Relaxed);
                    return Poll::Ready(Some(message));
                }
                self.current = None;
            }
            match ready!(self.batches.poll_recv(cx)) {
                Some(Queued { batch, seeks, counts }) => {
                    self.current = Some((batch, seeks));
                    drop(counts);
                    self.shared.change(Change::Taken(Arc::clone(&self.assigned)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Batch {
    /// The next message with the right to acknowledge it.
    fn take_one(&mut self) -> Option<Result<Message, Error>> {
        Some(match self.next()? {
            Ok(message) => Ok(Message::new(message, self.split_ack())),
            Err(error) => Err(error.into()),
        })
    }

    fn split_ack(&mut self) -> Option<Ack> {
        self.acks_mut().and_then(AckMany::split_first)
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl fmt::Debug for PartitionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartitionStream").field(&self.assigned.partition).finish()
    }
}
