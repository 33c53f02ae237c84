//! The answer to an append, to come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Partition;
use crate::api::{Acks, Appended, Error, ErrorCode};
use crate::ids::Offset;
use crate::log::Ticket;
use crate::planted::is_planted;

/// Resolves when an append's condition (`acks`) is met. Dropping it does not take the batch back.
///
/// # Errors
/// `KAFKA_STORAGE_ERROR` (the storage failed) and `NOT_LEADER_OR_FOLLOWER` (fenced): the batch may have been
/// written; sent again after the partition was opened anew, dedup tells. `NOT_ENOUGH_REPLICAS_AFTER_APPEND`:
/// it was written, on too few replicas.
#[derive(Debug)]
#[must_use = "an append is not acknowledged before this resolves"]
pub struct AppendPending(State);

#[derive(Debug)]
enum State {
    Ready(Result<Appended, Error>),
    Waiting { partition: Arc<Partition>, ticket: Ticket, condition: Condition, appended: Appended },
    Taken,
}

/// What an append waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// One past the batch's last offset.
    pub(super) end: Offset,
    pub(super) acks: Acks,
}

impl AppendPending {
    pub(super) const fn ready(result: Result<Appended, Error>) -> Self {
        Self(State::Ready(result))
    }

    /// Waits for `ticket`; if that has resolved, which is the rule in memory, for nothing.
    pub(super) fn waiting(
        partition: &Arc<Partition>,
        ticket: Ticket,
        condition: Condition,
        appended: Appended,
    ) -> Self {
        if is_planted("ack-before-durable") {
            return Self::ready(Ok(appended));
        }
        match ticket.peek() {
            Some(Ok(())) => Self::ready(partition.complete(condition, appended)),
            _ => Self(State::Waiting { partition: Arc::clone(partition), ticket, condition, appended }),
        }
    }

    /// The answer, if it is known without waiting; else the future again.
    ///
    /// # Errors
    /// The future itself, which is still to be awaited.
    pub fn try_take(self) -> Result<Result<Appended, Error>, Self> {
        match self.0 {
            State::Ready(result) => Ok(result),
            waiting => Err(Self(waiting)),
        }
    }
}

impl Future for AppendPending {
    type Output = Result<Appended, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match std::mem::replace(&mut self.0, State::Taken) {
            State::Ready(result) => result,
            State::Waiting { partition, mut ticket, condition, appended } => match Pin::new(&mut ticket).poll(cx) {
                Poll::Pending => {
                    self.0 = State::Waiting { partition, ticket, condition, appended };
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) => {
                    partition.settle();
                    partition.complete(condition, appended)
                }
                Poll::Ready(Err(error)) => {
                    Err(partition.log_failed(&format!("make offsets below {} durable", condition.end), &error))
                }
            },
            // Polled after it was ready, which a future's caller must not do: an answer, not a panic.
            State::Taken => Err(Error::new(ErrorCode::UnknownServerError, "the answer was taken already")),
        };
        Poll::Ready(result)
    }
}

impl Partition {
    /// Answers an append whose ticket has resolved.
    fn complete(&self, condition: Condition, appended: Appended) -> Result<Appended, Error> {
        debug_assert!(
            self.log.bounds().durable_end >= condition.end || is_planted("duplicate-acked-early"),
            "invariant 1: {} acknowledges up to {} and is durable up to {}",
            self.name,
            condition.end,
            self.log.bounds().durable_end
        );
        if condition.acks == Acks::All {
            // It may have been raised since the append (KIP-966 keeps Kafka's check at both ends).
            if !is_planted("min-insync-only-at-append") {
                self.check_in_sync(&self.config(), ErrorCode::NotEnoughReplicasAfterAppend)?;
            }
            debug_assert!(
                self.high_watermark() >= condition.end
                    || is_planted("duplicate-acked-early")
                    || is_planted("hw-goes-back"),
                "invariant 4: {} acknowledges {} beyond its high watermark",
                self.name,
                condition.end
            );
        }
        Ok(appended)
    }

    /// Lets go of tickets that have resolved.
    pub(super) fn settle(&self) {
        let settled = self.derived().in_flight.settle();
        if let Err(error) = settled {
            self.log_failed("append", &error);
        }
    }
}
