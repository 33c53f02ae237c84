//! Why nothing answers at a URL.

use ottla_broker_core::api;

/// Why a client could not be connected.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No URL was given.
    #[error("no URL was given: set `url`, for example \"memory://\"")]
    NoUrl,
    /// The text is no URL.
    #[error("`{url}` is not a URL: {reason}")]
    Malformed {
        /// The text, without credentials.
        url: String,
        /// What is wrong with it, and what it should look like.
        reason: String,
    },
    /// Nothing is known under the URL's scheme.
    #[error("`{url}` has the unknown scheme `{scheme}`: {hint}")]
    UnknownScheme {
        /// The URL, without credentials.
        url: String,
        /// Its scheme.
        scheme: String,
        /// What was meant, perhaps, and the schemes that there are.
        hint: String,
    },
    /// The backend exists and was not compiled in.
    #[error(
        "`{url}` needs the feature `{feature}` of the crate `ottla`, which is off: \
             add it to `features` of `ottla` in Cargo.toml"
    )]
    FeatureOff {
        /// The URL, without credentials.
        url: String,
        /// The feature to switch on.
        feature: &'static str,
    },
    /// The scheme is reserved for a backend that this version does not have.
    #[error(
        "`{url}`: this version of `ottla` has no backend for `{scheme}://` yet (it will be the feature `{feature}`): \
             use one of {available}"
    )]
    NotYet {
        /// The URL, without credentials.
        url: String,
        /// Its scheme.
        scheme: &'static str,
        /// The feature that it is going to be behind.
        feature: &'static str,
        /// What can be used instead.
        available: String,
    },
    /// The instance of this name is open in this process, with other options.
    #[error(
        "`{url}` is open in this process with other options ({difference}): \
             use the same options, or another name"
    )]
    OtherOptions {
        /// The URL.
        url: String,
        /// What differs.
        difference: String,
    },
    /// The broker did not start.
    #[error("cannot open `{url}`: {source}")]
    Open {
        /// The URL, or what was given in its place.
        url: String,
        /// What it said.
        source: api::Error,
    },
}
