//! What keeps a server from serving.

use std::net::SocketAddr;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system has no random bytes, which log-ins need.
    #[error("there is no randomness to be had, which log-ins need: {0}")]
    Randomness(#[source] getrandom::Error),
    /// The metrics of the process go elsewhere already.
    #[error("the metrics cannot be gathered: {0}")]
    Metrics(String),
    /// A limit that contradicts another, or itself.
    #[error("{0}")]
    Limits(String),
}

/// Connections were cut off because they were not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{connections} connections were cut off: their clients had answers to come")]
pub struct Unfinished {
    /// How many.
    pub connections: usize,
}
