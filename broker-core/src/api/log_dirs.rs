//! DescribeLogDirs (Kafka's API 35).

use crate::ids::TopicPartition;

/// A place where a broker keeps logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// Its path or URL.
    pub path: String,
    /// The logs in it.
    pub partitions: Vec<LogDirPartition>,
    /// How large its volume is, in bytes; `None` for unknown or without bound.
    pub total_bytes: Option<u64>,
    /// How much of that is free, in bytes; `None` for unknown or without bound.
    pub usable_bytes: Option<u64>,
}

/// One log in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirPartition {
    /// Of which partition.
    pub partition: TopicPartition,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// By how many records it is behind: the HW less its end, or 0 where it is the leader's.
    pub offset_lag: u64,
    /// Whether it is being built up here to replace the one in another place.
    pub future: bool,
}
