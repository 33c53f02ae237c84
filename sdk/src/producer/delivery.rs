//! The acknowledgement to come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::completion::Completion;
use super::error::Error;
use super::metadata::RecordMetadata;

/// The acknowledgement of one enqueued record: a future of its receipt.
///
/// Dropping it changes nothing about the record, which is delivered all the same; a failure is then told
/// by [`Producer::flush`](super::Producer::flush).
#[must_use = "a dropped delivery tells its failure to `flush` only"]
pub struct Delivery {
    completion: Arc<Completion>,
    index: u32,
    answered: bool,
    slot: Option<usize>,
    timestamp_ms: i64,
}

impl Delivery {
    pub(super) const fn new(completion: Arc<Completion>, index: u32, timestamp_ms: i64) -> Self {
        Self { completion, index, answered: false, slot: None, timestamp_ms }
    }

    /// Whether the answer is there.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.completion.peek(self.index, self.timestamp_ms).is_some()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("answered", &self.is_answered()).finish_non_exhaustive()
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.slot.is_none() && !this.is_answered() {
            // Someone waits: what can go at once goes from here, which spares a lone record two task switches.
            this.completion.someone_waits();
        }
        let answer = this.completion.poll(this.index, &mut this.slot, this.timestamp_ms, cx);
        this.answered |= answer.is_ready();
        answer
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.answered {
            self.completion.abandon(self.index);
        }
    }
}
