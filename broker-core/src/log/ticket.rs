//! The promise that an append becomes durable.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::Shared;
use tokio::sync::oneshot;

use super::error::{Error, ErrorKind};

/// Resolves when an append is as durable as its storage was configured for.
///
/// Many appends may share one ticket (a group commit): it is cheap to clone, and completing it costs
/// the same whatever the number of records behind it.
///
/// - Resolved `Ok`: this batch and every earlier one of its partition are durable.
/// - Resolved `Err`: this one and every later one of its partition failed, and the partition is closed.
///   Whether it was written is then known only after the partition was opened again
///   ([`Error::may_have_been_written`]).
#[derive(Clone, Debug)]
#[must_use = "an append is not durable before its ticket resolves"]
pub struct Ticket(State);

#[derive(Clone, Debug)]
enum State {
    Done(Result<(), Error>),
    Pending(Shared<Receiver>),
}

/// Resolves the tickets of one group commit. Dropped unresolved, it fails them as
/// [`Unavailable`](ErrorKind::Unavailable): an append is never left hanging.
#[derive(Debug)]
#[must_use = "dropping it fails the tickets"]
pub struct Resolver(oneshot::Sender<Result<(), Error>>);

#[derive(Debug)]
struct Receiver(oneshot::Receiver<Result<(), Error>>);

impl Future for Receiver {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|received| {
            received.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Unavailable, "the storage ended before the write was durable"))
            })
        })
    }
}

impl Ticket {
    /// A ticket that is resolved already.
    pub const fn ready(result: Result<(), Error>) -> Self {
        Self(State::Done(result))
    }

    /// A ticket and what resolves it.
    pub fn pending() -> (Resolver, Self) {
        let (sender, receiver) = oneshot::channel();
        (Resolver(sender), Self(State::Pending(Receiver(receiver).shared())))
    }

    /// The result if it is known already, without waiting.
    #[must_use]
    pub fn peek(&self) -> Option<Result<(), Error>> {
        match &self.0 {
            State::Done(result) => Some(result.clone()),
            State::Pending(shared) => shared.peek().cloned().or_else(|| shared.clone().now_or_never()),
        }
    }
}

impl Resolver {
    /// Resolves every clone of the ticket.
    pub fn resolve(self, result: Result<(), Error>) {
        // Nobody may be waiting any more; that is their choice.
        let _ = self.0.send(result);
    }
}

impl Future for Ticket {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(result) => Poll::Ready(result.clone()),
            State::Pending(shared) => {
                let result = std::task::ready!(Pin::new(shared).poll(cx));
                self.0 = State::Done(result.clone());
                Poll::Ready(result)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_learns_the_result() {
        let (resolver, ticket) = Ticket::pending();
        let clone = ticket.clone();
        assert!(clone.peek().is_none());
        resolver.resolve(Ok(()));
        assert!(clone.peek().is_some_and(|result| result.is_ok()));
        assert!(ticket.await.is_ok() && clone.await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_resolver_fails_the_ticket() {
        let (resolver, ticket) = Ticket::pending();
        drop(resolver);
        let error = ticket.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.may_have_been_written());
    }
}
