//! Why a record was not sent, or may not have been.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{self, ErrorCode};
use ottla_broker_core::{InvalidTopicName, TopicName, record};

use super::unacknowledged::{self, Unacknowledged};
use crate::record::Record;

/// Why a record was not sent, or may not have been. Cheap to clone: one failure answers every record of
/// its batch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The producer was closed or dropped.
    #[error("the producer is closed{}", if *.in_doubt { "; the record was sent and may have been written" } else { ": the record was not sent" })]
    Closed {
        /// Whether the record was on its way when that happened.
        in_doubt: bool,
    },

    /// The topic's name is not one.
    #[error(transparent)]
    InvalidTopic(#[from] InvalidTopicName),

    /// The topic does not exist.
    #[error(
        "topic `{topic}` does not exist: create it first, for instance with `client.admin().ensure_topic(NewTopic::new(\"{topic}\"))`"
    )]
    UnknownTopic {
        /// The topic.
        topic: TopicName,
    },

    /// The record or the partitioner named a partition that the topic does not have.
    #[error("topic `{topic}` has no partition {partition}: it has {partitions}, from 0 to {}", partitions - 1)]
    UnknownPartition {
        /// The topic.
        topic: TopicName,
        /// The partition named.
        partition: i32,
        /// How many there are.
        partitions: i32,
    },

    /// The partitioner `Explicit` leaves the choice to the record, which names no partition.
    #[error(
        "the record for topic `{topic}` names no partition and the partitioner chose none: set `Record::partition`"
    )]
    NoPartition {
        /// The topic.
        topic: TopicName,
    },

    /// The record alone is larger than a limit.
    #[error(
        "a record of {size} bytes for topic `{topic}` is larger than the limit of {limit} bytes: raise `{setting}` or split the record"
    )]
    RecordTooLarge {
        /// The topic.
        topic: TopicName,
        /// The record's size in its batch, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
        /// What sets the limit.
        setting: &'static str,
    },

    /// There is no room at the moment: only from the calls that do not wait.
    #[error(
        "no room for {needed} bytes: {limit} bytes (`max_unacked_bytes`) are waiting for their acknowledgement; wait with `enqueue` or `reserve`"
    )]
    Full {
        /// Bytes that the record needs.
        needed: usize,
        /// The producer's limit, in bytes.
        limit: usize,
    },

    /// The record needs more than its permit has, and there is no further room at the moment.
    #[error("the record needs {needed} bytes but its permit reserved {reserved}: reserve `Record::reserved_bytes()`")]
    PermitTooSmall {
        /// Bytes that the record needs.
        needed: usize,
        /// Bytes that the permit has.
        reserved: usize,
    },

    /// No definite answer came within `delivery_timeout`.
    #[error("no acknowledgement from {topic}-{partition} within {after:?} (`delivery_timeout`){}{}",
        if *.in_doubt { "; the record was sent and may have been written" } else { "; the record was not written" },
        .last.as_ref().map(|last| format!("; the last attempt ended with: {last}")).unwrap_or_default())]
    TimedOut {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// The limit.
        after: Duration,
        /// Whether the record was sent and its fate is unknown.
        in_doubt: bool,
        /// The last thing that a broker said, or what kept it from being reached.
        last: Option<Arc<api::Error>>,
    },

    /// The broker refused the record: it was not written, and sending it again would not help.
    #[error("{topic}-{partition} refused the record: {source}")]
    Refused {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// What the broker said.
        source: Arc<api::Error>,
    },

    /// The broker refused a retry of the record for good, but an earlier attempt had no definite answer.
    #[error(
        "{topic}-{partition} refused a retry of the record, and an earlier attempt may have been written: {source}"
    )]
    InDoubt {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// What the broker said.
        source: Arc<api::Error>,
    },

    /// Fatal: a newer incarnation of this producer has written, or the cluster no longer accepts it.
    #[error("the producer is fenced and cannot go on (it heard from {topic}-{partition}): {source}; build a new one")]
    Fenced {
        /// The topic.
        topic: TopicName,
        /// The partition whose leader said so.
        partition: i32,
        /// Whether the record was sent and its fate is unknown.
        in_doubt: bool,
        /// What the broker said.
        source: Arc<api::Error>,
    },

    /// No broker answered what was needed before the record could be sent.
    #[error("{purpose} failed: {source}")]
    Cluster {
        /// What was wanted.
        purpose: String,
        /// What was said.
        source: Arc<api::Error>,
    },

    /// A setting contradicts itself or another.
    #[error("the producer's setting `{setting}` is not valid: {reason}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },

    /// The key or value could not be encoded: nothing was enqueued.
    #[error("encoding the {part} of a record for topic `{topic}` failed: {source}")]
    Encode {
        /// The topic.
        topic: String,
        /// `key` or `value`.
        part: &'static str,
        /// What the encoder said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },

    /// The batch could not be made: nothing was sent.
    #[error("building a batch for {topic}-{partition} failed: {source}")]
    Batch {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// What is wrong.
        source: record::Error,
    },

    /// From `flush`: records whose delivery nobody waited for were not acknowledged.
    #[error("{failed} records whose deliveries were dropped were not acknowledged; the first: {first}")]
    Undelivered {
        /// How many.
        failed: u64,
        /// The first one's error.
        first: Box<Error>,
    },

    /// From `close`: its time limit passed.
    #[error("{records} records were not acknowledged when the time to close ({limit:?}) was over: {}{}",
        unacknowledged::list(.left),
        .earlier.as_ref().map(|earlier| format!("; and before that, {earlier}")).unwrap_or_default())]
    LeftBehind {
        /// How many.
        records: u64,
        /// Where they were to go.
        left: Vec<Unacknowledged>,
        /// The limit.
        limit: Duration,
        /// What `flush` would have told besides: failures before the limit whose deliveries were dropped.
        earlier: Option<Box<Error>>,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Full { .. } | Self::TimedOut { .. } | Self::UnknownTopic { .. } => true,
            Self::Cluster { source, .. } => source.is_retriable(),
            Self::Undelivered { first, .. } => first.is_retriable(),
            _ => false,
        }
    }

    /// Whether this producer cannot go on: every further record fails too.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Closed { .. } | Self::Fenced { .. } => true,
            Self::Undelivered { first, .. } => first.is_fatal(),
            _ => false,
        }
    }

    /// Whether the record may be in the log all the same: sending it again may double it.
    #[must_use]
    pub fn may_have_been_written(&self) -> bool {
        match self {
            Self::Closed { in_doubt } | Self::TimedOut { in_doubt, .. } | Self::Fenced { in_doubt, .. } => *in_doubt,
            // Several records: those that were in flight may be there.
            Self::LeftBehind { .. } | Self::InDoubt { .. } => true,
            Self::Undelivered { first, .. } => first.may_have_been_written(),
            _ => false,
        }
    }

    /// What a broker said, as Kafka's code.
    #[must_use]
    pub fn kafka_code(&self) -> Option<ErrorCode> {
        match self {
            Self::TimedOut { last, .. } => last.as_ref().map(|last| last.code),
            Self::Refused { source, .. }
            | Self::InDoubt { source, .. }
            | Self::Fenced { source, .. }
            | Self::Cluster { source, .. } => Some(source.code),
            Self::UnknownTopic { .. } => Some(ErrorCode::UnknownTopicOrPartition),
            Self::InvalidTopic(_) => Some(ErrorCode::InvalidTopic),
            Self::RecordTooLarge { .. } => Some(ErrorCode::MessageTooLarge),
            Self::Undelivered { first, .. } => first.kafka_code(),
            _ => None,
        }
    }
}

/// A record that a call that does not wait gave back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotEnqueued {
    /// Why.
    #[source]
    pub error: Error,
    /// The record as it was.
    pub record: Box<Record>,
}
