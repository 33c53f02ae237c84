//! What the messages about configs have in common: resources and sources, by Kafka's numbers.

use std::sync::Arc;

use ottla_broker_core::api::{ConfigKind, ConfigResource, ConfigSource};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, TopicName};

/// Kafka's `ConfigResource.Type`.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Kafka's `DescribeConfigsResponse.ConfigSource`.
const TOPIC_CONFIG: i8 = 1;
const DYNAMIC_BROKER_CONFIG: i8 = 2;
const DYNAMIC_DEFAULT_BROKER_CONFIG: i8 = 3;
const STATIC_BROKER_CONFIG: i8 = 4;
const DEFAULT_CONFIG: i8 = 5;

/// Kafka's `DescribeConfigsResponse.ConfigType`.
const BOOLEAN: i8 = 1;
const STRING: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
const LIST: i8 = 7;

/// What a config belongs to, as messages say it: what kind of thing, and its name.
pub(super) fn resource_ref(resource: &ConfigResource, broker: BrokerId) -> (i8, Arc<str>) {
    match resource {
        ConfigResource::Topic(name) => (TOPIC, Arc::from(name.as_str())),
        ConfigResource::Broker => (BROKER, Arc::from(broker.to_string())),
    }
}

/// What is meant by a kind and a name, to broker `me`. No name stands for all brokers; here that is the same one.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION`; `INVALID_REQUEST` for another broker or another kind of thing, as Kafka.
pub(super) fn resource(kind: i8, name: &str, me: BrokerId) -> Result<ConfigResource, Error> {
    let refused = |message| Err(Error::new(ErrorCode::InvalidRequest, message));
    match kind {
        TOPIC => TopicName::new(name)
            .map(ConfigResource::Topic)
            .map_err(|error| Error::new(ErrorCode::InvalidTopic, error.to_string())),
        BROKER if name.is_empty() || name.parse() == Ok(me.0) => Ok(ConfigResource::Broker),
        BROKER => {
            let name: String = name.chars().take(64).collect();
            refused(format!("the configs of broker `{name}` are asked for, and this is broker {me}"))
        }
        other => refused(format!("only topics (2) and brokers (4) have configs here, not resources of type {other}")),
    }
}

/// Where a value comes from, by Kafka's numbers. What can be changed while the broker runs is dynamic.
pub(super) const fn source_code(source: ConfigSource, read_only: bool) -> i8 {
    match source {
        ConfigSource::Topic => TOPIC_CONFIG,
        ConfigSource::Broker if read_only => STATIC_BROKER_CONFIG,
        ConfigSource::Broker => DYNAMIC_BROKER_CONFIG,
        ConfigSource::Default => DEFAULT_CONFIG,
    }
}

/// Where a value comes from. What is not told is nobody's.
pub(super) const fn source(code: i8) -> ConfigSource {
    match code {
        TOPIC_CONFIG => ConfigSource::Topic,
        DYNAMIC_BROKER_CONFIG | DYNAMIC_DEFAULT_BROKER_CONFIG | STATIC_BROKER_CONFIG => ConfigSource::Broker,
        _ => ConfigSource::Default,
    }
}

/// What kind of value a config has, by Kafka's numbers.
pub(super) const fn kind_code(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Unknown => 0,
        ConfigKind::Boolean => BOOLEAN,
        ConfigKind::Text => STRING,
        ConfigKind::Int => INT,
        ConfigKind::Long => LONG,
        ConfigKind::List => LIST,
    }
}

/// What kind of value a config has. Of Kafka's kinds some are none of ours.
pub(super) const fn kind(code: i8) -> ConfigKind {
    match code {
        BOOLEAN => ConfigKind::Boolean,
        STRING => ConfigKind::Text,
        INT => ConfigKind::Int,
        LONG => ConfigKind::Long,
        LIST => ConfigKind::List,
        _ => ConfigKind::Unknown,
    }
}
