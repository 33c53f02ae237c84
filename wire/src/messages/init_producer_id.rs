//! InitProducerId (22), versions 0 to 5: an identity for an idempotent producer.
//!
//! Source: `InitProducerIdRequest.json`, `InitProducerIdResponse.json`; KIP-98, KIP-360 (the next epoch of
//! an identity, v3), KIP-890 (v5).
//!
//! Deviations: none. Version 6 (two-phase commit, KIP-939) is not served.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{self, ProducerIdentity};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{ProducerEpoch, ProducerId};

use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum InitProducerId {}

impl Api for InitProducerId {
    const KEY: ApiKey = ApiKey::InitProducerId;
    const SPEC: Spec = Spec::new(0, 5, 2);
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;
}

message! {
    /// Asks for an identity.
    pub struct InitProducerIdRequest {
        /// The transactional id, when transactions are used.
        transactional_id: Option<Arc<str>>, 0..;
        /// How long a transaction may stay open.
        transaction_timeout: Duration, 0..;
        /// The identity whose epoch is to be bumped; −1 for a new one.
        producer_id: ProducerId, 3.., default ProducerId::NONE, strict "the epoch of an identity is to be bumped";
        /// Its epoch.
        producer_epoch: ProducerEpoch, 3.., default ProducerEpoch::NONE;
    }

    /// An identity.
    pub struct InitProducerIdResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// Why there is none.
        error: Option<ErrorCode>, 0..;
        /// The id.
        producer_id: ProducerId, 0.., default ProducerId::NONE;
        /// Its epoch.
        producer_epoch: ProducerEpoch, 0.., default ProducerEpoch::NONE;
    }
}

impl InitProducerIdRequest {
    /// The request for `request`.
    #[must_use]
    pub fn from_api(request: &api::InitProducerId) -> Self {
        let current = request.current.unwrap_or(ProducerIdentity { id: ProducerId::NONE, epoch: ProducerEpoch::NONE });
        Self {
            transactional_id: request.transactional_id.clone(),
            transaction_timeout: request.transaction_timeout,
            producer_id: current.id,
            producer_epoch: current.epoch,
        }
    }

    /// What is asked.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an id without an epoch or an epoch without an id, as Kafka.
    pub fn to_api(&self) -> Result<api::InitProducerId, Error> {
        let ProducerIdentity { id, epoch } = ProducerIdentity { id: self.producer_id, epoch: self.producer_epoch };
        let current = match (id == ProducerId::NONE, epoch == ProducerEpoch::NONE) {
            (true, true) => None,
            (false, false) => Some(ProducerIdentity { id, epoch }),
            _ => {
                let message = format!("producer id {id} and epoch {epoch}: either both are given or neither");
                return Err(Error::new(ErrorCode::InvalidRequest, message));
            }
        };
        Ok(api::InitProducerId {
            current,
            transactional_id: self.transactional_id.clone(),
            transaction_timeout: self.transaction_timeout,
        })
    }
}

impl InitProducerIdResponse {
    /// The answer.
    #[must_use]
    pub fn from_api(result: Result<ProducerIdentity, Error>) -> Self {
        match result {
            Ok(ProducerIdentity { id, epoch }) => Self { producer_id: id, producer_epoch: epoch, ..Self::default() },
            Err(error) => Self { error: Some(error.code), ..Self::default() },
        }
    }

    /// The identity.
    ///
    /// # Errors
    /// The broker's.
    pub fn into_api(self) -> Result<ProducerIdentity, Error> {
        match self.error {
            Some(code) => Err(code.into()),
            None => Ok(ProducerIdentity { id: self.producer_id, epoch: self.producer_epoch }),
        }
    }
}
