//! Why settings were refused.

/// A setting is unknown, or its value cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no TOML.
    #[error("the configuration is not TOML: {message}")]
    Syntax {
        /// Where and why.
        message: String,
    },
    /// A broker config is unknown, or its value cannot be.
    #[error("in the broker's configs: {message}")]
    Broker {
        /// Which, why, and what to write instead.
        message: String,
    },
    /// Nobody reads this setting.
    #[error("unknown setting `{key}`: {hint}")]
    UnknownKey {
        /// The setting with its table, as in `producer.linger_ms`.
        key: String,
        /// What was meant, perhaps, and what there is.
        hint: String,
    },
    /// The value has the wrong type or is out of range.
    #[error("setting `{key}` cannot be {value}: {reason}")]
    BadValue {
        /// The setting with its table.
        key: String,
        /// The value found.
        value: String,
        /// What it should be.
        reason: String,
    },
}

impl Error {
    /// The value of `key` is refused.
    pub(crate) fn bad_value(key: impl Into<String>, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::BadValue { key: key.into(), value: value.to_string(), reason: reason.into() }
    }
}
