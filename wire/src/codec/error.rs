//! What can be wrong with bytes, and with values that are to become bytes.

use ottla_broker_core::record::{Malformed, Truncated};

/// Why bytes are no message. Who sent them does not speak the protocol (or the version that it named): the
/// connection cannot be trusted to be in step any more and is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end within a field, or a length goes beyond the end.
    #[error("the bytes end within a field: {0}")]
    Truncated(#[from] Truncated),
    /// A variable-length number is longer than its type.
    #[error("a variable-length number is out of its type's range")]
    VarintRange,
    /// A length or count is negative and not null.
    #[error("the length {0} is negative")]
    NegativeLength(i64),
    /// Null where the version does not allow it.
    #[error("a {0} is null, which this version does not allow")]
    Null(&'static str),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotText,
    /// What it stands for would take more memory than the frame's length justifies.
    #[error("{0} bytes of memory would be needed for what the bytes stand for")]
    OverBudget(usize),
    /// A value is none of those that its field has.
    #[error("{value} is no {field}")]
    BadValue {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: i64,
    },
    /// Tagged fields do not come in the order of their tags (KIP-482).
    #[error("tagged fields are not in order")]
    TagOrder,
    /// A tagged field is not as long as it said.
    #[error("the field of tag {tag} is not of the {size} bytes that it announced")]
    TagLength {
        /// Which.
        tag: u32,
        /// What it said.
        size: usize,
    },
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    TrailingBytes(usize),
}

impl From<Malformed> for DecodeError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated(truncated) => Self::Truncated(truncated),
            Malformed::VarintRange => Self::VarintRange,
        }
    }
}

/// Why a value cannot be said in a version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A text, list or frame is longer than its length field can say.
    #[error("a field of {len} bytes or entries is too long for its length field, which goes to {max}")]
    TooLong {
        /// How long it is.
        len: usize,
        /// The longest that there may be.
        max: usize,
    },
    /// The version has no place for a value that matters.
    #[error("version {version} of the message cannot say it: {reason}")]
    NotInVersion {
        /// The version.
        version: i16,
        /// What it lacks.
        reason: &'static str,
    },
}
