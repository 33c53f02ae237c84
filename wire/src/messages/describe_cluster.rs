//! DescribeCluster (60), versions 0 to 2: the brokers.
//!
//! Source: `DescribeClusterRequest.json`, `DescribeClusterResponse.json`; KIP-700, KIP-919 (kinds of
//! endpoints, v1), KIP-1073 (fenced brokers, v2).
//!
//! Deviations: authorised operations are not told (the field says "not asked for"); fenced brokers are
//! never listed; controllers are brokers here and have no endpoints of their own, so asking for those is
//! answered with `MISMATCHED_ENDPOINT_TYPE`, as by Kafka's brokers.

use std::sync::Arc;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api;
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::words;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{DecodeError, message};

/// The API.
#[derive(Debug)]
pub enum DescribeCluster {}

impl Api for DescribeCluster {
    const KEY: ApiKey = ApiKey::DescribeCluster;
    const SPEC: Spec = Spec::new(0, 2, 0);
    type Request = DescribeClusterRequest;
    type Response = DescribeClusterResponse;
}

/// The kind of endpoint that a client talks to.
const BROKERS: i8 = 1;
/// Kafka's code for a kind of endpoint that the asked server is not.
const MISMATCHED_ENDPOINT_TYPE: ErrorCode = ErrorCode::Other(114);

message! {
    /// Asks for the brokers.
    pub struct DescribeClusterRequest {
        /// Whether to tell what the client may do with the cluster.
        include_cluster_authorized_operations: bool, 0..;
        /// Which kind: 1 for brokers, 2 for controllers.
        endpoint_type: i8, 1.., default BROKERS;
        /// Whether to tell brokers that are fenced.
        include_fenced_brokers: bool, 2..;
    }

    /// The brokers.
    pub struct DescribeClusterResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// Why there is no answer.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// Which kind: 1 for brokers, 2 for controllers.
        endpoint_type: i8, 1.., default BROKERS;
        /// The cluster's id.
        cluster_id: Arc<str>, 0..;
        /// The broker that acts as controller.
        controller: Option<BrokerId>, 0..;
        /// The brokers.
        brokers: Vec<DescribedBroker>, 0..;
        /// What the client may do with the cluster, a set of bits.
        cluster_authorized_operations: i32, 0.., default i32::MIN;
    }

    /// A broker.
    pub struct DescribedBroker {
        /// Its id.
        id: BrokerId, 0..;
        /// Its advertised host.
        host: Arc<str>, 0..;
        /// Its advertised port.
        port: i32, 0..;
        /// Its rack.
        rack: Option<Arc<str>>, 0..;
        /// Whether it is fenced.
        fenced: bool, 2..;
    }
}

impl DescribeClusterResponse {
    /// The answer that there is none.
    #[must_use]
    pub fn refused(error: &Error) -> Self {
        Self { error: Some(error.code), error_message: words(error), ..Self::default() }
    }

    /// The answer to `request`.
    #[must_use]
    pub fn from_api(request: &DescribeClusterRequest, metadata: &api::Metadata) -> Self {
        if request.endpoint_type != BROKERS {
            let asked = request.endpoint_type;
            let message =
                format!("this is a broker (endpoint type {BROKERS}), and endpoint type {asked} was asked for");
            return Self {
                error: Some(MISMATCHED_ENDPOINT_TYPE),
                error_message: Some(Arc::from(message)),
                endpoint_type: asked,
                ..Self::default()
            };
        }
        let brokers = metadata.brokers.iter().map(|broker| DescribedBroker {
            id: broker.id,
            host: Arc::from(broker.host.as_str()),
            port: i32::from(broker.port),
            rack: broker.rack.as_deref().map(Arc::from),
            fenced: false,
        });
        Self {
            cluster_id: Arc::clone(&metadata.cluster_id),
            controller: metadata.controller,
            brokers: brokers.collect(),
            ..Self::default()
        }
    }

    /// The cluster, without topics.
    ///
    /// # Errors
    /// The inner error is the broker's; the outer one is for an answer that makes no sense.
    pub fn into_api(self) -> Result<Result<api::Metadata, Error>, DecodeError> {
        if let Some(code) = self.error {
            return Ok(Err(Error::new(code, self.error_message.as_deref().unwrap_or(code.text()))));
        }
        let broker = |broker: DescribedBroker| {
            let bad = DecodeError::BadValue { field: "port", value: i64::from(broker.port) };
            Ok(api::BrokerMetadata {
                id: broker.id,
                host: broker.host.as_ref().to_owned(),
                port: u16::try_from(broker.port).map_err(|_| bad)?,
                rack: broker.rack.as_deref().map(str::to_owned),
            })
        };
        let brokers: Vec<_> = self.brokers.into_iter().map(broker).collect::<Result<_, DecodeError>>()?;
        Ok(Ok(api::Metadata {
            cluster_id: self.cluster_id,
            controller: self.controller,
            brokers: brokers.into(),
            topics: Vec::new(),
        }))
    }
}
