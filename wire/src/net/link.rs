//! One connection to one broker, which is made when it is needed and comes back when it was lost.

use std::sync::Arc;

use ottla_broker_core::env::{BoxFuture, Env, Task};

use super::address::Address;
use super::ask::{Answer, Ask, Limits, Typed};
use super::backlog::{Backlog, Room};
use super::error::Error;
use super::options::Options;
use super::running::Running;
use crate::api::Api;
use crate::negotiate::{NoCommonVersion, ServerVersions};

/// One connection to one broker. Requests go out in the order of the calls, without waiting for each other's answers.
///
/// It is made for the first request, and again for the next one after it was lost, after a pause that grows with
/// each failure. A request that waits for a connection fails with the attempt to make one. Dropping the link ends
/// the connection.
#[derive(Debug)]
pub struct Link {
    backlog: Arc<Backlog>,
    options: Arc<Options>,
    task: Task,
}

impl Link {
    /// A link to the broker at `address`, without a connection yet. In a tokio runtime, which must last as long as the
    /// link is used.
    #[must_use]
    pub fn new(address: Address, options: Arc<Options>, env: &Env) -> Arc<Self> {
        let backlog = Backlog::new(address, env.clone());
        let running = Running { backlog: Arc::clone(&backlog), options: Arc::clone(&options) };
        let task = env.spawn("ottla-connection", running.run());
        Arc::new(Self { backlog, options, task })
    }

    /// Where the broker is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.backlog.address
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.backlog.is_connected()
    }

    /// Whether its task has ended, with its runtime: then nothing can be asked over it any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.backlog.is_ended()
    }

    /// Whether nothing waits to be sent or answered.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.backlog.is_free()
    }

    /// Ends the connection for good. What is in flight fails.
    pub fn close(&self) {
        self.backlog.end();
        self.task.abort();
    }

    /// Asks what `prepare` makes of the versions that the broker speaks. The request is taken before this returns, in the
    /// order of the calls; the future has the answer. Dropping it gives up the answer, which is read and discarded
    /// when it comes; a request that has not been sent by then is left out, unless [`Limits::kept`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn ask<A: Api>(
        self: &Arc<Self>,
        limits: Limits,
        prepare: impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    ) -> BoxFuture<'static, Result<Answer<A>, Error>> {
        let (job, answer) = Typed::new(limits, prepare);
        self.backlog.push(Box::new(job));
        // The connection stays as long as somebody waits for an answer.
        let link = Arc::clone(self);
        Box::pin(async move {
            let gone = |_| Err(Error::Closed { address: link.address().clone(), api: A::KEY });
            answer.await.unwrap_or_else(gone)
        })
    }

    /// Waits until there is a connection and about `bytes` more may wait to be sent. Room is not reserved. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Unreachable`], if an attempt to connect fails meanwhile.
    pub async fn ready(&self, bytes: usize) -> Result<(), Error> {
        let mut since = None;
        loop {
            // Before the look: whoever changes it afterwards wakes this.
            let changed = self.backlog.changed.notified();
            match self.backlog.room(bytes, self.options.max_unsent_bytes, since) {
                Room::Yes => return Ok(()),
                Room::No(error) => return Err(error),
                Room::Later { failed } => since = Some(failed),
            }
            changed.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}
