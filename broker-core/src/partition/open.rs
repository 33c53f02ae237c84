//! Opening: what is derived from the log is rebuilt from it.
//!
//! ```text
//!   base (saved with the trim) ─► batches from the log's start ─► state
//!                    or:  snapshot ─► batches after it ─────────► the same state
//! ```

use std::sync::atomic::{AtomicI32, AtomicI64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use super::checkpoint::Checkpoint;
use super::{Derived, Partition, PartitionSpec};
use crate::api::{Error, ErrorCode};
use crate::env::Env;
use crate::ids::{Offset, TopicPartition};
use crate::log::{self, Bounds, ErrorKind, PartitionLog, Snapshot, SnapshotStore};
use crate::planted::is_planted;
use crate::producer::Share;
use crate::record::Batch;

/// How much of a log is read at a time to go through its headers.
pub(super) const PAGE_BYTES: usize = 1 << 20;

impl Partition {
    /// Takes the lead over `log`, which was opened at `spec.epoch`, and rebuilds from it what is derived:
    /// producers, epochs and sizes. A snapshot shortens that; one that is damaged, ahead of the log or of
    /// another log changes nothing.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR`, `CORRUPT_MESSAGE` when the log cannot be read, `NOT_LEADER_OR_FOLLOWER` when
    /// fenced. The log is left open.
    pub async fn open(
        spec: PartitionSpec,
        log: Arc<dyn PartitionLog>,
        snapshots: Arc<dyn SnapshotStore>,
        env: &Env,
    ) -> Result<Arc<Self>, Error> {
        let PartitionSpec { id, name, epoch, config, durability, producers } = spec;
        if log.id() != id || log.epoch() != epoch {
            let message = format!(
                "partition {name} ({id}) is to be led at epoch {epoch}, with a log of {} at epoch {}",
                log.id(),
                log.epoch()
            );
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        let bounds = log.bounds();
        let now_ms = env.wall_ms();
        let mut derived = Derived::new(Share::of(&producers));
        // Most partitions of a large broker are new or empty: they cost no read.
        if bounds.end > Offset::ZERO {
            let (from, checkpoint) = starting_point(&name, log.as_ref(), snapshots.as_ref(), bounds).await?;
            derived.take(checkpoint);
            derived.next_offset = from;
            derived.replay(log.as_ref(), bounds, now_ms).await.map_err(|error| unreadable(&name, &error))?;
            derived.epochs.trim(bounds.start);
        }
        derived.next_offset = derived.next_offset.max(bounds.end);
        Ok(Arc::new(Self {
            id,
            name,
            epoch,
            epoch_start: bounds.end,
            durability,
            config: RwLock::new(config),
            high_watermark: AtomicI64::new(bounds.durable_end.0),
            log,
            snapshots,
            env: env.clone(),
            ended: OnceLock::new(),
            elected: AtomicI32::new(spec.epoch.0),
            trimming: tokio::sync::Mutex::default(),
            derived: Mutex::new(derived),
        }))
    }

    /// Saves what is derived from the log, so that the next open is short, once all of it is durable.
    /// A broker calls it now and then; [`close`](Partition::close) does too. A failure to save is no error.
    pub async fn save_checkpoint(&self) {
        let (end, checkpoint, ticket, bytes) = {
            let derived = self.derived();
            (derived.next_offset, derived.checkpoint(), derived.in_flight.last(), derived.unsaved_bytes)
        };
        // Never ahead of the data: what was taken under the lock is in the log once this resolves.
        let is_safe = is_planted("checkpoint-before-durable") || (ticket.await.is_ok() && !self.is_failed());
        if is_safe && self.save_snapshot(end, &checkpoint).await {
            let mut derived = self.derived();
            derived.unsaved_bytes = derived.unsaved_bytes.saturating_sub(bytes);
        }
    }

    /// Whether it was saved.
    pub(super) async fn save_snapshot(&self, end: Offset, checkpoint: &Checkpoint) -> bool {
        if checkpoint.last_batch.is_none() {
            return false;
        }
        let snapshot = Snapshot { end, state: checkpoint.encode() };
        let saved = self.snapshots.save(self.id, snapshot).await;
        if let Err(error) = &saved {
            tracing::warn!(partition = %self.name, %error, "no snapshot was saved: the next open takes longer");
        }
        saved.is_ok()
    }
}

impl Derived {
    fn take(&mut self, checkpoint: Checkpoint) {
        let Checkpoint { last_batch, producers, epochs, sizes } = checkpoint;
        self.last_batch = last_batch;
        self.producers = producers;
        self.share.set(self.producers.len());
        self.epochs = epochs;
        self.sizes = sizes;
    }

    /// Goes through the headers of the batches from `self.next_offset` to the log's end.
    async fn replay(&mut self, log: &dyn PartitionLog, bounds: Bounds, now_ms: i64) -> Result<(), log::Error> {
        while self.next_offset < bounds.end {
            let page = log.read(self.next_offset, bounds.end, PAGE_BYTES).await?;
            if page.is_empty() {
                // A gap up to the end.
                break;
            }
            for batch in page {
                check_bytes(&batch)?;
                self.record(batch.header(), now_ms);
            }
        }
        Ok(())
    }
}

/// Producers, sequences and timestamps are believed for good, and saved in the next snapshot: a wrong bit in a header
/// would let a retry in twice, or retention delete too early (invariants 1 and 3).
fn check_bytes(batch: &Batch) -> Result<(), log::Error> {
    if is_planted("rebuild-trusts-bytes") {
        return Ok(());
    }
    batch.verify_crc().map_err(|error| {
        log::Error::new(ErrorKind::Corrupt, "its log has a batch that is not what was written").with_source(error)
    })
}

/// The newest usable state, and from where on the log is to be replayed over it.
async fn starting_point(
    name: &TopicPartition,
    log: &dyn PartitionLog,
    snapshots: &dyn SnapshotStore,
    bounds: Bounds,
) -> Result<(Offset, Checkpoint), Error> {
    if let Some((end, mut checkpoint)) = usable_snapshot(name, log, snapshots, bounds).await? {
        // The snapshot may be older than the last trim.
        if let Some((cut, until)) = checkpoint.sizes.cut_by(bounds.start, end) {
            let left = stored_bytes(log, bounds.start, until).await.map_err(|error| unreadable(name, &error))?;
            checkpoint.sizes.begin_at(bounds.start, cut, left);
        }
        checkpoint.sizes.trim(bounds.start, 0, bounds.end);
        return Ok((end, checkpoint));
    }
    let base = log.trim_base().await.map_err(|error| unreadable(name, &error))?;
    if base.state.is_empty() {
        return Ok((bounds.start, Checkpoint::default()));
    }
    // Unlike a snapshot it cannot be done without: the batches that it came from are gone.
    let checkpoint = Checkpoint::decode(&base.state).map_err(|damaged| {
        let message =
            format!("partition {name} cannot be opened: what was saved with its trim at {}: {damaged}", base.start);
        Error::new(ErrorCode::KafkaStorageError, message)
    })?;
    Ok((bounds.start, checkpoint))
}

/// The bytes of the batches that a log has from `from` on and that end by `until`.
pub(super) async fn stored_bytes(log: &dyn PartitionLog, from: Offset, until: Offset) -> Result<u64, log::Error> {
    let (mut next, mut bytes) = (from, 0);
    while next < until {
        let page = log.read(next, until, PAGE_BYTES).await?;
        let Some(last) = page.last() else { break };
        next = last.next_offset();
        bytes += page.iter().map(|batch| u64::try_from(batch.size_in_bytes()).unwrap_or_default()).sum::<u64>();
    }
    Ok(bytes)
}

/// The snapshot, if there is one of this very log.
async fn usable_snapshot(
    name: &TopicPartition,
    log: &dyn PartitionLog,
    snapshots: &dyn SnapshotStore,
    bounds: Bounds,
) -> Result<Option<(Offset, Checkpoint)>, Error> {
    let snapshot = match snapshots.latest(log.id()).await {
        Ok(Some(snapshot)) => snapshot,
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::warn!(partition = %name, %error, "the snapshot could not be read: replaying the whole log");
            return Ok(None);
        }
    };
    let ignore = |reason: &str| {
        tracing::warn!(partition = %name, end = %snapshot.end, reason, "ignoring the snapshot");
        Ok(None)
    };
    let checkpoint = match Checkpoint::decode(&snapshot.state) {
        Ok(checkpoint) => checkpoint,
        Err(damaged) => return ignore(damaged.0),
    };
    if is_planted("snapshot-trusted-ahead-of-log") {
        return Ok(Some((snapshot.end, checkpoint)));
    }
    if snapshot.end > bounds.end {
        return ignore("it is ahead of the log");
    }
    let Some(last) = checkpoint.last_batch else {
        return ignore("it does not say of which log it is");
    };
    if snapshot.end <= bounds.start || last.base_offset < bounds.start {
        // The base of the trim covers as much.
        return ignore("the log was trimmed beyond it");
    }
    // The log may have lost its tail and have grown again since: the same offset, another batch.
    let read = log.read(last.base_offset, bounds.end, 1).await.map_err(|error| unreadable(name, &error))?;
    match read.first() {
        Some(batch) if batch.base_offset() == last.base_offset && batch.header().crc == last.crc => {
            Ok(Some((snapshot.end, checkpoint)))
        }
        _ => ignore("it is of another log"),
    }
}

fn unreadable(name: &TopicPartition, error: &log::Error) -> Error {
    Error::new(error.code(), format!("partition {name} cannot be opened: {error}"))
}
