//! DescribeConfigs (32), versions 1 to 4: configs as they are in force.
//!
//! Source: `DescribeConfigsRequest.json`, `DescribeConfigsResponse.json`; KIP-226 (sources and synonyms, v1),
//! KIP-569 (types and documentation, v3).
//!
//! Deviations: none is a secret. A broker without a name is the one that answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::{self, ConfigEntry, ConfigResource};
use ottla_broker_core::error::{Error, ErrorCode};

use super::configs::{kind, kind_code, resource, resource_ref, source, source_code};
use crate::answers::{InOrder, Keyed, outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum DescribeConfigs {}

impl Api for DescribeConfigs {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
    const SPEC: Spec = Spec::new(1, 4, 4);
    type Request = DescribeConfigsRequest;
    type Response = DescribeConfigsResponse;
}

message! {
    /// Asks for configs.
    pub struct DescribeConfigsRequest {
        /// Whose.
        resources: Vec<DescribeConfigsResource>, 0..;
        /// Whether to tell what else a config could come from.
        include_synonyms: bool, 1..;
        /// Whether to tell what configs do.
        include_documentation: bool, 3..;
    }

    /// Whose configs.
    pub struct DescribeConfigsResource {
        /// What kind of thing: 2 for a topic, 4 for a broker.
        kind: i8, 0..;
        /// Its name.
        name: Arc<str>, 0..;
        /// Which configs; `None` or none for all.
        keys: Option<Vec<Arc<str>>>, 0..;
    }

    /// Configs.
    pub struct DescribeConfigsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// One answer a resource.
        results: Vec<DescribedConfigs>, 0..;
    }

    /// The configs of one resource.
    pub struct DescribedConfigs {
        /// Why they are not told.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// What kind of thing it is.
        kind: i8, 0..;
        /// Its name.
        name: Arc<str>, 0..;
        /// The configs.
        configs: Vec<DescribedConfig>, 0..;
    }

    /// One config.
    pub struct DescribedConfig {
        /// Its name.
        name: Arc<str>, 0..;
        /// The value in force; `None` for a secret.
        value: Option<Arc<str>>, 0..;
        /// Whether it cannot be changed.
        read_only: bool, 0..;
        /// Where the value comes from, by Kafka's numbers.
        source: i8, 1.., default -1;
        /// Whether it is a secret.
        sensitive: bool, 0..;
        /// What it could come from, the one in force first.
        synonyms: Vec<ConfigSynonym>, 1..;
        /// Its type, by Kafka's numbers; 0 for unknown.
        config_type: i8, 3..;
        /// What it does.
        documentation: Option<Arc<str>>, 3..;
    }

    /// What a config could come from.
    pub struct ConfigSynonym {
        /// Its name there.
        name: Arc<str>, 1..;
        /// Its value there.
        value: Option<Arc<str>>, 1..;
        /// What it is, by Kafka's numbers.
        source: i8, 1..;
    }
}

impl DescribeConfigsRequest {
    /// The request for all configs of `resources`, with what they do where the version can tell. `broker` is who is asked.
    #[must_use]
    pub fn from_api(resources: &[ConfigResource], broker: BrokerId) -> Self {
        let resources = resources.iter().map(|resource| {
            let (kind, name) = resource_ref(resource, broker);
            DescribeConfigsResource { kind, name, keys: None }
        });
        Self { resources: resources.collect(), include_synonyms: false, include_documentation: true }
    }
}

impl DescribeConfigsResource {
    /// Whose configs are meant, to broker `me`.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`; `INVALID_REQUEST` for another broker or another kind of thing.
    pub fn to_api(&self, me: BrokerId) -> Result<ConfigResource, Error> {
        resource(self.kind, &self.name, me)
    }

    /// Which configs are meant; `None` for all.
    fn wanted(&self) -> Option<BTreeSet<&str>> {
        let keys = self.keys.as_ref().filter(|keys| !keys.is_empty())?;
        Some(keys.iter().map(|key| &**key).collect())
    }
}

impl DescribeConfigsResponse {
    /// The answer to `request`; `results` are in the order of its resources, with all configs of each.
    #[must_use]
    pub fn from_api(
        request: &DescribeConfigsRequest,
        results: impl IntoIterator<Item = Result<Vec<ConfigEntry>, Error>>,
    ) -> Self {
        let mut results = InOrder::new(results);
        let results = request.resources.iter().map(|asked| {
            let none = DescribedConfigs { kind: asked.kind, name: Arc::clone(&asked.name), ..Default::default() };
            match results.next() {
                Ok(entries) => {
                    let wanted = asked.wanted();
                    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(name));
                    let entries = entries.iter().filter(|entry| is_wanted(&entry.name));
                    let configs = entries.map(|entry| DescribedConfig::from_api(entry, request)).collect();
                    DescribedConfigs { configs, ..none }
                }
                Err(error) => DescribedConfigs { error: Some(error.code), error_message: words(&error), ..none },
            }
        });
        Self { results: results.collect(), ..Self::default() }
    }

    /// The configs of the resources of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &DescribeConfigsRequest) -> Vec<Result<Vec<ConfigEntry>, Error>> {
        let mut answers = Keyed::new(self.results.into_iter().map(|one| ((one.kind, Arc::clone(&one.name)), one)));
        let answer = |asked: &DescribeConfigsResource| {
            let one = answers.take(&(asked.kind, Arc::clone(&asked.name)))?;
            outcome(one.error, format_args!("the configs of `{}`", one.name), one.error_message.as_deref())?;
            Ok(one.configs.into_iter().map(DescribedConfig::into_api).collect())
        };
        request.resources.iter().map(answer).collect()
    }
}

impl DescribedConfig {
    fn from_api(entry: &ConfigEntry, request: &DescribeConfigsRequest) -> Self {
        let name: Arc<str> = Arc::from(entry.name.as_str());
        let synonym = |one: &api::ConfigSynonym| ConfigSynonym {
            name: Arc::from(one.name.as_str()),
            value: Some(Arc::from(one.value.as_str())),
            source: source_code(one.source, entry.read_only),
        };
        let synonyms = entry.synonyms.iter().filter(|_| request.include_synonyms).map(synonym);
        Self {
            synonyms: synonyms.collect(),
            name,
            value: Some(Arc::from(entry.value.as_str())),
            read_only: entry.read_only,
            source: source_code(entry.source, entry.read_only),
            sensitive: false,
            config_type: kind_code(entry.kind),
            documentation: request.include_documentation.then(|| Arc::from(&*entry.documentation)),
        }
    }

    /// A secret's value is empty.
    fn into_api(self) -> ConfigEntry {
        ConfigEntry {
            name: self.name.as_ref().to_owned(),
            value: self.value.unwrap_or_default().as_ref().to_owned(),
            source: source(self.source),
            read_only: self.read_only,
            kind: kind(self.config_type),
            synonyms: self.synonyms.into_iter().map(ConfigSynonym::into_api).collect(),
            documentation: self.documentation.unwrap_or_default().as_ref().to_owned().into(),
        }
    }
}

impl ConfigSynonym {
    fn into_api(self) -> api::ConfigSynonym {
        api::ConfigSynonym {
            name: self.name.as_ref().to_owned(),
            value: self.value.unwrap_or_default().as_ref().to_owned(),
            source: source(self.source),
        }
    }
}
