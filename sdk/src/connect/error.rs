//! Why nothing answers at a URL.

use ottla_broker_core::api;

/// Why a client could not be connected.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No URL was given.
    #[error(
        "no URL was given: pass one to `Client::connect`, or set `url` in the configuration, for example \"memory://\""
    )]
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
             use {available}"
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

#[cfg(test)]
mod tests {
    use crate::Client;

    /// What a newcomer reads names the text that was given and what to write instead.
    #[tokio::test]
    async fn a_wrong_url_is_told_the_remedy() {
        for (url, named, remedy) in [
            ("", "no URL", "`Client::connect`"),
            ("memory", "`memory`", "`memory://` or `memory://name`"),
            ("memori://", "`memori`", "did you mean `memory://`?"),
            ("postgres://h", "`postgres`", "`Client::over`"),
            ("file:///x", "`file:///x`", "`Client::over`"),
            ("s3://b", "`s3://b`", "`Client::over`"),
            ("kafka://h", "`kafka://h`", "`Client::over`"),
            ("memory://x#y", "`memory://x#y`", "leave it out"),
            ("memory://x?size=1", "`size`", "with the builder or in TOML"),
            #[cfg(feature = "memory")]
            ("memory://bad name!", "`bad name!`", "`memory://orders`"),
        ] {
            let error = Client::connect(url).await.unwrap_err().to_string();
            assert!(error.contains(named) && error.contains(remedy), "{error}");
        }
    }
}
