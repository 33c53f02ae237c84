//! DescribeProducers (Kafka's API 61; KIP-664).

use super::ProducerIdentity;
use crate::ids::Offset;

/// An idempotent producer that a partition remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Who.
    pub identity: ProducerIdentity,
    /// The sequence number of its last record; `None` if it has written none in this epoch.
    pub last_sequence: Option<i32>,
    /// When it wrote last, in ms since 1970.
    pub last_timestamp_ms: Option<i64>,
    /// The epoch of the coordinator that ended its last transaction; `None` without one.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins; `None` without one.
    pub transaction_start: Option<Offset>,
}
