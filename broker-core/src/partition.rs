//! One partition, as its leader has it: a log, and what is derived from it.
//!
//! ```text
//!  append ─► checks ─► ┌ dedup → offset → PartitionLog::append ┐ ─► ticket ─► AppendPending
//!                      └──────── one short lock ───────────────┘
//!  read   ─► epoch ─► bounds (HW) ─► PartitionLog::read
//! ```
//!
//! There is no task and no timer here: with one replica the high watermark is the log's durable end,
//! taken when somebody looks, and who waits for records ([`fetch`]) watches the log's own bounds.

mod append;
mod check;
mod checkpoint;
mod epochs;
mod fetch;
mod offsets;
mod open;
mod pending;
mod read;
mod retention;
mod sizes;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

pub use check::Origin;
pub use epochs::EpochHistory;
pub use fetch::{FetchLimits, Wanted, fetch};
pub use pending::AppendPending;
pub use read::Read;
pub use status::Status;

use crate::api::{ActiveProducer, Error, ProducerIdentity};
use crate::config::TopicConfig;
use crate::env::Env;
use crate::ids::{LeaderEpoch, Offset, PartitionId, TopicPartition};
use crate::log::{Bounds, Durability, PartitionLog, SnapshotStore};
use crate::planted::is_planted;
use crate::producer::{Budget, Kept, Producers, Share};
use append::InFlight;
use sizes::Sizes;
use status::Ended;

/// What a partition is opened with.
#[derive(Clone, Debug)]
pub struct PartitionSpec {
    /// Its identity: the key of its log and its snapshot.
    pub id: PartitionId,
    /// Its name, for messages.
    pub name: TopicPartition,
    /// The epoch that it is led at; that of the log's handle.
    pub epoch: LeaderEpoch,
    /// The topic's configs.
    pub config: Arc<TopicConfig>,
    /// What a resolved ticket of the storage has reached.
    pub durability: Durability,
    /// How many producers it may remember, together with the others that have the same budget.
    pub producers: Arc<Budget>,
}

/// One partition that this broker leads. Methods take `&self`; the value is shared by `Arc`.
///
/// It is the only writer of its log. When the log fails it [ends](Status): appends and reads are
/// refused until the broker opens the partition again, which rebuilds what is derived from the log.
pub struct Partition {
    id: PartitionId,
    name: TopicPartition,
    epoch: LeaderEpoch,
    /// Where the log ended when it was opened.
    epoch_start: Offset,
    durability: Durability,
    config: RwLock<Arc<TopicConfig>>,
    log: Arc<dyn PartitionLog>,
    snapshots: Arc<dyn SnapshotStore>,
    env: Env,
    /// The highest high watermark that was shown.
    high_watermark: AtomicI64,
    ended: OnceLock<Ended>,
    /// The newest epoch that its leader was elected for, though the storage could not open it at that.
    elected: AtomicI32,
    /// Held over a trim: two at a time would save each other's base.
    trimming: tokio::sync::Mutex<()>,
    derived: Mutex<Derived>,
}

/// What follows from the log: changed only together with it, under one lock.
#[derive(Debug)]
struct Derived {
    /// The offset that the next batch takes.
    next_offset: Offset,
    producers: Producers,
    /// What `producers` takes of the broker's budget.
    share: Share,
    epochs: EpochHistory,
    sizes: Sizes,
    /// The last batch, to recognise the log by.
    last_batch: Option<LastBatch>,
    in_flight: InFlight,
    /// Bytes that a replay would go through: those since the last snapshot that was saved or used.
    unsaved_bytes: u64,
}

/// What tells a log from another that once had the same offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastBatch {
    base_offset: Offset,
    crc: u32,
}

impl Partition {
    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> PartitionId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The epoch that it is led at.
    #[must_use]
    pub const fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// The newest epoch that its leader was elected for: [its own](Self::epoch), or that at which a poisoned storage could
    /// not be opened.
    pub(crate) fn elected(&self) -> LeaderEpoch {
        LeaderEpoch(self.elected.load(Ordering::Acquire))
    }

