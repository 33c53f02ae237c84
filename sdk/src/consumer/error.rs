//! What a consumer may yield instead of a message, and why a commit or a shutdown failed.

use std::time::Duration;

use ottla_broker_core::api::group::{Generation, GroupId, MemberId};
use ottla_broker_core::api::{self, ErrorCode};
use ottla_broker_core::{Offset, TopicName, TopicPartition};

use super::commit::NotKept;
use super::membership::Trouble;
use crate::{producer, reader};

/// A consumer's error. Unless [`is_fatal`](Error::is_fatal), the consumer can go on: call `next` again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The builder was told something that cannot be.
    #[error("the consumer of group `{group}` cannot be built: {reason}")]
    Invalid {
        /// The group.
        group: GroupId,
        /// What, and what to write instead.
        reason: String,
    },
    /// A topic that was named does not exist.
    #[error(
        "group `{group}` cannot consume topic `{topic}`, which does not exist: create it with \
         `client.admin().ensure_topic(..)`, or subscribe by `pattern(..)`, which waits for topics to come"
    )]
    UnknownTopic {
        /// The group.
        group: GroupId,
        /// The topic.
        topic: TopicName,
    },
    /// The membership was lost, or is not to be had.
    #[error("consumer of group `{group}`{}: {trouble}", named(member.as_ref()))]
    Membership {
        /// The group.
        group: GroupId,
        /// The name that it had.
        member: Option<MemberId>,
        /// What happened, and what the next call does.
        #[source]
        trouble: Trouble,
    },
    /// Nothing is committed, and the consumer was told to fail then. The partition is not read until a seek.
    #[error(
        "group `{group}` has no committed offset for {partition}: seek, or build the consumer with \
         `if_no_offset(At::Earliest)` or another place"
    )]
    NoOffset {
        /// The group.
        group: GroupId,
        /// The partition.
        partition: TopicPartition,
    },
    /// The committed offset could not be learned. The partition is not read until a seek.
    #[error("cannot learn what group `{group}` has committed for {partition}: {source}; seek to read it all the same")]
    Committed {
        /// The group.
        group: GroupId,
        /// The partition.
        partition: TopicPartition,
        /// The coordinator's answer.
        source: api::Error,
    },
    /// A commit was refused, or not answered in time: then it may have been carried out.
    #[error(
        "group `{group}` (generation {generation}{}) cannot commit offset {offset} of {partition}: {source}{}",
        named(member.as_ref()),
        remedy(source.code)
    )]
    Commit {
        /// The group.
        group: GroupId,
        /// In whose name.
        member: Option<MemberId>,
        /// In which generation.
        generation: Generation,
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        offset: Offset,
        /// The coordinator's answer.
        source: api::Error,
    },
    /// The partition is not this consumer's (any more).
    #[error(
        "{partition} is not assigned to this consumer of group `{group}`: the next owner goes on from what was \
         committed; see `handle.assignment()`"
    )]
    NotAssigned {
        /// The group.
        group: GroupId,
        /// The partition.
        partition: TopicPartition,
    },
    /// The group keeps no offsets for this consumer.
    #[error("group `{group}`: {source}")]
    NotKept {
        /// The group.
        group: GroupId,
        /// Why.
        source: NotKept,
    },
    /// A record that cannot be decoded could not be put into the dead-letter topic either. It is not
    /// acknowledged, and the next call tries again.
    #[error("offset {offset} of {partition} cannot be put into the dead-letter topic `{topic}`: {source}")]
    DeadLetter {
        /// Where it came from.
        partition: TopicPartition,
        /// Its offset there.
        offset: Offset,
        /// The dead-letter topic.
        topic: String,
        /// Why.
        source: producer::Error,
    },
    /// The consumer was ended, and not all was done within the limit. It is closed all the same.
    #[error("the consumer of group `{group}` did not close within {limit:?}: {left}; give `shutdown` more time")]
    NotClosed {
        /// The group.
        group: GroupId,
        /// The limit.
        limit: Duration,
        /// What was left.
        left: String,
    },
    /// The consumer has ended.
    #[error("the consumer of group `{group}` is closed: build a new one")]
    Closed {
        /// The group.
        group: GroupId,
    },
    /// The cluster refused or did not answer.
    #[error("group `{group}` cannot {doing}: {source}")]
    Cluster {
        /// The group.
        group: GroupId,
        /// What was asked for.
        doing: String,
        /// Its answer.
        source: api::Error,
    },
    /// About a partition's records: out of range, corrupt, not to be decoded, or not to be read.
    #[error(transparent)]
    Read(#[from] reader::Error),
}

fn named(member: Option<&MemberId>) -> String {
    member.map_or_else(String::new, |member| format!(", member `{member}`"))
}

const fn remedy(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
            "; the partition is another member's now, which goes on from the last commit"
        }
        ErrorCode::RebalanceInProgress => "; commit again after the rebalance, if the partition is still assigned",
        ErrorCode::OffsetMetadataTooLarge => "; make the note shorter, or raise `offset.metadata.max.bytes`",
        _ => "",
    }
}

impl Error {
    /// Whether the same call may succeed if it is made again.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Membership { trouble, .. } => !trouble.is_fatal(),
            Self::Commit { source, .. } => source.is_retriable() || source.code == ErrorCode::RebalanceInProgress,
            Self::Committed { source, .. } | Self::Cluster { source, .. } => source.is_retriable(),
            Self::DeadLetter { .. } => true,
            Self::Read(error) => error.is_retriable(),
            _ => false,
        }
    }

    /// Whether the consumer is of no more use for what the error names.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Membership { trouble, .. } => trouble.is_fatal(),
            Self::Invalid { .. } | Self::UnknownTopic { .. } | Self::Closed { .. } => true,
            Self::Read(error) => error.is_fatal(),
            _ => false,
        }
    }

    /// Kafka's code for it, where there is one.
    #[must_use]
    pub const fn kafka_code(&self) -> Option<ErrorCode> {
        match self {
            Self::UnknownTopic { .. } => Some(ErrorCode::UnknownTopicOrPartition),
            Self::Membership { trouble: Trouble::Fenced(source) | Trouble::Fatal(source), .. }
            | Self::Committed { source, .. }
            | Self::Commit { source, .. }
            | Self::Cluster { source, .. } => Some(source.code),
            Self::Read(error) => error.kafka_code(),
            _ => None,
        }
    }
}
