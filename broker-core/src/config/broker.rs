//! A broker's configs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::definition::{Definition, Scope};
use super::error::Error;
use super::groups::GroupConfig;
use super::table::find;
use super::topic::TopicConfig;
use crate::ids::BrokerId;

/// A broker's configs, parsed and checked, with the defaults that it gives to topics.
///
/// ```
/// # use ottla_broker_core::config::BrokerConfig;
/// let config = BrokerConfig::default().with("num.partitions", 3)?.with("log.retention.ms", -1)?;
/// assert_eq!(config.num_partitions(), 3);
/// assert_eq!(config.topic_defaults().retention, None);
/// let error = BrokerConfig::default().with("num.partition", 3).unwrap_err();
/// assert_eq!(error.to_string(), "`num.partition` is not a broker config: did you mean `num.partitions`?");
/// # Ok::<(), ottla_broker_core::config::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    entries: BTreeMap<String, String>,
    id: BrokerId,
    rack: Option<String>,
    num_partitions: i32,
    default_replication_factor: i16,
    auto_create_topics: bool,
    retention_check_interval: Duration,
    producer_id_expiration: Duration,
    offsets_topic_partitions: i32,
    groups: GroupConfig,
    producer_id_limit: usize,
    topic_defaults: TopicConfig,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            id: BrokerId(0),
            rack: None,
            num_partitions: 1,
            default_replication_factor: 1,
            auto_create_topics: false,
            retention_check_interval: Duration::from_mins(5),
            producer_id_expiration: Duration::from_hours(24),
            offsets_topic_partitions: 50,
            groups: GroupConfig::default(),
            producer_id_limit: 1_000_000,
            topic_defaults: TopicConfig::default(),
        }
    }
}

impl BrokerConfig {
    /// The configs that `entries` name, by Kafka's names; the rest at their defaults.
    ///
    /// # Errors
    /// [`Error`] for the first entry that cannot be taken.
    pub fn from_entries(entries: &BTreeMap<String, String>) -> Result<Self, Error> {
        entries.iter().try_fold(Self::default(), |config, (name, value)| config.with(name, value))
    }

    /// The same with one config set. The last value of a name counts.
    ///
    /// # Errors
    /// [`Error`] if it cannot be taken.
    pub fn with(mut self, name: &str, value: impl ToString) -> Result<Self, Error> {
        let value = value.to_string();
        let definition = find(Scope::Broker, name, &value)?;
        self.set(definition, &value)?;
        self.entries.insert(name.to_owned(), value);
        Ok(self)
    }

    /// The same with what was altered while the broker ran.
    ///
    /// # Errors
    /// [`Error`] for the first entry that cannot be taken.
    pub fn altered_by(&self, entries: &BTreeMap<String, String>) -> Result<Self, Error> {
        entries.iter().try_fold(self.clone(), |config, (name, value)| config.with(name, value))
    }

    fn set(&mut self, definition: &Definition, value: &str) -> Result<(), Error> {
        if definition.scope == Scope::Topic {
            return self.topic_defaults.set(definition, value);
        }
        definition.check(value)?;
        match definition.name {
            "auto.create.topics.enable" => self.auto_create_topics = definition.boolean(value)?,
            "broker.id" => self.id = BrokerId(narrow(definition.number(value)?)),
            "broker.rack" => self.rack = Some(value.to_owned()),
            "default.replication.factor" => {
                self.default_replication_factor = i16::try_from(definition.number(value)?).unwrap_or(i16::MAX);
            }
            "log.retention.check.interval.ms" => self.retention_check_interval = millis(definition.number(value)?),
            "num.partitions" => self.num_partitions = narrow(definition.number(value)?),
            "offsets.topic.num.partitions" => self.offsets_topic_partitions = narrow(definition.number(value)?),
            "producer.id.expiration.ms" => self.producer_id_expiration = millis(definition.number(value)?),
            "producer.id.limit" => {
                self.producer_id_limit = usize::try_from(definition.number(value)?).unwrap_or(usize::MAX);
            }
            // Those that are left are the coordinator's.
            name => self.groups.set(name, definition.number(value)?),
        }
        Ok(())
    }

    /// What was set, by Kafka's names.
    #[must_use]
    pub const fn entries(&self) -> &BTreeMap<String, String> {
        &self.entries
    }

    /// `broker.id`.
    #[must_use]
    pub const fn id(&self) -> BrokerId {
        self.id
    }

    /// `broker.rack`.
    #[must_use]
    pub fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }

    /// `num.partitions`.
    #[must_use]
    pub const fn num_partitions(&self) -> i32 {
        self.num_partitions
    }

    /// `default.replication.factor`.
    #[must_use]
    pub const fn default_replication_factor(&self) -> i16 {
        self.default_replication_factor
    }

    /// `auto.create.topics.enable`.
    #[must_use]
    pub const fn auto_create_topics(&self) -> bool {
        self.auto_create_topics
    }

    /// `log.retention.check.interval.ms`.
    #[must_use]
    pub const fn retention_check_interval(&self) -> Duration {
        self.retention_check_interval
    }

    /// `producer.id.expiration.ms`.
    #[must_use]
    pub const fn producer_id_expiration(&self) -> Duration {
        self.producer_id_expiration
    }

    /// `offsets.topic.num.partitions`.
    #[must_use]
    pub const fn offsets_topic_partitions(&self) -> i32 {
        self.offsets_topic_partitions
    }

    /// How groups are kept.
    #[must_use]
    pub const fn groups(&self) -> &GroupConfig {
        &self.groups
    }

    /// `producer.id.limit`.
    #[must_use]
    pub const fn producer_id_limit(&self) -> usize {
        self.producer_id_limit
    }

    /// The configs of a topic that sets none.
    #[must_use]
    pub const fn topic_defaults(&self) -> &TopicConfig {
        &self.topic_defaults
    }
}

/// The table's range fits: a value beyond it was refused.
fn narrow(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn millis(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}
