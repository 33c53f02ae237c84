//! One partition's log.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::bounds::{Bounds, BoundsCell};
use super::error::Error;
use super::ticket::Ticket;
use crate::ids::{LeaderEpoch, Offset, PartitionId};
use crate::record::Batch;

/// What a log that starts late needs besides its batches: state that was derived from what a prefix trim
/// took away (unexpired producers, the leader epoch at the new start). Opaque to storage, saved with the trim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrimBase {
    /// Where the log started when the state was saved.
    pub start: Offset,
    /// The state; empty for a log that was never trimmed.
    pub state: Bytes,
}

/// Reads one partition's log, without any right to write.
///
/// Offsets of a log are sparse: batches strictly increase and may leave gaps (compaction, copies).
#[async_trait]
pub trait PartitionReader: fmt::Debug + Send + Sync + 'static {
    /// The partition.
    fn id(&self) -> PartitionId;

    /// The bounds, as a cell that can be watched. MUST be updated before a ticket resolves, and woken
    /// when the log closes or fails.
    fn bounds_cell(&self) -> &Arc<BoundsCell>;

    /// The bounds now.
    fn bounds(&self) -> Bounds {
        self.bounds_cell().get()
    }

    /// Reads whole batches in order: the one that holds `from`, or else the first after it, and those
    /// that follow, as long as a batch ends at or before `until` and the sum of sizes stays within
    /// `max_bytes`. The first such batch is returned even if it alone is larger than `max_bytes`.
    ///
    /// - Empty if no batch at or after `from` ends by `until`, and if `from` is the log's end.
    /// - What was appended and is not yet durable MAY be read: the caller bounds it by `until`.
    /// - Batches MUST carry the bytes that were appended (invariant 9), or the read fails.
    /// - What is durable MUST be readable also when the storage takes nothing more (`Poisoned`).
    ///
    /// # Errors
    /// `OutOfRange` if `from < start` or `from > end`; `Corrupt`, `Unavailable`, `Closed`.
    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error>;

    /// The base offset of the first batch whose max timestamp is at or after `timestamp_ms`; `None` if
    /// there is none. The caller decodes that one batch to find the record.
    ///
    /// The answer lies below [`Bounds::start`] if that batch straddles the start: the caller raises it to
    /// the start, and goes on to later batches where only deleted records of this one are late enough.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`, `Closed`.
    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error>;

    /// What was saved with the last trim or reset.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`, `Closed`.
    async fn trim_base(&self) -> Result<TrimBase, Error>;
}

/// Writes one partition's log: the handle of one leader epoch.
///
/// To ensure correctness:
/// - Opening the partition at a newer epoch fences this handle, wherever it runs: later appends fail
///   with `Fenced`, and tickets that had not resolved are never resolved `Ok` (invariant 6).
/// - Appends become durable in order (invariants 1 and 3).
/// - It knows nothing of producers, groups or transactions.
#[async_trait]
pub trait PartitionLog: PartitionReader {
    /// The epoch it was opened at.
    fn epoch(&self) -> LeaderEpoch;

    /// Waits until there is room to append about `bytes`. Room is not reserved. FIFO and cancel-safe.
    ///
    /// # Errors
    /// Those of a closed, fenced or poisoned log, at once.
    async fn ready(&self, bytes: usize) -> Result<(), Error>;

    /// Returns once it is certain that nobody had opened the log at a greater epoch when this was called: what a broker
    /// asks before it refuses a batch for what it believes of the log's producers. Where writers do not share a process,
    /// and no lock keeps others out, that takes a write.
    ///
    /// # Errors
    /// As [`ready`](Self::ready), which it is where that looks at what all writers share.
    async fn confirm(&self) -> Result<(), Error> {
        self.ready(0).await
    }

    /// Takes `batch`, which carries its offsets, and returns at once: not `async`, never blocking, so
    /// that a caller's check, offset and submit are one critical section that cannot be cancelled half-way.
    ///
    /// MUST refuse a batch whose base offset is below the end, or whose leader epoch is above the handle's:
    /// that of a leader which this writer does not know. A lower one is taken as it is: a follower, and a
    /// copy that keeps offsets, append what older leaders wrote.
    /// On `Err` nothing was taken. One batch a call: a group commit is the storage's business.
    ///
    /// # Errors
    /// `OutOfRange` (does not follow the end, or epoch too high), `Fenced`, `Closed`, `Poisoned`, `Full`.
    fn append(&self, batch: Batch) -> Result<Ticket, Error>;

    /// Forgets everything before `before` (at most the durable end) and saves `base` with it. Durable
    /// before it returns. Whole batches only need to go: one that straddles `before` stays readable from
    /// its base offset, and [`Bounds::start`] is `before` itself. No effect if `before` ≤ start.
    ///
    /// # Errors
    /// `OutOfRange` if `before` > durable end; `Fenced`, `Closed`, `Unavailable`, `Poisoned`.
    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error>;

    /// Makes it an empty log whose next offset is `at`, whatever it held, and saves `base` with it.
    /// Durable before it returns. For a follower behind its leader's start, and for copies that keep offsets.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Unavailable`, `Poisoned`.
    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error>;

    /// Makes durable what was appended, then gives up the handle. Idempotent; appends fail with `Closed` from the call on.
    ///
    /// # Errors
    /// What the outstanding appends failed with.
    async fn close(&self) -> Result<(), Error>;

    /// The capability to truncate, where the medium has it (disk and memory do; a bucket does not).
    fn truncate_suffix(&self) -> Option<&dyn TruncateSuffix> {
        None
    }
}

/// Takes records off a log's end: for replicas that diverged from their leader.
#[async_trait]
pub trait TruncateSuffix: Send + Sync {
    /// Drops every batch that ends after `end` (whole batches: the new end is at most `end`) and waits
    /// until that is durable, *before* an offset can be used again. Returns the new end.
    ///
    /// # Errors
    /// `OutOfRange` if `end` < start; `Fenced`, `Closed`, `Unavailable`, `Poisoned`.
    async fn truncate_to(&self, end: Offset) -> Result<Offset, Error>;
}
