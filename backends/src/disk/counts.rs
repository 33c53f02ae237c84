//! What a storage has done, counted.

use std::sync::atomic::AtomicU64;

/// What a [`DiskStorage`](super::DiskStorage) has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskStats {
    /// Group commits: writes to the journal.
    pub groups: u64,
    /// Syncs of the journal for them: as many at the level `fsync`, none at `os`.
    pub syncs: u64,
    /// Bytes of the groups.
    pub journal_bytes: u64,
    /// Bytes that were written once more, sorted. Over the journal's bytes, plus one, this is the write amplification.
    pub compacted_bytes: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Bytes of checkpoints.
    pub checkpoint_bytes: u64,
    /// Reads of what was not in memory: none while consumers keep up.
    pub reads: u64,
    /// Bytes of those reads.
    pub read_bytes: u64,
    /// Bytes of the newest batches that are in memory now.
    pub tail_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) groups: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) journal_bytes: AtomicU64,
    pub(super) compacted_bytes: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) checkpoint_bytes: AtomicU64,
}
