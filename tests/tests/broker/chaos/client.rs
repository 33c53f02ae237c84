//! An idempotent client of one partition: five in flight, answers lost, retries in order.

use std::collections::VecDeque;

use ottla_broker_core::api::{Error, ErrorCode, ProduceResponse, ProducerIdentity};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::record::Batch;

/// As many as a partition remembers of a producer.
const IN_FLIGHT: usize = 5;

pub(super) type Answer = BoxFuture<'static, Result<ProduceResponse, Error>>;

pub(super) enum Sending {
    /// Not sent, or sent and in doubt.
    Due,
    UnderWay(Answer),
    Acknowledged,
}

pub(super) struct Sent {
    /// The number of its first record: its sequence, and part of its records' values.
    pub(super) first: i32,
    pub(super) count: i32,
    pub(super) batch: Batch,
    pub(super) sending: Sending,
    pub(super) tries: u32,
}

pub(super) struct Client {
    pub(super) id: usize,
    pub(super) partition: i32,
    pub(super) identity: ProducerIdentity,
    pub(super) next: i32,
    /// Whether the partition has acknowledged a batch of it.
    pub(super) is_known: bool,
    pub(super) queue: VecDeque<Sent>,
}

impl Client {
    /// Which batch is to be sent now: the first that is due, if all before it are under way. Never more
    /// than five from the first that is not acknowledged on, or a retry would not be recognised.
    pub(super) fn due(&self) -> Option<usize> {
        self.queue.iter().take(self.window()).position(|sent| matches!(sent.sending, Sending::Due))
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < self.window()
    }

    /// One, until the partition has acknowledged something. A leader that knows nothing of a producer takes any
    /// sequence, as in Kafka: while the first batch is under way to the old leader, the second sent to
    /// the new one would be taken for the producer's first, and the first could never follow.
    fn window(&self) -> usize {
        if self.is_known { IN_FLIGHT } else { 1 }
    }

    /// Lets go of what is acknowledged, up to the first that is not.
    pub(super) fn advance(&mut self) {
        while self.queue.front().is_some_and(|sent| matches!(sent.sending, Sending::Acknowledged)) {
            self.queue.pop_front();
        }
    }
}

/// Whether a refusal is one that this trouble explains: the batch is sent again.
pub(super) fn is_expected(error: &Error) -> bool {
    // A gap is what those after a failed one leave.
    error.is_retriable() || error.code == ErrorCode::OutOfOrderSequenceNumber
}
