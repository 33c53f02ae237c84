//! ApiVersions (18), versions 0 to 4: what a server speaks.
//!
//! Source: `ApiVersionsRequest.json`, `ApiVersionsResponse.json`; KIP-35, KIP-511 (client's software),
//! KIP-584 (features).
//!
//! Deviations: none. The response's header never has tagged fields. An unknown version is answered with
//! error 35 in the form of version 0, naming our range of this API, and the connection is kept.

use std::sync::Arc;

use ottla_broker_core::error::ErrorCode;

use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;
use crate::version::Versions;

/// The API.
#[derive(Debug)]
pub enum ApiVersions {}

impl Api for ApiVersions {
    const KEY: ApiKey = ApiKey::ApiVersions;
    const SPEC: Spec = Spec::new(0, 4, 3);
    type Request = ApiVersionsRequest;
    type Response = ApiVersionsResponse;
}

message! {
    /// Asks what the server speaks.
    pub struct ApiVersionsRequest {
        /// The client's library.
        client_software_name: Arc<str>, 3..;
        /// The library's version.
        client_software_version: Arc<str>, 3..;
    }

    /// What a server speaks.
    pub struct ApiVersionsResponse {
        /// Why it does not say.
        error: Option<ErrorCode>, 0..;
        /// Each API with its range of versions.
        apis: Vec<ApiVersion>, 0..;
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
    }
    tagged {
        /// Features that the server could have.
        0 => supported_features: Vec<SupportedFeature>, 3..;
        /// In which epoch the finalised features are; −1 for unknown.
        1 => finalized_features_epoch: i64, 3.., default -1;
        /// Features that the cluster has agreed on.
        2 => finalized_features: Vec<FinalizedFeature>, 3..;
        /// Whether the cluster could migrate away from ZooKeeper.
        3 => zk_migration_ready: bool, 3..;
    }

    /// The versions of one API.
    pub struct ApiVersion {
        /// Kafka's number of it.
        key: i16, 0..;
        /// The oldest.
        min: i16, 0..;
        /// The newest.
        max: i16, 0..;
    }

    /// A feature that a server could have (KIP-584).
    pub struct SupportedFeature {
        /// Its name.
        name: Arc<str>, 3..;
        /// Its least level.
        min: i16, 3..;
        /// Its greatest level.
        max: i16, 3..;
    }

    /// A feature that a cluster has agreed on (KIP-584).
    pub struct FinalizedFeature {
        /// Its name.
        name: Arc<str>, 3..;
        /// The greatest level.
        max: i16, 3..;
        /// The least level.
        min: i16, 3..;
    }
}

impl ApiVersionsResponse {
    /// What this crate serves: the whole table, or those of `keys`.
    #[must_use]
    pub fn serving(keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self { apis: keys.into_iter().map(ApiVersion::advertised).collect(), ..Self::default() }
    }

    /// The answer to an unknown version, which is sent in version 0: it names the range to try again with.
    #[must_use]
    pub fn unsupported_version() -> Self {
        Self { error: Some(ErrorCode::UnsupportedVersion), ..Self::serving([ApiKey::ApiVersions]) }
    }

    /// The range that the server has of an API; `None` if it has it not.
    #[must_use]
    pub fn versions_of(&self, key: ApiKey) -> Option<Versions> {
        self.apis.iter().find(|api| api.key == key.code()).map(|api| Versions::new(api.min, api.max))
    }
}

impl ApiVersion {
    fn advertised(key: ApiKey) -> Self {
        let Versions { min, max } = key.spec().advertised;
        Self { key: key.code(), min, max }
    }
}
