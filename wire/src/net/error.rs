//! Why a request has no answer.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::planted::is_planted;

use super::address::Address;
use crate::api::ApiKey;
use crate::codec::{DecodeError, EncodeError};
use crate::negotiate::NoCommonVersion;

/// Why a request has no answer: where, and what happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection, and the attempt to make one failed. The request was not sent.
    #[error("cannot reach the broker at {address}: {reason}")]
    Unreachable {
        /// The broker.
        address: Address,
        /// What was tried, and what came of it.
        reason: Arc<str>,
    },
    /// The broker does not let this client in: its credentials, or the way in which they are presented, are wrong. The
    /// request was not sent.
    #[error("the broker at {address} does not let this client in: {reason}")]
    Denied {
        /// The broker.
        address: Address,
        /// What it said.
        reason: Arc<str>,
    },
    /// There is no TLS with the broker: one side does not trust the other's certificate, or speaks no TLS. The request was
    /// not sent. It may be otherwise soon, where certificates are being replaced.
    #[error("there is no TLS with the broker at {address}: {reason}")]
    Insecure {
        /// The broker.
        address: Address,
        /// Which side refused the other, and why.
        reason: Arc<str>,
    },
    /// The connection was lost with the request still waiting to be sent. It was not sent.
    #[error("{api} was not sent to the broker at {address}: {reason}")]
    NotSent {
        /// The broker.
        address: Address,
        /// What was asked.
        api: ApiKey,
        /// What happened to the connection.
        reason: Arc<str>,
    },
    /// The connection was lost before the answer came. The request may have been carried out.
    #[error("the connection to the broker at {address} was lost before it had answered {api}: {reason}")]
    Lost {
        /// The broker.
        address: Address,
        /// What was asked.
        api: ApiKey,
        /// What happened to the connection.
        reason: Arc<str>,
    },
    /// No answer came in time, and the connection was given up. The request may have been carried out.
    #[error("the broker at {address} has not answered {api} within {limit:?}")]
    TimedOut {
        /// The broker.
        address: Address,
        /// What was asked.
        api: ApiKey,
        /// How long was waited.
        limit: Duration,
    },
    /// The broker is too old or too new for what is asked. The request was not sent.
    #[error("the broker at {address} cannot be asked: {source}")]
    NoCommonVersion {
        /// The broker.
        address: Address,
        /// Which versions there are.
        source: NoCommonVersion,
    },
    /// What is asked cannot be said in the version that the broker speaks. The request was not sent.
    #[error("{api} cannot be said to the broker at {address}: {source}")]
    Unsayable {
        /// The broker.
        address: Address,
        /// What was asked.
        api: ApiKey,
        /// Why not.
        source: EncodeError,
    },
    /// The answer is none, and the connection was given up. The request may have been carried out.
    #[error("the broker at {address} answered {api} with something else: {source}")]
    Malformed {
        /// The broker.
        address: Address,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with the bytes.
        source: DecodeError,
    },
    /// The client was closed, or its runtime has ended. The request may have been carried out.
    #[error("the connection to the broker at {address} was closed by this client before it had answered {api}")]
    Closed {
        /// The broker.
        address: Address,
        /// What was asked.
        api: ApiKey,
    },
}

impl Error {
    /// Whether the request may have been carried out, or may yet be. False is certain.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Lost { .. } => !is_planted("lost-request-called-unsent"),
            Self::TimedOut { .. } | Self::Malformed { .. } | Self::Closed { .. } => true,
            Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::Insecure { .. }
            | Self::NotSent { .. }
            | Self::NoCommonVersion { .. }
            | Self::Unsayable { .. } => false,
        }
    }

    /// Kafka's code for it. Where nothing was sent and another broker, or this one later, may answer, that is `unsent`:
    /// for a partition "no leader at the moment", for a group "look for the coordinator".
    #[must_use]
    pub fn code(&self, unsent: ErrorCode) -> ErrorCode {
        match self {
            Self::TimedOut { .. } => ErrorCode::RequestTimedOut,
            Self::Denied { .. } => ErrorCode::SaslAuthenticationFailed,
            Self::NoCommonVersion { .. } | Self::Unsayable { .. } => ErrorCode::UnsupportedVersion,
            _ if self.may_have_happened() => ErrorCode::NetworkException,
            _ => unsent,
        }
    }
}
