//! What a shard needs of its partition, and no more: so that it can be tested without one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::Shared;

use crate::api::Error;
use crate::env::BoxFuture;
use crate::ids::Offset;
use crate::record::Batch;

/// The log of one shard: a partition of `__consumer_offsets`, opened for leading. Nobody else appends to it.
///
/// To ensure correctness:
/// - Appends are committed in their order: a resolved [`Commit`] means that every earlier one is resolved.
/// - When a commit fails, so do all later ones, and appends are refused, until [`reopen`](Self::reopen)
///   has returned. What failed may be in the log then, or not; but from then on it stays as it is.
/// - [`read`](Self::read) shows everything below [`end`](Self::end), committed or not.
#[async_trait]
pub trait ShardLog: fmt::Debug + Send + Sync + 'static {
    /// The first offset that can be read.
    fn start(&self) -> Offset;

    /// One past the last offset that was appended.
    fn end(&self) -> Offset;

    /// The largest batch that it takes, in bytes.
    fn max_batch_bytes(&self) -> usize;

    /// Takes a batch, at once and in the order of the calls, and gives it its offsets.
    ///
    /// # Errors
    /// When it was not taken: the log is full, fenced, closed, or failed before.
    fn append(&self, batch: Batch) -> Result<ShardAppend, Error>;

    /// Waits until everything below `end` is committed.
    ///
    /// # Errors
    /// When it will not be.
    async fn committed(&self, end: Offset) -> Result<(), Error>;

    /// Whole batches in order from the one that holds `from`, or the first behind it, up to the end: at least
    /// one if there is any, and about `max_bytes`.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error>;

    /// Forgets what precedes `before`, which is committed. Durable before it returns.
    ///
    /// # Errors
    /// When nothing was forgotten, or it is unknown whether.
    async fn trim(&self, before: Offset) -> Result<(), Error>;

    /// Settles what is in doubt after a failure, and takes appends again. No effect on a log that has not failed.
    ///
    /// # Errors
    /// When it cannot, or not yet; a log that another broker leads by now never can.
    async fn reopen(&self) -> Result<(), Error>;
}

/// Where an append went, and the promise that it stays there.
#[derive(Clone, Debug)]
pub struct ShardAppend {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// Resolves when it is committed.
    pub commit: Commit,
}

/// Resolves when an append, and with it every earlier one, is committed. Cheap to clone.
#[derive(Clone)]
#[must_use = "an append may still be taken back before its commit resolves"]
pub struct Commit(Shared<BoxFuture<'static, Result<(), Error>>>);

impl Commit {
    /// A commit that `future` decides.
    pub fn new(future: impl Future<Output = Result<(), Error>> + Send + 'static) -> Self {
        let future: BoxFuture<'static, Result<(), Error>> = Box::pin(future);
        Self(future.shared())
    }

    /// The result if it is known already, without waiting.
    #[must_use]
    pub fn peek(&self) -> Option<Result<(), Error>> {
        self.0.peek().cloned().or_else(|| self.0.clone().now_or_never())
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Commit").field(&self.0.peek()).finish()
    }
}

impl Future for Commit {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}
