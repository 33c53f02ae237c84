//! Why a connection ended.

use std::io;
use std::time::Duration;

use crate::auth::Refused;
use ottla_broker_core::error::Error;
use ottla_wire::{ApiKey, EncodeError, FrameError, RequestError};

/// Why a connection ended. Every one that ends has one of these in the log, and is counted under its name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the client closed the connection")]
    Goodbye,
    #[error("the client closed the connection within a request: {0} bytes are there of it")]
    Truncated(usize),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{0} is not served")]
    NotServed(ApiKey),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[cfg(feature = "tls")]
    #[error("there is no TLS with the client: {0}")]
    Tls(io::Error),
    #[error("nothing was asked for {0:?}")]
    Idle(Duration),
    #[error("too little of a request came in {0:?}")]
    SlowSender(Duration),
    #[error("the client took too little of its answer in {0:?}")]
    SlowReceiver(Duration),
    #[error("the answer cannot be said: {0}")]
    Encode(#[from] EncodeError),
    #[error("a batch for which no answer was asked is refused: {0}")]
    RefusedUnanswered(Error),
    #[error("{0} was asked of a client that has yet to say who it is")]
    NotLoggedIn(ApiKey),
    #[error("the client has not said who it is for {0:?}")]
    NoLogIn(Duration),
    #[error("{0} was asked of a client whose log-in is over and was not renewed")]
    Expired(ApiKey),
    #[error("the client was not let in: {0}")]
    Refused(Refused),
    #[error("there is no way to answer: {0}")]
    Unanswerable(Error),
    #[error("the server is shutting down")]
    Shutdown,
    #[error("the server is shutting down and did not wait any longer")]
    Cut,
}

impl Ended {
    /// A name for counting.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Truncated(_) => "truncated",
            Self::Frame(_) => "bad_frame",
            Self::Request(_) | Self::NotServed(_) => "bad_request",
            Self::Io(_) => "io",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "tls",
            Self::Idle(_) => "idle",
            Self::SlowSender(_) => "slow_sender",
            Self::SlowReceiver(_) => "slow_receiver",
            Self::Encode(_) => "encode",
            Self::RefusedUnanswered(_) => "refused_unanswered",
            Self::NotLoggedIn(_) | Self::NoLogIn(_) => "not_logged_in",
            Self::Expired(_) => "session_expired",
            Self::Refused(_) => "refused_log_in",
            Self::Unanswerable(_) => "unanswerable",
            Self::Shutdown => "shutdown",
            Self::Cut => "cut",
        }
    }

    /// Whether it is what happens every day.
    pub(crate) fn is_ordinary(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        match self {
            Self::Goodbye | Self::Idle(_) | Self::Shutdown => true,
            // A client that was ended, or that did not wait for its answers.
            Self::Io(error) => matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_go_without_a_word_are_no_trouble_of_ours() {
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe] {
            assert!(Ended::Io(kind.into()).is_ordinary(), "{kind}");
        }
        assert!(Ended::Goodbye.is_ordinary());
        assert!(!Ended::Io(io::ErrorKind::OutOfMemory.into()).is_ordinary());
        assert!(!Ended::Truncated(1).is_ordinary());
    }
}
