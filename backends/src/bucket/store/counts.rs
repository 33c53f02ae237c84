//! What a storage asked of its bucket, counted: what it costs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many were made, those among them that were made again.
    pub count: u64,
    /// Bytes of the bodies that were sent or came back.
    pub bytes: u64,
}

/// What a [`BucketStorage`](crate::bucket::BucketStorage) has asked of its bucket since it was opened. Every request
/// is in exactly one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketStats {
    /// PUTs of the journal: group commits.
    pub journal: Requests,
    /// Those of them below full size: what [`BucketOptions::puts_per_second`](crate::bucket::BucketOptions) bounds.
    pub journal_partial: Requests,
    /// PUTs of segments, by compaction. Their bytes over those of the journal, plus one, are the write amplification.
    pub segments: Requests,
    /// PUTs of checkpoints of the index.
    pub checkpoints: Requests,
    /// PUTs that take the prefix, keep it, and keep others out.
    pub ownership: Requests,
    /// GETs for readers of what is not in memory: none while consumers keep up.
    pub reads: Requests,
    /// GETs for compaction.
    pub compaction_reads: Requests,
    /// GETs while opening, and to tell our own write from a rival's.
    pub recovery_reads: Requests,
    /// LISTs, a page each.
    pub lists: Requests,
    /// DELETEs: requests, each of up to 1,000 objects.
    pub deletes: Requests,
    /// Requests that were made again because one like them failed or was not answered. They are counted above, too.
    pub retries: u64,
    /// Writes of which it was not known whether they had taken effect, until they were read back.
    pub read_back: u64,
    /// Bytes of the newest batches that are in memory now.
    pub tail_bytes: usize,
}

impl BucketStats {
    /// All PUTs and LISTs, which object stores charge alike.
    #[must_use]
    pub const fn writes(&self) -> u64 {
        self.journal.count + self.segments.count + self.checkpoints.count + self.ownership.count + self.lists.count
    }

    /// All GETs.
    #[must_use]
    pub const fn gets(&self) -> u64 {
        self.reads.count + self.compaction_reads.count + self.recovery_reads.count
    }
}

/// Why a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bucket) enum Purpose {
    Journal,
    Segment,
    Checkpoint,
    Ownership,
    Read,
    Compaction,
    Recovery,
    List,
    Delete,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    fn add(&self, bytes: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Requests {
        Requests { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

#[derive(Debug, Default)]
pub(in crate::bucket) struct Counts {
    journal: Counter,
    journal_partial: Counter,
    segments: Counter,
    checkpoints: Counter,
    ownership: Counter,
    reads: Counter,
    compaction: Counter,
    recovery: Counter,
    lists: Counter,
    deletes: Counter,
    pub(super) retries: AtomicU64,
    pub(super) read_back: AtomicU64,
}

impl Counts {
    fn of(&self, purpose: Purpose) -> &Counter {
        match purpose {
            Purpose::Journal => &self.journal,
            Purpose::Segment => &self.segments,
            Purpose::Checkpoint => &self.checkpoints,
            Purpose::Ownership => &self.ownership,
            Purpose::Read => &self.reads,
            Purpose::Compaction => &self.compaction,
            Purpose::Recovery => &self.recovery,
            Purpose::List => &self.lists,
            Purpose::Delete => &self.deletes,
        }
    }

    /// One request of which the body is sent.
    pub(super) fn request(&self, purpose: Purpose, bytes: u64) {
        self.of(purpose).add(bytes);
    }

    /// What came back for a request that was counted.
    pub(super) fn received(&self, purpose: Purpose, bytes: u64) {
        self.of(purpose).bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A chunk below full size.
    pub(in crate::bucket) fn partial(&self, bytes: u64) {
        self.journal_partial.add(bytes);
    }

    pub(in crate::bucket) fn get(&self, tail_bytes: usize) -> BucketStats {
        BucketStats {
            journal: self.journal.get(),
            journal_partial: self.journal_partial.get(),
            segments: self.segments.get(),
            checkpoints: self.checkpoints.get(),
            ownership: self.ownership.get(),
            reads: self.reads.get(),
            compaction_reads: self.compaction.get(),
            recovery_reads: self.recovery.get(),
            lists: self.lists.get(),
            deletes: self.deletes.get(),
            retries: self.retries.load(Ordering::Relaxed),
            read_back: self.read_back.load(Ordering::Relaxed),
            tail_bytes,
        }
    }
}
