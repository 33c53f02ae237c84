//! The consumer as an application holds it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{FutureExt, Stream};

use super::core::Core;
use super::error::Error;
use super::handle::Handle;
use super::message::{Batch, Message};
use super::typed::{OnDecodeError, TypedConsumer};
use crate::client::Opened;
use crate::codec::Decode;

/// Reads topics as a member of a group, or partitions chosen by hand, and commits how far it has come.
/// From [`Client::consumer`](crate::Client::consumer).
///
/// Messages of one partition come in order; partitions take turns by batch. Heartbeats, rebalances and commits
/// live in a task of their own. Dropping the consumer ends it in the background: what is acknowledged is committed
/// and the group is left, as far as that goes without anybody waiting; [`Handle::shutdown`] waits and says.
pub struct Consumer {
    pub(super) core: Core,
    pub(super) handle: Handle,
    /// Keeps an embedded broker alive as long as it is read.
    pub(super) opened: Opened,
}

/// How long a dropped consumer may take to commit and leave in the background.
const FAREWELL: Duration = Duration::from_secs(5);

/// Says that the application no longer waits when a call ends or is dropped.
pub(super) struct Waiting<'a>(pub(super) &'a mut Core);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set_waiting(false);
    }
}

impl Consumer {
    /// The next message; `None` after [`Handle::shutdown`] or the client's `close`. Cancel-safe: a dropped call
    /// loses nothing.
    ///
    /// # Errors
    /// [`Error`]; unless it [is fatal](Error::is_fatal), the next call goes on: after
    /// [`Trouble::PollInterval`](super::membership::Trouble::PollInterval) it rejoins.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        let waiting = Waiting(&mut self.core);
        poll_fn(|cx| waiting.0.poll_message(cx)).await.transpose()
    }

    /// The next whole batch, or the rest of the one that [`next`](Self::next) is in, or as much of it as
    /// [`max_unacked`](super::Builder::max_unacked) allows. Otherwise as `next`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let waiting = Waiting(&mut self.core);
        poll_fn(|cx| waiting.0.poll_batch(cx)).await.transpose()
    }

    /// The next message if one is here already: nothing is waited for.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Message>, Error> {
        self.next().now_or_never().transpose().map(Option::flatten)
    }

    /// Commits, seeks, pauses and ends this consumer, from any task.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub(super) const fn context(&self) -> &crate::context::Context {
        &self.opened.context
    }

    /// The same consumer with keys and values decoded.
    pub fn typed<K: Decode, V: Decode>(self, key: K, value: V) -> TypedConsumer<K, V> {
        TypedConsumer::new(self, key, value, OnDecodeError::Fail)
    }
}

impl Stream for Consumer {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.core.poll_message(cx)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.core.shared.abandon(FAREWELL);
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("group", &self.core.shared.group)
            .field("assignment", &self.handle.assignment())
            .finish_non_exhaustive()
    }
}
