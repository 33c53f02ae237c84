//! A topic as it should be.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_broker_core::api::CreateTopic;
use ottla_broker_core::{InvalidTopicName, TopicName};

/// A topic to create, or to find as it is described here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it describes a topic; pass it to `create_topic` or `ensure_topic`"]
pub struct NewTopic {
    name: String,
    pub(super) partitions: Option<i32>,
    replication_factor: Option<i16>,
    pub(super) configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic of this name with the broker's defaults. The name is checked when it is used.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: None, replication_factor: None, configs: BTreeMap::new() }
    }

    /// How many partitions; the broker's `num.partitions` by default.
    pub const fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// How many replicas; the broker's `default.replication.factor` by default.
    pub const fn replication_factor(mut self, replicas: i16) -> Self {
        self.replication_factor = Some(replicas);
        self
    }

    /// How long records are kept at least: `retention.ms`.
    pub fn retention(self, retention: Duration) -> Self {
        let ms = retention.as_millis().min(i64::MAX as u128);
        self.config("retention.ms", ms)
    }

    /// Sets a topic config by Kafka's name. Checked by the broker.
    pub fn config(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.configs.insert(name.into(), value.to_string());
        self
    }

    pub(super) fn checked(self) -> Result<CreateTopic, InvalidTopicName> {
        Ok(CreateTopic {
            name: TopicName::new(&self.name)?,
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            configs: self.configs,
        })
    }
}
