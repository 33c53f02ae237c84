//! Describing and altering configs.

use std::collections::{BTreeMap, BTreeSet};

use super::Broker;
use super::groups::check_not_internal;
use super::routes::unknown_topic;
use crate::api::{AlterConfig, ConfigEntry, ConfigOp, ConfigResource, ConfigSource, Error, ErrorCode};
use crate::config::{self, BrokerConfig, Definition, Scope, TopicConfig, definitions, find};
use crate::metadata::{Command, Decision, Image};

impl Broker {
    /// Configs as they are in force, sorted by name. One answer each.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed; `NETWORK_EXCEPTION` once superseded. For one resource:
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub async fn describe_configs(
        &self,
        resources: Vec<ConfigResource>,
    ) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error> {
        self.check_serving(ErrorCode::NetworkException)?;
        let image = self.writer.image();
        let broker = self.defaults(&image)?;
        let describe = |resource| match resource {
            ConfigResource::Broker => Ok(describe_broker(&broker)),
            ConfigResource::Topic(name) => {
                let topic = image.topic(&name).ok_or_else(|| unknown_topic(&name))?;
                Ok(describe_topic(&topic.configs, &broker))
            }
        };
        Ok(resources.into_iter().map(describe).collect())
    }

    /// Changes configs. The changes of one resource are made together or not at all; one answer each.
    ///
    /// # Errors
    /// What the metadata log failed with. For one resource: `INVALID_CONFIG`,
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `INVALID_REQUEST` (a resource or a config named twice).
    pub async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let decide = |image: &Image| {
            let broker = self.defaults(image)?;
            let mut commands = Vec::new();
            let mut seen = BTreeSet::new();
            let answer = changes.iter().map(|(resource, changes)| {
                if !seen.insert(resource) {
                    let message = format!("the request names {resource:?} more than once");
                    return Err(Error::new(ErrorCode::InvalidRequest, message));
                }
                let changes = merged(changes)?;
                if changes.is_empty() {
                    return Ok(());
                }
                commands.push(match resource {
                    ConfigResource::Topic(name) => {
                        check_not_internal(name, "alter")?;
                        let topic = image.topic(name).ok_or_else(|| unknown_topic(name))?;
                        check_names(Scope::Topic, &changes)?;
                        TopicConfig::from_entries(&with(&topic.configs, &changes), &broker)?;
                        Command::AlterTopicConfigs { topic: topic.metadata.id, changes }
                    }
                    ConfigResource::Broker => {
                        check_names(Scope::Broker, &changes)?;
                        let none = BTreeMap::new();
                        let altered = image.broker_configs(self.id()).unwrap_or(&none);
                        self.config.altered_by(&with(altered, &changes))?;
                        Command::AlterBrokerConfigs { broker: self.id(), changes }
                    }
                });
                Ok(())
            });
            let answer = answer.collect();
            Ok(Decision { commands, answer })
        };
        self.decide_or_try(validate_only, decide).await
    }
}

type Changes = BTreeMap<String, Option<String>>;

fn merged(changes: &[AlterConfig]) -> Result<Changes, Error> {
    let mut merged = Changes::new();
    for change in changes {
        let value = match &change.op {
            ConfigOp::Set(value) => Some(value.clone()),
            ConfigOp::Delete => None,
        };
        if merged.insert(change.name.clone(), value).is_some() {
            let message = format!("the request changes `{}` more than once", change.name);
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
    }
    Ok(merged)
}

/// Names are checked for deletions too: a misspelt one would do nothing and say nothing.
fn check_names(scope: Scope, changes: &Changes) -> Result<(), config::Error> {
    for (name, value) in changes {
        let definition = find(scope, name, value.as_deref().unwrap_or_default())?;
        if definition.read_only {
            return Err(config::Error::ReadOnly { name: definition.name });
        }
    }
    Ok(())
}

fn with(entries: &BTreeMap<String, String>, changes: &Changes) -> BTreeMap<String, String> {
    let mut entries = entries.clone();
    for (name, value) in changes {
        match value {
            Some(value) => entries.insert(name.clone(), value.clone()),
            None => entries.remove(name),
        };
    }
    entries
}

fn describe_topic(own: &BTreeMap<String, String>, broker: &BrokerConfig) -> Vec<ConfigEntry> {
    let describe = |definition: &Definition| match own.get(definition.name) {
        Some(value) => entry(definition, definition.name, value, ConfigSource::Topic),
        None => inherited(definition, definition.name, broker),
    };
    definitions(Scope::Topic).iter().map(describe).collect()
}

fn describe_broker(broker: &BrokerConfig) -> Vec<ConfigEntry> {
    let own = definitions(Scope::Broker).iter().map(|definition| inherited(definition, definition.name, broker));
    let defaults = definitions(Scope::Topic)
        .iter()
        .map(|definition| inherited(definition, definition.broker_name.unwrap_or(definition.name), broker));
    let mut entries: Vec<_> = own.chain(defaults).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

fn inherited(definition: &Definition, name: &str, broker: &BrokerConfig) -> ConfigEntry {
    match broker.entries().get(definition.broker_name.unwrap_or(definition.name)) {
        Some(value) => entry(definition, name, value, ConfigSource::Broker),
        None => entry(definition, name, definition.default, ConfigSource::Default),
    }
}

fn entry(definition: &Definition, name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: value.to_owned(),
        source,
        read_only: definition.read_only,
        documentation: definition.documentation.into(),
    }
}
