//! InitProducerId (Kafka's API 22; KIP-98, KIP-360).

use std::time::Duration;

use crate::ids::{ProducerEpoch, ProducerId};

/// Asks for an identity, or for the next epoch of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitProducerId {
    /// The identity whose epoch is to be bumped, after a batch whose fate is unknown (KIP-360); `None` for a new one.
    pub current: Option<ProducerIdentity>,
    /// The transactional id, when transactions are used.
    pub transactional_id: Option<std::sync::Arc<str>>,
    /// How long a transaction may stay open.
    pub transaction_timeout: Duration,
}

/// What makes batches of a producer recognisable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerIdentity {
    /// The id.
    pub id: ProducerId,
    /// Its incarnation.
    pub epoch: ProducerEpoch,
}
