//! ListOffsets and OffsetForLeaderEpoch (Kafka's APIs 2 and 23).

use crate::ids::{LeaderEpoch, Offset};

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetSpec {
    /// The log start offset (Kafka's −2).
    Earliest,
    /// The end as a consumer sees it: HW, or the last stable offset when reading committed (−1).
    Latest,
    /// The record with the greatest timestamp (−3, KIP-734).
    MaxTimestamp,
    /// The first record whose timestamp is at or after this, in ms since 1970.
    Timestamp(i64),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; `None` if no record is as late as asked.
    pub offset: Option<Offset>,
    /// The record's own timestamp in ms, for look-ups by time.
    pub timestamp_ms: Option<i64>,
    /// The epoch of the leader that wrote it, if known.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Where a leader epoch ends in the leader's log (KIP-101, KIP-279).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch at or below the one asked for that the log has; `None` if there is none.
    pub epoch: Option<LeaderEpoch>,
    /// One past its last offset.
    pub end: Offset,
}
