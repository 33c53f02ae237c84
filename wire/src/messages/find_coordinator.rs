//! FindCoordinator (10), versions 0 to 6: who coordinates a group or a transactional id.
//!
//! Source: `FindCoordinatorRequest.json`, `FindCoordinatorResponse.json`; KIP-98 (transactions, v1),
//! KIP-699 (several keys, v4), KIP-932 (share groups, v6).
//!
//! Deviations: share groups are not served, and are answered with `INVALID_REQUEST` as by a Kafka that has them off.

use std::sync::Arc;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::group::{FindCoordinator as Wanted, FoundCoordinator, GroupId};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::words;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum FindCoordinator {}

impl Api for FindCoordinator {
    const KEY: ApiKey = ApiKey::FindCoordinator;
    const SPEC: Spec = Spec::new(0, 6, 3);
    type Request = FindCoordinatorRequest;
    type Response = FindCoordinatorResponse;
}

/// The kinds of keys.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// The first version that asks for several keys at once.
const BATCHED_FROM: i16 = 4;

message! {
    /// Asks who coordinates.
    pub struct FindCoordinatorRequest {
        /// What: one, up to version 3.
        key: Arc<str>, ..=3;
        /// Its kind: 0 for a group, 1 for a transactional id.
        key_type: i8, 1.., strict "a coordinator of transactions is asked for";
        /// What: any number, from version 4 on.
        keys: Vec<Arc<str>>, 4..;
    }

    /// Who coordinates.
    pub struct FindCoordinatorResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// Why it is not known, up to version 3.
        error: Option<ErrorCode>, ..=3;
        /// The error in words.
        error_message: Option<Arc<str>>, 1..=3;
        /// The broker.
        broker: BrokerId, ..=3, default NO_BROKER;
        /// Its advertised host.
        host: Arc<str>, ..=3;
        /// Its advertised port.
        port: i32, ..=3, default -1;
        /// One answer a key, from version 4 on.
        coordinators: Vec<Coordinator>, 4..;
    }

    /// Who coordinates one key.
    pub struct Coordinator {
        /// What.
        key: Arc<str>, 4..;
        /// The broker.
        broker: BrokerId, 4.., default NO_BROKER;
        /// Its advertised host.
        host: Arc<str>, 4..;
        /// Its advertised port.
        port: i32, 4.., default -1;
        /// Why it is not known.
        error: Option<ErrorCode>, 4..;
        /// The error in words.
        error_message: Option<Arc<str>>, 4..;
    }
}

const NO_BROKER: BrokerId = BrokerId(-1);

impl FindCoordinatorRequest {
    /// The request for one coordinator, in any version.
    #[must_use]
    pub fn from_api(wanted: &Wanted) -> Self {
        let (key, key_type) = match wanted {
            Wanted::Group(group) => (Arc::from(group.as_str()), GROUP),
            Wanted::Transaction(id) => (Arc::clone(id), TRANSACTION),
        };
        Self { keys: vec![Arc::clone(&key)], key, key_type }
    }

    /// What is asked for, in order; answers repeat it.
    #[must_use]
    pub fn keys(&self, version: i16) -> &[Arc<str>] {
        if version < BATCHED_FROM { std::slice::from_ref(&self.key) } else { &self.keys }
    }

    /// What a key of the request stands for.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a kind of key that is not served.
    pub fn to_api(&self, key: &Arc<str>) -> Result<Wanted, Error> {
        match self.key_type {
            GROUP => Ok(Wanted::Group(GroupId::from(&**key))),
            TRANSACTION => Ok(Wanted::Transaction(Arc::clone(key))),
            other => Err(Error::new(
                ErrorCode::InvalidRequest,
                format!(
                    "`{key}`: coordinators of key type {other} are not served, only of groups (0) and transactions (1)"
                ),
            )),
        }
    }
}

impl FindCoordinatorResponse {
    /// The answers, each with its key, for any version: the first one is also what version 3 and earlier say.
    #[must_use]
    pub fn from_api(results: impl IntoIterator<Item = (Arc<str>, Result<FoundCoordinator, Error>)>) -> Self {
        let coordinators: Vec<_> =
            results.into_iter().map(|(key, result)| Coordinator::from_api(key, result)).collect();
        let first = coordinators.first().cloned().unwrap_or_default();
        Self {
            throttle_time_ms: 0,
            error: first.error,
            error_message: first.error_message,
            broker: first.broker,
            host: first.host,
            port: first.port,
            coordinators,
        }
    }

    /// The answer about the one key that was asked for.
    ///
    /// # Errors
    /// The broker's; `UNKNOWN_SERVER_ERROR` if it said nothing.
    pub fn into_api(mut self, version: i16) -> Result<FoundCoordinator, Error> {
        if version >= BATCHED_FROM {
            let first = self.coordinators.pop();
            return first.ok_or_else(|| Error::from(ErrorCode::UnknownServerError))?.into_api();
        }
        let only = Coordinator {
            key: Arc::default(),
            broker: self.broker,
            host: self.host,
            port: self.port,
            error: self.error,
            error_message: self.error_message,
        };
        only.into_api()
    }
}

impl Coordinator {
    fn from_api(key: Arc<str>, result: Result<FoundCoordinator, Error>) -> Self {
        match result {
            Ok(found) => Self {
                key,
                broker: found.broker,
                host: Arc::from(found.host),
                port: i32::from(found.port),
                ..Self::default()
            },
            Err(error) => Self { key, error: Some(error.code), error_message: words(&error), ..Self::default() },
        }
    }

    fn into_api(self) -> Result<FoundCoordinator, Error> {
        if let Some(code) = self.error {
            return Err(Error::new(code, self.error_message.as_deref().unwrap_or(code.text())));
        }
        let port = u16::try_from(self.port).map_err(|_| {
            Error::new(ErrorCode::CoordinatorNotAvailable, format!("the coordinator's port is told as {}", self.port))
        })?;
        Ok(FoundCoordinator { broker: self.broker, host: self.host.as_ref().to_owned(), port })
    }
}
