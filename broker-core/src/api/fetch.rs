//! Fetch (Kafka's API 1).

use std::time::Duration;

use super::Error;
use crate::ids::{BrokerId, LeaderEpoch, Offset, ProducerId, TopicPartition};
use crate::record::Batch;

/// Which records of transactions a consumer sees (KIP-98).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// Everything below the high watermark.
    #[default]
    ReadUncommitted,
    /// Everything below the last stable offset, and the list of aborted transactions to leave out.
    ReadCommitted,
}

/// One partition of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which.
    pub partition: TopicPartition,
    /// The first offset wanted.
    pub offset: Offset,
    /// Bytes of this partition to return at most; one batch is returned however large.
    pub max_bytes: usize,
    /// The leader epoch that the reader knows (KIP-320); `None` skips the check.
    pub current_leader_epoch: Option<LeaderEpoch>,
}

/// A fetch from several partitions of one leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The follower that asks; `None` for a consumer. A follower reads to the log's end, a consumer to the HW.
    pub replica: Option<BrokerId>,
    /// How long to wait for `min_bytes`.
    pub max_wait: Duration,
    /// Bytes to wait for; 0 and 1 answer as soon as there is any record.
    pub min_bytes: usize,
    /// Bytes to return at most over all partitions; the first batch is returned however large.
    pub max_bytes: usize,
    /// Which records of transactions are seen.
    pub isolation: IsolationLevel,
    /// From where.
    pub partitions: Vec<FetchPartition>,
}

/// A transaction that was aborted, as a reader must know it to leave its records out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose records to leave out.
    pub producer_id: ProducerId,
    /// From which offset on, until the abort marker.
    pub first_offset: Offset,
}

/// What one partition had.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it was read.
    pub high_watermark: Offset,
    /// The first offset that an open transaction holds back; the HW without one.
    pub last_stable_offset: Offset,
    /// Where the log starts.
    pub log_start_offset: Offset,
    /// Whole batches. The first may begin before the offset asked for: the reader drops what precedes it.
    pub batches: Vec<Batch>,
    /// Aborted transactions within the batches, for `ReadCommitted`.
    pub aborted: Vec<AbortedTransaction>,
}

/// One answer a partition, in the order of the request.
pub type FetchResponse = Vec<Result<Fetched, Error>>;
