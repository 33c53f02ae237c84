//! How long things take.

use std::time::Duration;

use ottla_broker_core::env::Env;

use crate::decorators::Operation;

/// How long things take, beyond what they take beneath. Zero, the default, adds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// From an append to its ticket, and for every other write.
    pub write: Duration,
    /// For every read.
    pub read: Duration,
    /// For opening, listing, removing and closing; once a call, however many partitions.
    pub open: Duration,
}

impl Delays {
    /// Every write, and nothing else, takes `duration`.
    #[must_use]
    pub fn writes(duration: Duration) -> Self {
        Self { write: duration, ..Self::default() }
    }

    const fn of(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Open | Operation::OpenReader | Operation::List | Operation::Remove | Operation::Close => {
                self.open
            }
            Operation::Append
            | Operation::TrimPrefix
            | Operation::ResetTo
            | Operation::Truncate
            | Operation::MetadataAppend
            | Operation::MetadataSaveSnapshot
            | Operation::MetadataTrim
            | Operation::SnapshotSave
            | Operation::SnapshotRemove => self.write,
            Operation::Read
            | Operation::OffsetForTimestamp
            | Operation::TrimBase
            | Operation::MetadataRead
            | Operation::MetadataEnd
            | Operation::MetadataLatestSnapshot
            | Operation::SnapshotLatest => self.read,
            // They wait for events already.
            Operation::Ready | Operation::MetadataWatch => Duration::ZERO,
        }
    }
}

/// Delays on a clock.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    pub(super) env: Env,
    pub(super) delays: Delays,
}

impl Timing {
    pub(super) async fn wait(&self, operation: Operation) {
        let delay = self.delays.of(operation);
        if !delay.is_zero() {
            self.env.sleep(delay).await;
        }
    }
}
