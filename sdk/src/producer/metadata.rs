//! The receipt of a record.

use ottla_broker_core::log::Durability;
use ottla_broker_core::{Offset, TopicName};

/// The receipt of an acknowledged record: where it is, and what would have to be lost to lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The record's offset. `None` with `acks(Acks::None)`, and where a broker knows only that the record
    /// had been written before.
    pub offset: Option<Offset>,
    /// The record's timestamp in ms since 1970: the broker's if the topic has
    /// `message.timestamp.type=LogAppendTime`.
    pub timestamp_ms: i64,
    /// The medium that has it.
    pub durability: Durability,
    /// How many replicas are known to have it that durably.
    pub replicas: u32,
}
