//! Topics and configs (Kafka's APIs 19, 20, 21, 32, 37, 44).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ids::{Offset, TopicId, TopicName};
use crate::planted::is_planted;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; `None` for the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas; `None` for the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Topic configs by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

/// A created topic (or, with `validate_only`, one that could be).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas were asked for.
    pub replication_factor: i16,
}

/// The answer to DeleteRecords for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedRecords {
    /// Where the log starts now.
    pub low_watermark: Offset,
}

/// What a config belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// One topic.
    Topic(TopicName),
    /// The broker that answers.
    Broker,
}

/// Where a config's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on the broker.
    Broker,
    /// Nobody set it.
    Default,
}

/// What kind of value a config has (KIP-569).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConfigKind {
    /// Nobody has told.
    #[default]
    Unknown,
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text,
    /// A number of 32 bits.
    Int,
    /// A number of 64 bits.
    Long,
    /// Words with commas between them.
    List,
}

/// A value that a config has somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Its name there: a broker may call the default of a topic's config otherwise.
    pub name: String,
    /// The value there.
    pub value: String,
    /// Where that is.
    pub source: ConfigSource,
}

/// A config as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name of it.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// What kind of value it has.
    pub kind: ConfigKind,
    /// All values that it has, the one in force first: what comes after would be in force without it (KIP-226).
    pub synonyms: Vec<ConfigSynonym>,
    /// What it does.
    pub documentation: Cow<'static, str>,
}

/// What to do with a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOp {
    /// Set it.
    Set(String),
    /// Go back to the default.
    Delete,
    /// Add these words, with commas between them, to a list: those that it has not yet. A list that nobody set is
    /// the default's.
    Append(String),
    /// Take these words, with commas between them, out of a list, each once. One that it has not is no error.
    Subtract(String),
}

impl ConfigOp {
    /// The value after it; `None` for the default. `current` is what a list is before it: its value, or else the
    /// default (as in Kafka's `ConfigurationControlManager`).
    #[must_use]
    pub fn applied_to(&self, current: &str) -> Option<String> {
        let mut list: Vec<&str> = current.split(',').collect();
        match self {
            Self::Set(value) => return Some(value.clone()),
            Self::Delete => return None,
            Self::Append(more) => {
                if is_planted("append-replaces-a-list") {
                    list.clear();
                }
                for word in more.split(',') {
                    if !list.contains(&word) {
                        list.push(word);
                    }
                }
            }
            Self::Subtract(less) => {
                for word in less.split(',') {
                    if let Some(at) = list.iter().position(|one| *one == word) {
                        list.remove(at);
                    }
                }
            }
        }
        Some(list.join(","))
    }
}

/// One change of a config. All changes of one resource succeed together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterConfig {
    /// Kafka's name of it.
    pub name: String,
    /// What to do with it.
    pub op: ConfigOp,
}

#[cfg(test)]
mod tests {
    use super::ConfigOp;

    #[test]
    fn words_are_added_once_and_taken_out_once() {
        let append = |words: &str, to| ConfigOp::Append(words.to_owned()).applied_to(to);
        let subtract = |words: &str, from| ConfigOp::Subtract(words.to_owned()).applied_to(from);
        assert_eq!(append("b,c", "a,b").as_deref(), Some("a,b,c"));
        assert_eq!(append("c,c", "a").as_deref(), Some("a,c"));
        assert_eq!(subtract("a,x", "a,b,a").as_deref(), Some("b,a"));
        assert_eq!(subtract("a", "a").as_deref(), Some(""));
        assert_eq!(ConfigOp::Set("x".to_owned()).applied_to("a").as_deref(), Some("x"));
        assert_eq!(ConfigOp::Delete.applied_to("a"), None);
    }
}
