//! Why nothing answers at a URL.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ottla_broker_core::{api, log};

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
    /// A copy is made of logs, below their brokers, and this URL names brokers.
    #[error("cannot copy from or to `{url}`: a copy needs the log itself, and this names brokers; use {available}")]
    NoLog {
        /// The URL, without credentials.
        url: String,
        /// What can be used instead.
        available: &'static str,
    },
    /// There is no stored log at this URL that could be verified.
    #[error("cannot check `{url}`: {reason}")]
    NotCheckable {
        /// The URL, without credentials.
        url: String,
        /// Why, and what to name instead.
        reason: String,
    },
    /// The instance at this URL is open in this process, with other options.
    #[error(
        "`{url}` is open in this process with other options ({difference}): \
             use the same options, or another URL"
    )]
    OtherOptions {
        /// The URL.
        url: String,
        /// What differs.
        difference: String,
    },
    /// A copy would be made from a place to itself.
    #[error("cannot copy `{url}` to itself: name an empty place to copy to")]
    OnePlace {
        /// The URL.
        url: String,
    },
    /// A client of this process has it open, or another copy does. To try again may succeed when that is closed.
    #[error("cannot copy from or to `{url}` while a client of this process has it open: close the client first")]
    InUseHere {
        /// The URL.
        url: String,
    },
    /// The directory, or the prefix of the bucket, belongs to another process as long as that runs, or to a storage
    /// that this process opened by itself. To connect again may succeed when the other is gone.
    #[error("cannot open `{url}`: {reason}")]
    InUse {
        /// The URL.
        url: String,
        /// Who has it, as far as that is known, and what to do.
        reason: String,
    },
    /// A client of the store cannot be made of the settings: something is missing, or cannot be.
    #[error("cannot open `{url}`: {reason}; set it in the table `[object-store]`, or in the environment")]
    Settings {
        /// The URL, without credentials.
        url: String,
        /// What is wrong with them. No secret is told.
        reason: String,
    },
    /// Certificates or keys for TLS cannot be read, or not be used together.
    #[error("cannot connect to `{url}` over TLS: {reason}")]
    Tls {
        /// The URL, without credentials.
        url: String,
        /// Which file, and what is wrong with it. No key is told.
        reason: String,
    },
    /// A write or a sync of the storage failed, and clients of this process still have it: it takes nothing more until
    /// it is opened anew, and nobody can open it while they do. What was acknowledged is there.
    #[error(
        "cannot open `{url}`: its storage was poisoned ({source}); \
             close all clients of it in this process, then connect anew"
    )]
    Poisoned {
        /// The URL.
        url: String,
        /// What failed.
        source: log::Error,
    },
    /// The directory cannot be made, read or written.
    #[error("cannot open `{url}`: {} cannot be used: {source}", .directory.display())]
    Directory {
        /// The URL.
        url: String,
        /// The directory.
        directory: PathBuf,
        /// Why: the operating system's error.
        source: Arc<io::Error>,
    },
    /// What is stored there cannot be opened: by its kind `Corrupt` (damaged, or written by a newer version; nothing
    /// was changed), `Full` or `Unavailable`.
    #[error("cannot open `{url}`: {source}")]
    Storage {
        /// The URL.
        url: String,
        /// What the storage said.
        source: log::Error,
    },
    /// No broker of the cluster answers, or lets this client in. To connect again may succeed when one does; not if the
    /// source's code says that it is this client's credentials which are wrong.
    #[error("cannot connect to `{url}`: {source}")]
    Unreachable {
        /// The URL, without credentials.
        url: String,
        /// What came of each attempt.
        source: api::Error,
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

impl Error {
    /// Whether to connect again may succeed: whoever has the directory or the prefix may be about to end, a broker about
    /// to come back.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        match self {
            Self::InUse { .. } | Self::InUseHere { .. } | Self::Poisoned { .. } => true,
            Self::Unreachable { source, .. } => source.code.is_retriable(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Client;

    /// What a newcomer reads names the text that was given and what to write instead.
    #[tokio::test]
    async fn a_wrong_url_is_told_the_remedy() {
        for (url, named, remedy) in [
            ("", "no URL", "`Client::connect`"),
            (
                "memory",
                "`memory`",
                "`memory://`, `memory://name`, `file:///var/lib/app/log`, `s3://bucket/prefix` or `kafka://host:9092`",
            ),
            ("memori://", "`memori`", "did you mean `memory://`?"),
            ("postgres://h", "`postgres`", "`Client::over`"),
            #[cfg(feature = "disk")]
            ("file://x/y", "`x`", "`file:///var/lib/app/log`"),
            ("file:///x?durability=os", "`durability`", "`[disk]`"),
            #[cfg(not(feature = "object-store"))]
            ("s3://b", "`s3://b`", "the feature `object-store` of the crate `ottla`, which is off"),
            #[cfg(feature = "object-store")]
            ("s3:///b", "`s3:///b`", "`s3://bucket/orders`"),
            ("gs://b?region=eu", "`region`", "`[object-store]`"),
            #[cfg(not(feature = "kafka"))]
            ("kafka://h", "`kafka://h`", "the feature `kafka` of the crate `ottla`, which is off"),
            #[cfg(feature = "kafka")]
            ("kafka://me:secret@h?x=1", "`kafka://h?x=1`", "the unknown parameter `x`"),
            #[cfg(feature = "kafka")]
            ("kafka://h?x=1", "`x`", "there are `connect_timeout_ms`"),
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
