//! The group coordinator's configs, by Kafka's names.

use std::time::Duration;

/// How groups are kept. The defaults are Kafka's, but for the first delay: a service that embeds its
/// broker has no fleet of consumers to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members after the first.
    /// Zero here; Kafka's is 3 s.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`: the most members of a group.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`: the longest note of a committed offset.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`: how long offsets outlive the last member of their group.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`: how often that is looked at.
    pub offsets_retention_check: Duration,
    /// `offsets.commit.timeout.ms`: how long an answer waits for its records to be committed.
    pub commit_timeout: Duration,
    /// The most offsets of a group: what bounds a client that commits partitions which do not exist.
    pub max_offsets: usize,
    /// How many records are appended at least before the partition is written anew as a snapshot, so
    /// that replay stays short. A snapshot also waits until there are twice as many as live ones.
    pub snapshot_after_records: u64,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_mins(30),
            initial_rebalance_delay: Duration::ZERO,
            max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4096,
            offsets_retention: Duration::from_mins(10_080),
            offsets_retention_check: Duration::from_mins(10),
            commit_timeout: Duration::from_secs(5),
            max_offsets: 1_000_000,
            snapshot_after_records: 10_000,
        }
    }
}

impl GroupConfig {
    /// Takes over a number that the table's range allows.
    pub(super) fn set(&mut self, name: &str, number: i64) {
        let ms = Duration::from_millis(u64::try_from(number).unwrap_or(0));
        let count = usize::try_from(number).unwrap_or(usize::MAX);
        match name {
            "group.initial.rebalance.delay.ms" => self.initial_rebalance_delay = ms,
            "group.max.session.timeout.ms" => self.max_session_timeout = ms,
            "group.max.size" => self.max_size = count,
            "group.min.session.timeout.ms" => self.min_session_timeout = ms,
            "offset.metadata.max.bytes" => self.offset_metadata_max_bytes = count,
            "offsets.commit.timeout.ms" => self.commit_timeout = ms,
            "offsets.retention.check.interval.ms" => self.offsets_retention_check = ms,
            "offsets.retention.minutes" => self.offsets_retention = ms.saturating_mul(60_000),
            _ => {}
        }
    }
}
