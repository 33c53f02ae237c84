//! How a bucket backend behaves.

use std::time::Duration;

use crate::engine::ColdLimits;

/// Options of a bucket backend. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketOptions {
    /// What others are told about who has the prefix: a host and a process, say.
    pub owner: String,
    /// Takes the prefix from whoever has it, without waiting whether they live. What they acknowledged is kept, and they
    /// will acknowledge nothing more.
    pub take_over: bool,
    /// How often the owner says that it lives: one small PUT.
    pub renew_every: Duration,
    /// How long a newcomer watches in vain for that, by its own clock, before it takes the prefix over.
    pub stale_after: Duration,
    /// Chunks below `group_bytes` that are written per second, at most. A lone write goes at once; a full chunk
    /// does too, and does not count.
    pub puts_per_second: u32,
    /// What is written with one PUT at most, unless one batch alone is larger.
    pub group_bytes: usize,
    /// PUTs of the journal that are on their way at a time.
    pub in_flight: usize,
    /// What may wait to become durable, over all partitions; beyond it producers wait.
    pub pending_bytes: usize,
    /// The newest batches that stay in memory, over all partitions.
    pub tail_bytes: usize,
    /// What was read from the bucket and is kept for readers that come soon, and what is read ahead of readers that go on
    /// where they were, over all partitions. With 0 nothing is read ahead, and nothing shared.
    pub cold_bytes: usize,
    /// How much of the log may lie in the journal, in the order in which it was written, before it is sorted into
    /// segments.
    pub journal_bytes: u64,
    /// How many objects the journal may have before it is sorted.
    pub journal_objects: usize,
    /// How long one request may take. One that is not answered by then is made again.
    pub request_timeout: Duration,
    /// How long a request is made again before it counts as failed. A write that fails so ends the storage: it
    /// is to be opened anew.
    pub give_up_after: Duration,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            owner: format!("process {}", std::process::id()),
            take_over: false,
            renew_every: Duration::from_secs(5),
            stale_after: Duration::from_secs(15),
            puts_per_second: 10,
            group_bytes: 8 << 20,
            in_flight: 4,
            pending_bytes: 64 << 20,
            tail_bytes: 64 << 20,
            cold_bytes: 64 << 20,
            journal_bytes: 128 << 20,
            journal_objects: 512,
            request_timeout: Duration::from_secs(10),
            give_up_after: Duration::from_secs(60),
        }
    }
}

impl BucketOptions {
    /// A request costs as much as a megabyte or so: pieces are large, and many are on their way ahead of a reader.
    pub(super) const fn cold(&self) -> ColdLimits {
        let budget = self.cold_bytes;
        ColdLimits { piece: 4 << 20, gap: 256 << 10, ahead: 32 << 20, budget, kept: budget / 4 }
    }

    /// The least time between two chunks below full size.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.puts_per_second.max(1)
    }
}
