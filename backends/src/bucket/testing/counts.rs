//! What was met.

/// How often each kind of trouble was met on the way to a [`FaultyBucket`](super::FaultyBucket), and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketTrouble {
    /// Writes that were refused and had no effect, but for deletions that stopped half-way: 503.
    pub refused: u64,
    /// Reads and lists that were refused, or never answered.
    pub reads_failed: u64,
    /// Writes that had their effect and were answered with an error: 500, or a connection that broke.
    pub answer_lost: u64,
    /// Writes that were answered with an error, and had their effect some time after it.
    pub late: u64,
    /// Writes that were never answered; some of them had an effect.
    pub hung: u64,
    /// Creations that were refused for the sake of another request, which may have been the same one: 409.
    pub conflicts: u64,
    /// Requests that took a hundred times as long as they do.
    pub slow: u64,
    /// Creations that were refused because there was an object of that name.
    pub exists: u64,
    /// Prefixes that were taken, first by whoever began them.
    pub claims: u64,
    /// Journal objects that somebody tried to write where his successor had put a tombstone.
    pub fenced: u64,
    /// Writes that took effect after the process was dead that had made them.
    pub from_the_dead: u64,
    /// Segments that were written by compaction.
    pub segments: u64,
    /// Checkpoints of the index.
    pub checkpoints: u64,
    /// Objects that were deleted.
    pub deleted: u64,
}

impl BucketTrouble {
    /// Writes of which nobody knew whether they had taken effect.
    #[must_use]
    pub const fn ambiguous(&self) -> u64 {
        self.answer_lost + self.late + self.hung
    }
}
