//! Why a config is refused.

use super::definition::Scope;
use crate::error::ErrorCode;

/// A config that cannot be taken. The sentence names the config, the value and what would be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No config has this name.
    #[error("`{name}` is not a {scope} config{}", suggestion.map(|s| format!(": did you mean `{s}`?")).unwrap_or_default())]
    Unknown {
        /// The name that was given.
        name: String,
        /// What it was given for.
        scope: Scope,
        /// The name that it is most like, if any is near.
        suggestion: Option<&'static str>,
    },
    /// The value is not one of those allowed.
    #[error("`{value}` is not a value of `{name}`: {allowed}")]
    Invalid {
        /// The config.
        name: &'static str,
        /// The value that was given, cut to 64 characters.
        value: String,
        /// What is allowed, as a sentence.
        allowed: String,
    },
    /// Kafka has it, and here it would have no effect.
    #[error("`{name}={value}` is not supported: {reason}")]
    Unsupported {
        /// The config.
        name: String,
        /// The value that was given, cut to 64 characters.
        value: String,
        /// Why not, and what to do instead.
        reason: &'static str,
    },
    /// It is fixed when the broker starts.
    #[error("`{name}` cannot be changed while the broker runs: set it where the broker is started")]
    ReadOnly {
        /// The config.
        name: &'static str,
    },
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        Self::new(ErrorCode::InvalidConfig, error.to_string())
    }
}
