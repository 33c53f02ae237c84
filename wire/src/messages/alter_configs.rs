//! AlterConfigs (33), versions 0 to 2: sets all configs of a resource; what is not named goes back to the default.
//!
//! Source: `AlterConfigsRequest.json`, `AlterConfigsResponse.json`; KIP-133. Clients of today use
//! IncrementalAlterConfigs.
//!
//! Deviations: none. The broker changes configs one by one: [`AlterConfigsResource::changes`] says which, given
//! those in force.

use std::sync::Arc;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::{AlterConfig, ConfigEntry, ConfigOp, ConfigResource, ConfigSource};
use ottla_broker_core::error::{Error, ErrorCode};

use super::configs::{resource, resource_ref};
use crate::answers::{InOrder, Keyed, outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum AlterConfigs {}

impl Api for AlterConfigs {
    const KEY: ApiKey = ApiKey::AlterConfigs;
    const SPEC: Spec = Spec::new(0, 2, 2);
    type Request = AlterConfigsRequest;
    type Response = AlterConfigsResponse;
}

message! {
    /// Sets all configs.
    pub struct AlterConfigsRequest {
        /// Whose.
        resources: Vec<AlterConfigsResource>, 0..;
        /// Whether to look only whether it could be done.
        validate_only: bool, 0..;
    }

    /// Whose configs, and which.
    pub struct AlterConfigsResource {
        /// What kind of thing: 2 for a topic, 4 for a broker.
        kind: i8, 0..;
        /// Its name.
        name: Arc<str>, 0..;
        /// All that are to be set.
        configs: Vec<ConfigToSet>, 0..;
    }

    /// One config.
    pub struct ConfigToSet {
        /// Its name.
        name: Arc<str>, 0..;
        /// Its value.
        value: Option<Arc<str>>, 0..;
    }

    /// What became of it.
    pub struct AlterConfigsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// One answer a resource.
        results: Vec<AlteredConfigs>, 0..;
    }

    /// What became of one resource's.
    pub struct AlteredConfigs {
        /// Why nothing was changed.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// What kind of thing it is.
        kind: i8, 0..;
        /// Its name.
        name: Arc<str>, 0..;
    }
}

impl AlterConfigsRequest {
    /// The request that sets all configs of resources, each with its names and values. `broker` is who is asked.
    #[must_use]
    pub fn from_api(all: &[(ConfigResource, Vec<(String, String)>)], broker: BrokerId, validate_only: bool) -> Self {
        let resources = all.iter().map(|(resource, configs)| {
            let (kind, name) = resource_ref(resource, broker);
            let configs = configs.iter().map(|(name, value)| ConfigToSet {
                name: Arc::from(name.as_str()),
                value: Some(Arc::from(value.as_str())),
            });
            AlterConfigsResource { kind, name, configs: configs.collect() }
        });
        Self { resources: resources.collect(), validate_only }
    }
}

impl AlterConfigsResource {
    /// Whose configs are meant, to broker `me`.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`; `INVALID_REQUEST` for another broker or another kind of thing.
    pub fn to_api(&self, me: BrokerId) -> Result<ConfigResource, Error> {
        resource(self.kind, &self.name, me)
    }

    /// What is to be changed: what is named is set, and what is set on the resource and not named is deleted.
    /// `in_force` are the resource's configs.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a config without a value, as Kafka.
    pub fn changes(&self, resource: &ConfigResource, in_force: &[ConfigEntry]) -> Result<Vec<AlterConfig>, Error> {
        let set = self.configs.iter().map(|config| {
            let value = config.value.as_deref().ok_or_else(|| {
                Error::new(ErrorCode::InvalidRequest, format!("`{}` of `{}` has no value", config.name, self.name))
            })?;
            Ok(AlterConfig { name: config.name.as_ref().to_owned(), op: ConfigOp::Set(value.to_owned()) })
        });
        let mut changes = set.collect::<Result<Vec<_>, Error>>()?;
        let own = match resource {
            ConfigResource::Topic(_) => ConfigSource::Topic,
            ConfigResource::Broker => ConfigSource::Broker,
        };
        let named = |name: &str| self.configs.iter().any(|config| *config.name == *name);
        let left = in_force.iter().filter(|entry| entry.source == own && !entry.read_only && !named(&entry.name));
        changes.extend(left.map(|entry| AlterConfig { name: entry.name.clone(), op: ConfigOp::Delete }));
        Ok(changes)
    }
}

impl AlterConfigsResponse {
    /// The answer to `request`; `results` are in the order of its resources.
    #[must_use]
    pub fn from_api(request: &AlterConfigsRequest, results: impl IntoIterator<Item = Result<(), Error>>) -> Self {
        let resources = request.resources.iter().map(|one| (one.kind, &one.name));
        Self { results: altered(resources, results), ..Self::default() }
    }

    /// The answers about the resources of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &AlterConfigsRequest) -> Vec<Result<(), Error>> {
        results(self.results, request.resources.iter().map(|one| (one.kind, &one.name)))
    }
}

/// The answers about resources, in order.
pub(super) fn altered<'a>(
    resources: impl Iterator<Item = (i8, &'a Arc<str>)>,
    results: impl IntoIterator<Item = Result<(), Error>>,
) -> Vec<AlteredConfigs> {
    let mut results = InOrder::new(results);
    let answers = resources.map(|(kind, name)| {
        let error = results.next().err();
        AlteredConfigs {
            error: error.as_ref().map(|error| error.code),
            error_message: error.as_ref().and_then(words),
            kind,
            name: Arc::clone(name),
        }
    });
    answers.collect()
}

/// What became of resources, in order.
pub(super) fn results<'a>(
    answers: Vec<AlteredConfigs>,
    resources: impl Iterator<Item = (i8, &'a Arc<str>)>,
) -> Vec<Result<(), Error>> {
    let mut answers = Keyed::new(answers.into_iter().map(|one| ((one.kind, Arc::clone(&one.name)), one)));
    let answer = |(kind, name): (i8, &Arc<str>)| {
        let one = answers.take(&(kind, Arc::clone(name)))?;
        outcome(one.error, format_args!("the configs of `{name}`"), one.error_message.as_deref())
    };
    resources.map(answer).collect()
}
