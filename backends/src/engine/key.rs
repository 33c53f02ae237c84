//! The name of a log within an engine.

use std::fmt;

use ottla_broker_core::PartitionId;

/// What a log holds. All kinds share the journal, and so its durability, recovery and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Space {
    /// Partitions' records.
    Records,
    /// The newest snapshot of the partition of the same id.
    Snapshots,
    /// The cluster's metadata: entries, and snapshots of them.
    Metadata,
}

/// The name of a log within an engine. Ordered by space, topic id and partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) space: Space,
    pub(crate) id: PartitionId,
}

impl Space {
    /// As it is written.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Records => 0,
            Self::Snapshots => 1,
            Self::Metadata => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Records),
            1 => Some(Self::Snapshots),
            2 => Some(Self::Metadata),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.space {
            Space::Records => write!(f, "{}", self.id),
            Space::Snapshots => write!(f, "the snapshots of {}", self.id),
            Space::Metadata => f.write_str("the cluster's metadata"),
        }
    }
}
