//! What can be wrong with bytes that were read back.

use ottla_broker_core::record;
use ottla_broker_core::record::{Malformed, Truncated};

/// Why bytes are not what was written. Callers add the file and the position.
///
/// Every format here keeps its magic, its version and its checksum at the same place in all versions, and the
/// checksum is looked at before the version: a [`Version`](Bad::Version) was written so, it is no damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    /// The bytes end too early. At the end of an unclean journal this may be a torn write.
    #[error("{what} is cut off: {needed} bytes are needed and {remaining} are there")]
    Truncated { what: &'static str, needed: usize, remaining: usize },
    /// Something else, or nothing, was written here.
    #[error("this is not {what}: it does not begin as one")]
    Magic { what: &'static str },
    /// Another release wrote this.
    #[error("{what} has format version {found}; this release knows version {known} only")]
    Version { what: &'static str, found: u16, known: u16 },
    /// The bytes changed since they were written, or were never written whole.
    #[error("{what} is damaged: its checksum does not match its bytes")]
    Crc { what: &'static str },
    /// The checksum is good where there is one, and yet this cannot be meant.
    #[error("the structure is broken: {0}")]
    Structure(&'static str),
}

impl Bad {
    /// Whether another release wrote it.
    pub(crate) const fn is_version(&self) -> bool {
        matches!(self, Self::Version { .. })
    }

    /// Names what a reader ran out of.
    pub(crate) const fn cut(what: &'static str, truncated: Truncated) -> Self {
        Self::Truncated { what, needed: truncated.needed, remaining: truncated.remaining }
    }

    /// Names what a variable-length number was part of.
    pub(crate) const fn number(what: &'static str, malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated(truncated) => Self::cut(what, truncated),
            Malformed::VarintRange => Self::Structure("a variable-length number is out of its range"),
        }
    }

    /// What is wrong with a batch whose stamp is good.
    pub(crate) const fn batch(error: &record::Error) -> Self {
        match error {
            record::Error::Truncated(truncated) => Self::cut("a batch", *truncated),
            record::Error::CrcMismatch { .. } => Self::Crc { what: "a batch" },
            record::Error::UnsupportedMagic { .. } => Self::Magic { what: "a batch" },
            _ => Self::Structure("a batch's header says what no batch can mean"),
        }
    }
}
