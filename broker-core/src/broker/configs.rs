//! Describing and altering configs.

use std::collections::{BTreeMap, BTreeSet};

use super::Broker;
use super::groups::check_not_internal;
use super::routes::unknown_topic;
use crate::api::{
    AlterConfig, ConfigEntry, ConfigKind, ConfigOp, ConfigResource, ConfigSource, ConfigSynonym, Error, ErrorCode,
};
use crate::config::{self, BrokerConfig, Definition, Kind, Scope, TopicConfig, definitions, find};
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
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `INVALID_REQUEST` (a resource or a config named twice). A part of a list is only
    /// changed where the config is one (`INVALID_CONFIG`).
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
                check_once(changes)?;
                if changes.is_empty() {
                    return Ok(());
                }
                commands.push(match resource {
                    ConfigResource::Topic(name) => {
                        check_not_internal(name, "alter")?;
                        let topic = image.topic(name).ok_or_else(|| unknown_topic(name))?;
                        let changes = resolved(Scope::Topic, &topic.configs, changes)?;
                        check_names(Scope::Topic, &changes)?;
                        TopicConfig::from_entries(&with(&topic.configs, &changes), &broker)?;
                        Command::AlterTopicConfigs { topic: topic.metadata.id, changes }
                    }
                    ConfigResource::Broker => {
                        let none = BTreeMap::new();
                        let altered = image.broker_configs(self.id()).unwrap_or(&none);
                        let changes = resolved(Scope::Broker, altered, changes)?;
                        check_names(Scope::Broker, &changes)?;
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

fn check_once(changes: &[AlterConfig]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match changes.iter().find(|change| !seen.insert(&change.name)) {
        Some(twice) => {
            let message = format!("the request changes `{}` more than once", twice.name);
            Err(Error::new(ErrorCode::InvalidRequest, message))
        }
        None => Ok(()),
    }
}

/// What the configs are to be, given what `own` are set.
fn resolved(scope: Scope, own: &BTreeMap<String, String>, changes: &[AlterConfig]) -> Result<Changes, Error> {
    let value = |AlterConfig { name, op }: &AlterConfig| {
        let current = match op {
            ConfigOp::Set(_) | ConfigOp::Delete => "",
            ConfigOp::Append(_) | ConfigOp::Subtract(_) => list(scope, own, name)?,
        };
        Ok((name.clone(), op.applied_to(current)))
    };
    changes.iter().map(value).collect()
}

/// A list as it is set, or by default: not the broker's, even if that is what is in force (as in Kafka).
fn list<'a>(scope: Scope, own: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, Error> {
    let definition = find(scope, name, "")?;
    if !matches!(definition.kind, Kind::List { .. }) {
        let message = format!("`{name}` is no list, of which a part could be changed: set all of it");
        return Err(Error::new(ErrorCode::InvalidConfig, message));
    }
    Ok(own.get(name).map_or(definition.default, String::as_str))
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
    let describe = |definition: &Definition| {
        let own = own.get(definition.name).map(|value| synonym(definition.name, value, ConfigSource::Topic));
        entry(definition, definition.name, own.into_iter().chain(of_broker(definition, broker)).collect())
    };
    definitions(Scope::Topic).iter().map(describe).collect()
}

fn describe_broker(broker: &BrokerConfig) -> Vec<ConfigEntry> {
    let all = definitions(Scope::Broker).iter().chain(definitions(Scope::Topic));
    let describe =
        |definition: &Definition| entry(definition, broker_name(definition), of_broker(definition, broker).collect());
    let mut entries: Vec<_> = all.map(describe).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// What the broker calls it.
fn broker_name(definition: &Definition) -> &'static str {
    definition.broker_name.unwrap_or(definition.name)
}

/// What a broker has of it: what was set there, then the default.
fn of_broker(definition: &Definition, broker: &BrokerConfig) -> impl Iterator<Item = ConfigSynonym> {
    let name = broker_name(definition);
    let set = broker.entries().get(name).map(|value| synonym(name, value, ConfigSource::Broker));
    set.into_iter().chain(std::iter::once(synonym(name, definition.default, ConfigSource::Default)))
}

fn synonym(name: &str, value: &str, source: ConfigSource) -> ConfigSynonym {
    ConfigSynonym { name: name.to_owned(), value: value.to_owned(), source }
}

/// `synonyms` begin with what is in force.
fn entry(definition: &Definition, name: &str, synonyms: Vec<ConfigSynonym>) -> ConfigEntry {
    let first = synonyms.first();
    ConfigEntry {
        name: name.to_owned(),
        value: first.map(|one| one.value.clone()).unwrap_or_default(),
        source: first.map_or(ConfigSource::Default, |one| one.source),
        read_only: definition.read_only,
        kind: kind_of(definition.kind),
        synonyms,
        documentation: definition.documentation.into(),
    }
}

const fn kind_of(kind: Kind) -> ConfigKind {
    match kind {
        Kind::Number { max, .. } if max <= i32::MAX as i64 => ConfigKind::Int,
        Kind::Number { .. } => ConfigKind::Long,
        Kind::Bool => ConfigKind::Boolean,
        Kind::Choice { .. } | Kind::Text => ConfigKind::Text,
        Kind::List { .. } => ConfigKind::List,
    }
}