    /// The same leader was elected anew, and the poisoned storage opened nothing at `epoch`: this partition goes on to be
    /// read, by who knows of that election too.
    pub(crate) fn stays_for(&self, epoch: LeaderEpoch) {
        self.elected.fetch_max(epoch.0, Ordering::AcqRel);
    }

    /// What an acknowledged write has reached.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// The topic's configs in force.
    #[must_use]
    pub fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other configs in force, for appends from now on.
    pub fn set_config(&self, config: Arc<TopicConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Where the log starts and ends.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.log.bounds()
    }

    /// One past the last offset that is committed and that a consumer may see. With one replica, the
    /// durable end. Never goes back (invariant 5).
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        let Bounds { durable_end: durable, end, .. } = self.log.bounds();
        if is_planted("hw-goes-back") {
            return durable;
        }
        let shown = self.high_watermark.fetch_max(durable.0, Ordering::AcqRel);
        // By this look: the end may have moved on since, and another look may have shown as much.
        debug_assert!(
            shown <= end.0.max(self.log.bounds().end.0),
            "invariant 5: {} ends at {end}, below the high watermark {shown} that was shown",
            self.name
        );
        Offset(shown.max(durable.0))
    }

    /// The first offset that an open transaction holds back; the high watermark, while there are none.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        self.high_watermark()
    }

    /// How many replicas are in sync: the leader.
    #[must_use]
    pub const fn in_sync_replicas(&self) -> usize {
        1
    }

    /// About how many bytes the log holds, as its batches were written.
    #[must_use]
    pub fn size_in_bytes(&self) -> u64 {
        self.derived().sizes.total()
    }

    /// How many idempotent producers it remembers.
    #[must_use]
    pub fn producers(&self) -> usize {
        self.derived().producers.len()
    }

    /// The idempotent producers that it remembers, by id.
    #[must_use]
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let derived = self.derived();
        let producers = derived.producers.iter().map(|(id, producer)| {
            let last = producer.kept().last();
            ActiveProducer {
                identity: ProducerIdentity { id, epoch: producer.epoch() },
                last_sequence: last.map(Kept::last_sequence),
                last_timestamp_ms: last.map(|kept| kept.timestamp_ms),
                coordinator_epoch: None,
                transaction_start: None,
            }
        });
        let mut producers: Vec<_> = producers.collect();
        producers.sort_unstable_by_key(|producer| producer.identity.id);
        producers
    }

    /// How many bytes an opening after a crash would have to replay: those appended since the last
    /// [checkpoint](Self::save_checkpoint).
    #[must_use]
    pub fn bytes_since_checkpoint(&self) -> u64 {
        self.derived().unsaved_bytes
    }

    /// Waits until the log has room to append about `bytes`. Room is not reserved. Cancel-safe.
    ///
    /// # Errors
    /// As an append to a partition that has [ended](Status).
    pub async fn ready(&self, bytes: usize) -> Result<(), Error> {
        self.check_leading()?;
        self.log.ready(bytes).await.map_err(|error| self.log_failed("wait for room", &error))
    }

    /// Ends the leadership: makes durable what was appended, closes the log and saves a snapshot of what
    /// was derived from it. Appends and reads are refused from the call on; those who wait wake.
    ///
    /// # Errors
    /// What the outstanding appends failed with.
    pub async fn close(&self) -> Result<(), Error> {
        self.end(Ended::Closed);
        let (end, checkpoint) = {
            let derived = self.derived();
            (derived.next_offset, (!self.is_failed()).then(|| derived.checkpoint()))
        };
        let closed = self.log.close().await;
        self.log.bounds_cell().wake();
        closed.map_err(|error| self.log_error("close", &error))?;
        if let Some(checkpoint) = checkpoint {
            self.save_snapshot(end, &checkpoint).await;
        }
        Ok(())
    }

    fn derived(&self) -> MutexGuard<'_, Derived> {
        // What runs under the lock does not panic: it is short, and its decoders and codecs are not in it.
        self.derived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("epoch", &self.epoch)
            .field("bounds", &self.log.bounds())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
