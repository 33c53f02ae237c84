//! Room that was waited for.

use std::sync::Arc;

use super::delivery::Delivery;
use super::error::{Error, NotEnqueued};
use super::shared::Shared;
use crate::record::Record;

/// Room for a record, from [`Producer::reserve`](super::Producer::reserve). Dropping it gives the room back.
#[derive(Debug)]
#[must_use = "room that is not used keeps others waiting"]
pub struct Permit {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Permit {
    pub(super) const fn new(shared: Arc<Shared>, bytes: usize) -> Self {
        Self { shared, bytes }
    }

    /// Bytes that are reserved.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Enqueues `record` without waiting: its partition and place are fixed when this returns. (While a
    /// topic is named for the first time that happens once its metadata is there; the order of calls holds.)
    /// Room that the record does not need goes back.
    ///
    /// # Errors
    /// The record, and why: it needs more than was reserved and is there, or it can never be sent.
    pub fn enqueue(mut self, record: Record) -> Result<Delivery, NotEnqueued> {
        let needed = record.reserved_bytes();
        if let Some(more) = needed.checked_sub(self.bytes).filter(|more| *more > 0) {
            let taken =
                u32::try_from(more).map_err(|_| ()).and_then(|more| self.shared.budget.try_take(more).map_err(|_| ()));
            if taken.is_err() {
                let error = Error::PermitTooSmall { needed, reserved: self.bytes };
                return Err(NotEnqueued { error, record: Box::new(record) });
            }
        } else {
            self.shared.budget.give_back(self.bytes - needed);
        }
        // From here on the record holds the room.
        self.bytes = 0;
        self.shared.enqueue_reserved(record, needed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.budget.give_back(self.bytes);
    }
}
