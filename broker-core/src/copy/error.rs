//! Why a copy is not made.

use std::fmt;

use crate::ids::{Offset, TopicPartition};
use crate::log;

/// One of the two backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is read.
    Source,
    /// What is written.
    Destination,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// Why a copy was not begun, or is unfinished.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was ever stored in the source. Nothing was written.
    #[error("there is nothing to copy: the source has no cluster")]
    Nothing,
    /// The source is itself an unfinished copy. Nothing was written.
    #[error("the source is an unfinished copy of cluster {cluster}: finish that copy first, or copy from the original")]
    SourceUnfinished {
        /// The cluster.
        cluster: String,
    },
    /// The destination is the source, or a finished copy of it. Nothing was written.
    #[error(
        "the destination already is cluster {cluster}, whole: it is the source itself or a finished copy of it; \
             name an empty place"
    )]
    AlreadyThere {
        /// The cluster.
        cluster: String,
    },
    /// The destination has a cluster of its own, or is a copy of another. Nothing was written.
    #[error("the destination is in use: it has {what}; name an empty place")]
    Occupied {
        /// What is there.
        what: String,
    },
    /// Another copy to the same destination has begun since. It goes on; this one has ended.
    #[error("another copy to the same destination has begun: this one has ended")]
    Overtaken,
    /// The metadata of one side could not be read or written.
    #[error("the {side}'s metadata: {source}")]
    Metadata {
        /// Which.
        side: Side,
        /// What its log said.
        source: crate::error::Error,
    },
    /// The storage of one side failed as a whole.
    #[error("the {side} cannot {doing}: {source}")]
    Storage {
        /// Which.
        side: Side,
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        source: log::Error,
    },
    /// The log of one partition could not be read or written.
    #[error("partition {partition} of the {side}: {source}")]
    Partition {
        /// Which partition.
        partition: TopicPartition,
        /// Of which side.
        side: Side,
        /// What it said.
        source: log::Error,
    },
    /// A log ends with offsets that no batch has any more, and the destination has no means to end so.
    #[error("partition {partition} ends at {end} after its last record, and the destination cannot keep that")]
    Gap {
        /// Which partition.
        partition: TopicPartition,
        /// Where it ends.
        end: Offset,
    },
    /// What was copied is not what the source has.
    #[error("{what} of the destination is not as in the source: {difference}")]
    Differs {
        /// What: the metadata, or a partition.
        what: String,
        /// How.
        difference: String,
    },
}

impl Error {
    pub(super) const fn metadata(side: Side, source: crate::error::Error) -> Self {
        Self::Metadata { side, source }
    }

    pub(super) const fn storage(side: Side, doing: &'static str, source: log::Error) -> Self {
        Self::Storage { side, doing, source }
    }

    /// Whether the same call may go on where this one ended: a medium did not answer, or was full.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        match self {
            Self::Storage { source, .. } | Self::Partition { source, .. } => {
                matches!(source.kind(), log::ErrorKind::Unavailable | log::ErrorKind::Full)
            }
            Self::Metadata { source, .. } => source.code.is_retriable(),
            _ => false,
        }
    }
}
