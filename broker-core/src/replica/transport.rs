//! The pipe between brokers.

use std::fmt;

use async_trait::async_trait;

use crate::api::{EpochEnd, Error, FetchRequest, FetchResponse};
use crate::ids::{BrokerId, LeaderEpoch, TopicPartition};

/// What one broker asks of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerRequest {
    /// A follower reads its leader's log, and tells by the offset how far it is.
    Fetch(FetchRequest),
    /// Where an epoch ends in the leader's log (KIP-101): partition, the epoch that the asker knows as
    /// current (KIP-320), and the epoch asked about.
    EpochEnds(Vec<(TopicPartition, LeaderEpoch, LeaderEpoch)>),
}

/// The answer to a [`PeerRequest`] of the same name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PeerResponse {
    /// To `Fetch`.
    Fetch(FetchResponse),
    /// To `EpochEnds`: one each, in order.
    EpochEnds(Vec<Result<EpochEnd, Error>>),
}

/// Why no answer came. Whether the request had an effect is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers at this node.
    #[error("broker {0} cannot be reached: {1}")]
    Unreachable(BrokerId, String),
    /// The connection broke before the answer.
    #[error("the answer of broker {0} was lost: {1}")]
    Lost(BrokerId, String),
    /// The transport was closed.
    #[error("the replica transport is closed")]
    Closed,
}

/// Carries requests between brokers. It may lose, delay, repeat or reorder them, and MUST NOT change,
/// invent or mix up answers: an answer is that of this request, by this node.
#[async_trait]
pub trait ReplicaTransport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` to `node` and waits for its answer. Dropping the future may leave the request under way.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn send(&self, node: BrokerId, request: PeerRequest) -> Result<PeerResponse, TransportError>;
}

/// What a transport calls at the receiving broker.
#[async_trait]
pub trait PeerHandler: fmt::Debug + Send + Sync + 'static {
    /// Answers `request` of broker `from`.
    async fn handle(&self, from: BrokerId, request: PeerRequest) -> PeerResponse;
}
