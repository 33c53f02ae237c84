//! IncrementalAlterConfigs (44), versions 0 to 1: changes configs one by one.
//!
//! Source: `IncrementalAlterConfigsRequest.json`, `IncrementalAlterConfigsResponse.json`; KIP-339.
//!
//! Deviations: none.

use std::sync::Arc;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::{AlterConfig, ConfigOp, ConfigResource};
use ottla_broker_core::error::{Error, ErrorCode};

use super::alter_configs::{AlteredConfigs, altered, results};
use super::configs::{resource, resource_ref};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum IncrementalAlterConfigs {}

impl Api for IncrementalAlterConfigs {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    const SPEC: Spec = Spec::new(0, 1, 1);
    type Request = IncrementalAlterConfigsRequest;
    type Response = IncrementalAlterConfigsResponse;
}

/// Kafka's `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

message! {
    /// Changes configs.
    pub struct IncrementalAlterConfigsRequest {
        /// Whose.
        resources: Vec<IncrementalAlterConfigsResource>, 0..;
        /// Whether to look only whether it could be done.
        validate_only: bool, 0..;
    }

    /// Whose configs, and how.
    pub struct IncrementalAlterConfigsResource {
        /// What kind of thing: 2 for a topic, 4 for a broker.
        kind: i8, 0..;
        /// Its name.
        name: Arc<str>, 0..;
        /// The changes.
        configs: Vec<ConfigToAlter>, 0..;
    }

    /// One change.
    pub struct ConfigToAlter {
        /// The config's name.
        name: Arc<str>, 0..;
        /// What to do: 0 sets it, 1 deletes it, 2 appends to a list, 3 takes out of a list.
        operation: i8, 0..;
        /// The value.
        value: Option<Arc<str>>, 0..;
    }

    /// What became of it.
    pub struct IncrementalAlterConfigsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// One answer a resource.
        results: Vec<AlteredConfigs>, 0..;
    }
}

impl IncrementalAlterConfigsRequest {
    /// The request for `changes`. `broker` is who is asked.
    #[must_use]
    pub fn from_api(changes: &[(ConfigResource, Vec<AlterConfig>)], broker: BrokerId, validate_only: bool) -> Self {
        let resources = changes.iter().map(|(resource, changes)| {
            let (kind, name) = resource_ref(resource, broker);
            IncrementalAlterConfigsResource {
                kind,
                name,
                configs: changes.iter().map(ConfigToAlter::from_api).collect(),
            }
        });
        Self { resources: resources.collect(), validate_only }
    }
}

impl IncrementalAlterConfigsResource {
    /// Whose configs are to be changed by broker `me`, and how.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`; `INVALID_REQUEST` for another broker, another kind of thing, an operation that
    /// there is not, and an operation without the value that it needs, as Kafka.
    pub fn to_api(&self, me: BrokerId) -> Result<(ConfigResource, Vec<AlterConfig>), Error> {
        let changes = self.configs.iter().map(ConfigToAlter::to_api).collect::<Result<_, _>>()?;
        Ok((resource(self.kind, &self.name, me)?, changes))
    }
}

impl ConfigToAlter {
    fn from_api(change: &AlterConfig) -> Self {
        let (operation, value) = match &change.op {
            ConfigOp::Set(value) => (SET, Some(Arc::from(value.as_str()))),
            ConfigOp::Delete => (DELETE, None),
            ConfigOp::Append(words) => (APPEND, Some(Arc::from(words.as_str()))),
            ConfigOp::Subtract(words) => (SUBTRACT, Some(Arc::from(words.as_str()))),
        };
        Self { name: Arc::from(change.name.as_str()), operation, value }
    }

    fn to_api(&self) -> Result<AlterConfig, Error> {
        let refused =
            |what: &str| Err(Error::new(ErrorCode::InvalidRequest, format!("config `{}`: {what}", self.name)));
        let op = match (self.operation, self.value.as_deref()) {
            (SET, Some(value)) => ConfigOp::Set(value.to_owned()),
            (DELETE, _) => ConfigOp::Delete,
            (APPEND, Some(words)) => ConfigOp::Append(words.to_owned()),
            (SUBTRACT, Some(words)) => ConfigOp::Subtract(words.to_owned()),
            (SET | APPEND | SUBTRACT, None) => return refused("there is no value"),
            (other, _) => return refused(&format!("there is no operation {other}")),
        };
        Ok(AlterConfig { name: self.name.as_ref().to_owned(), op })
    }
}

impl IncrementalAlterConfigsResponse {
    /// The answer to `request`; `results` are in the order of its resources.
    #[must_use]
    pub fn from_api(
        request: &IncrementalAlterConfigsRequest,
        results: impl IntoIterator<Item = Result<(), Error>>,
    ) -> Self {
        let resources = request.resources.iter().map(|one| (one.kind, &one.name));
        Self { results: altered(resources, results), ..Self::default() }
    }

    /// The answers about the resources of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &IncrementalAlterConfigsRequest) -> Vec<Result<(), Error>> {
        results(self.results, request.resources.iter().map(|one| (one.kind, &one.name)))
    }
}
