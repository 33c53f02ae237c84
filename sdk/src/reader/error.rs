//! What a reader may yield instead of a message.

use ottla_broker_core::api::{self, ErrorCode};
use ottla_broker_core::{Offset, TopicName, TopicPartition, record};

use crate::codec;

/// A reader's error. Unless [`is_fatal`](Error::is_fatal), the reader can go on: call `next` again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The builder was told something that cannot be.
    #[error("the reader cannot be built: {reason}")]
    Invalid {
        /// What, and what to write instead.
        reason: String,
    },
    /// The partition is not among those that the reader reads.
    #[error("{partition} is not read by this reader: name its topic and partition when building it")]
    NotRead {
        /// Which.
        partition: TopicPartition,
    },
    /// The topic does not exist.
    #[error("topic `{topic}` does not exist: create it with `client.admin().ensure_topic(..)`, or check its name")]
    UnknownTopic {
        /// Which.
        topic: TopicName,
    },
    /// The topic has no such partition.
    #[error("topic `{}` has {count} partitions, numbered from 0, so there is no {partition}", partition.topic)]
    UnknownPartition {
        /// Which.
        partition: TopicPartition,
        /// How many there are.
        count: usize,
    },
    /// The topic was deleted while it was read.
    #[error("topic `{topic}` was deleted{}; its partitions are read no more", if *recreated { " and created again" } else { "" })]
    TopicDeleted {
        /// Which.
        topic: TopicName,
        /// Whether there is another topic of that name now: read it with a new reader.
        recreated: bool,
    },
    /// The position is not in the log, and the reader was not told what to do then.
    #[error(
        "offset {offset} of {partition} is not in the log ({source}): seek, or build the reader with \
             `if_out_of_range(OutOfRange::Earliest)` or `Latest`"
    )]
    OutOfRange {
        /// Where.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
        /// The broker's answer.
        source: api::Error,
    },
    /// Bytes are not what was written. The position is at the bad batch: `next` fetches it again.
    #[error(
        "the batch at offset {offset} of {partition} is corrupt: {source}; read it again, or seek to {next} to leave it out"
    )]
    Corrupt {
        /// Where.
        partition: TopicPartition,
        /// The first offset that cannot be read.
        offset: Offset,
        /// The first offset after the bad batch, if its header can be believed.
        next: Offset,
        /// What is wrong.
        source: record::Error,
    },
    /// A codec refused the key or value. The position is after the record: `next` leaves it out.
    #[error("cannot decode the {part} of offset {offset} of {partition}: {source}; the next call goes on after it")]
    Decode {
        /// Where.
        partition: TopicPartition,
        /// The record.
        offset: Offset,
        /// The key or the value.
        part: codec::Part,
        /// What the codec said.
        source: codec::Error,
    },
    /// The cluster refused, or did not answer for longer than the retry time-out.
    #[error("cannot read {partition} from offset {offset}: {source}")]
    Cluster {
        /// Where.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
        /// Its last answer.
        source: api::Error,
    },
    /// The cluster did not tell who leads the partitions for longer than the retry time-out.
    #[error("cannot learn who leads the partitions: {source}")]
    Metadata {
        /// Its last answer.
        source: api::Error,
    },
}

impl Error {
    /// Whether calling `next` again may succeed without doing anything else.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::Cluster { source, .. } | Self::Metadata { source } => source.is_retriable(),
            _ => false,
        }
    }

    /// Whether the reader is of no more use for what the error names.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Invalid { .. }
                | Self::UnknownTopic { .. }
                | Self::UnknownPartition { .. }
                | Self::TopicDeleted { .. }
        )
    }

    /// Kafka's code for it, where there is one.
    #[must_use]
    pub const fn kafka_code(&self) -> Option<ErrorCode> {
        match self {
            Self::UnknownTopic { .. } | Self::UnknownPartition { .. } | Self::TopicDeleted { .. } => {
                Some(ErrorCode::UnknownTopicOrPartition)
            }
            Self::OutOfRange { source, .. } | Self::Cluster { source, .. } | Self::Metadata { source } => {
                Some(source.code)
            }
            Self::Corrupt { .. } => Some(ErrorCode::CorruptMessage),
            Self::Invalid { .. } | Self::NotRead { .. } | Self::Decode { .. } => None,
        }
    }
}
