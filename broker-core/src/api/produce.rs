//! Produce (Kafka's API 0).

use std::time::Duration;

use super::Error;
use crate::ids::{Offset, TopicPartition};
use crate::log::Durability;
use crate::record::Batch;

/// When a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acks {
    /// At once: the answer says nothing about success (Kafka's `acks=0`).
    None,
    /// When the leader's log has it as durably as its storage is configured for (`acks=1`).
    Leader,
    /// When it is committed: on every in-sync replica (`acks=all`, −1).
    #[default]
    All,
}

/// One batch for one partition.
#[derive(Clone, Debug)]
pub struct ProducePartition {
    /// Where to.
    pub partition: TopicPartition,
    /// What. Its base offset and leader epoch are stamped by the broker.
    pub batch: Batch,
}

/// Batches for several partitions of one leader. Each is accepted or refused on its own.
#[derive(Clone, Debug)]
pub struct ProduceRequest {
    /// When to answer.
    pub acks: Acks,
    /// How long to wait for replicas; the batch stays appended when it passes.
    pub timeout: Duration,
    /// The batches; a partition at most once.
    pub partitions: Vec<ProducePartition>,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the batch's first record; for a duplicate, that of the original. `None` with
    /// `acks=0`, and where a broker knows only that the batch was written before.
    pub base_offset: Option<Offset>,
    /// The broker's time in ms since 1970, if the topic's `message.timestamp.type` is `LogAppendTime`.
    pub log_append_time_ms: Option<i64>,
    /// Where the partition's log starts.
    pub log_start_offset: Offset,
    /// What the write has reached.
    pub durability: Durability,
    /// How many replicas are known to have it that durably.
    pub replicas: u32,
}

/// One answer a batch, in the order of the request.
pub type ProduceResponse = Vec<Result<Appended, Error>>;
