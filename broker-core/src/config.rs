//! Topic and broker configs: Kafka's names, units and meaning.

use std::time::Duration;

use crate::record::TimestampType;

/// A topic's configs, parsed and checked, as they are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// `retention.ms`: records older than this may be deleted; `None` (−1) keeps them for ever.
    pub retention: Option<Duration>,
    /// `retention.bytes`: bytes of a partition beyond which its oldest may be deleted; `None` (−1) is no bound.
    pub retention_bytes: Option<u64>,
    /// `max.message.bytes`: the largest batch, in bytes as it is written.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's time may lie in the past; `None` is no bound (KIP-937).
    pub timestamp_before_max: Option<Duration>,
    /// `message.timestamp.after.max.ms`: how far a record's time may lie in the future (KIP-937).
    pub timestamp_after_max: Option<Duration>,
    /// `min.insync.replicas`: in-sync replicas that `acks=all` needs.
    pub min_insync_replicas: usize,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            retention: Some(Duration::from_hours(7 * 24)),
            retention_bytes: None,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max: None,
            timestamp_after_max: Some(Duration::from_hours(1)),
            min_insync_replicas: 1,
        }
    }
}
