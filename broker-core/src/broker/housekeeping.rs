//! What goes on while nobody asks: retention, forgetting producers, checkpoints, groups' timers, opening failed
//! partitions again.

use std::time::Duration;

use futures::future::{Either, select};

use super::Broker;
use crate::env::Moment;

/// How often failed partitions are looked for, besides when a request meets one.
const REPAIR_INTERVAL: Duration = Duration::from_secs(5);
/// How often checkpoints are looked at.
const CHECKPOINT_INTERVAL: Duration = Duration::from_mins(1);
/// A partition with more bytes than that since its last checkpoint gets another.
const CHECKPOINT_BYTES: u64 = 16 << 20;
/// Beyond that many over all partitions, those with most of them get one: a restart replays no more,
/// but for what was written since the last look.
const CHECKPOINT_BYTES_OF_ALL: u64 = 256 << 20;
/// How long a checkpoint may wait for the medium, before the next partition has its turn.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(10);

impl Broker {
    /// Looks after the partitions until the broker closes or is superseded. Many may call it: one at a
    /// time works, and when its future is dropped the next takes over. So a broker that several clients
    /// share is not tied to the runtime of one.
    pub async fn run_housekeeping(&self) {
        let mut closed = self.closed.subscribe();
        let closing = std::pin::pin!(async move {
            // An error means that the broker itself is gone.
            let _ = closed.wait_for(|closed| *closed).await;
        });
        let working = std::pin::pin!(self.keep_house());
        match select(closing, working).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    async fn keep_house(&self) {
        let _turn = self.housekeeping.lock().await;
        // The driver of the groups waits for nothing that the rest does.
        let groups = std::pin::pin!(self.keep_groups());
        let rounds = std::pin::pin!(self.keep_rounds());
        match select(groups, rounds).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    async fn keep_rounds(&self) {
        let interval = self.config.retention_check_interval();
        let mut retention_due: Moment = self.env.now() + interval;
        let mut repair_due: Moment = self.env.now() + REPAIR_INTERVAL;
        let mut checkpoints_due: Moment = self.env.now() + CHECKPOINT_INTERVAL;
        while !self.is_superseded() {
            self.env.sleep_until(retention_due.min(repair_due).min(checkpoints_due)).await;
            let now = self.env.now();
            if now >= repair_due {
                self.repair_now().await;
                self.make_good().await;
                repair_due = self.env.now() + REPAIR_INTERVAL;
            }
            if now >= checkpoints_due {
                self.save_checkpoints().await;
                checkpoints_due = self.env.now() + CHECKPOINT_INTERVAL;
            }
            if now >= retention_due {
                self.enforce_retention().await;
                retention_due = self.env.now() + interval;
            }
        }
    }

    /// Follows up what a dropped request left: an image that the routes do not show, logs not removed.
    async fn make_good(&self) {
        if let Err(error) = self.adopt().await {
            tracing::warn!(broker = %self.id(), %error, "the broker cannot follow its metadata");
        }
        self.sweep_offsets().await;
    }

    /// Saves what is derived from the partitions that were written most since that was last done, so that a
    /// start after a crash replays a bounded number of bytes.
    /// [`run_housekeeping`](Self::run_housekeeping) does it by the clock.
    pub async fn save_checkpoints(&self) {
        let mut written: Vec<_> =
            self.led().into_iter().map(|partition| (partition.bytes_since_checkpoint(), partition)).collect();
        let mut left: u64 = written.iter().map(|(bytes, _)| bytes).sum();
        written.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, partition) in written {
            if self.is_closed() || (bytes < CHECKPOINT_BYTES && left < CHECKPOINT_BYTES_OF_ALL) {
                return;
            }
            if self.env.timeout(CHECKPOINT_LIMIT, partition.save_checkpoint()).await.is_err() {
                tracing::warn!(partition = %partition.name(), "a checkpoint waits for the storage for too long");
            }
            left = left.saturating_sub(bytes);
        }
    }

    /// Deletes what is older or larger than the topics' configs allow, and forgets producers that have
    /// not written for long. [`run_housekeeping`](Self::run_housekeeping) does it by the clock.
    pub async fn enforce_retention(&self) {
        let expiration = self.config.producer_id_expiration();
        for partition in self.led() {
            if self.is_closed() {
                return;
            }
            let now_ms = self.env.wall_ms();
            match partition.enforce_retention(now_ms).await {
                Ok(Some(start)) => {
                    tracing::debug!(partition = %partition.name(), %start, "old records were deleted");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(partition = %partition.name(), %error, "retention could not be enforced");
                    self.look_after(&partition);
                }
            }
            partition.expire_producers(now_ms, expiration);
        }
    }
}
