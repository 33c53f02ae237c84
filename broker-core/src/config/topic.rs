//! A topic's configs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::BrokerConfig;
use super::definition::{Definition, Scope};
use super::error::Error;
use super::table::find;
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

impl TopicConfig {
    /// What is in force for a topic with these `entries` of its own, on a broker with these defaults.
    ///
    /// # Errors
    /// [`Error`] for the first entry that cannot be taken; a broker's default does not excuse it.
    pub fn from_entries(entries: &BTreeMap<String, String>, broker: &BrokerConfig) -> Result<Self, Error> {
        let mut config = broker.topic_defaults().clone();
        for (name, value) in entries {
            config.set(find(Scope::Topic, name, value)?, value)?;
        }
        Ok(config)
    }

    /// Takes over one value, under either of its names.
    pub(super) fn set(&mut self, definition: &Definition, value: &str) -> Result<(), Error> {
        definition.check(value)?;
        match definition.name {
            "retention.ms" => self.retention = bounded(definition.number(value)?).map(Duration::from_millis),
            "retention.bytes" => self.retention_bytes = bounded(definition.number(value)?),
            "max.message.bytes" => {
                self.max_message_bytes = usize::try_from(definition.number(value)?).unwrap_or(usize::MAX);
            }
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                }
            }
            "message.timestamp.before.max.ms" => self.timestamp_before_max = time_limit(definition.number(value)?),
            "message.timestamp.after.max.ms" => self.timestamp_after_max = time_limit(definition.number(value)?),
            "min.insync.replicas" => {
                self.min_insync_replicas = usize::try_from(definition.number(value)?).unwrap_or(usize::MAX);
            }
            // `cleanup.policy` and `compression.type` have one word each, which the check has seen.
            _ => {}
        }
        Ok(())
    }
}

/// −1 is Kafka's "no bound".
fn bounded(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

/// The largest number is Kafka's "no bound" here.
fn time_limit(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().filter(|ms| *ms < i64::MAX as u64).map(Duration::from_millis)
}
