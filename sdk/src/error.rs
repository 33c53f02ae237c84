//! What can go wrong in a client, and what to do about it.

use std::time::Duration;

use ottla_broker_core::api::{self, ErrorCode};
use ottla_broker_core::{InvalidTopicName, TopicName};

use crate::{config, connect, consumer, copy, producer, reader};

/// Any error of this crate: the areas' own errors, and what is common to them.
///
/// Every message names the thing that it is about and, where there is one, the remedy. Programs ask
/// [`is_retriable`](Error::is_retriable), [`is_fatal`](Error::is_fatal),
/// [`may_have_been_written`](Error::may_have_been_written) and [`kafka_code`](Error::kafka_code).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL or its backend: nothing was opened.
    #[error(transparent)]
    Connect(#[from] connect::Error),
    /// A setting is unknown or has a value that cannot be: nothing was opened.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No topic can have this name.
    #[error(transparent)]
    TopicName(#[from] InvalidTopicName),
    /// The client was closed, so nothing can be made of it any more: connect anew.
    #[error("the client is closed: connect a new one to {doing}")]
    Closed {
        /// What was asked for.
        doing: String,
    },
    /// The client was closed, and not all was done within the limit.
    #[error("the client did not close within {limit:?}: {left}; give `close` more time")]
    NotClosed {
        /// The limit.
        limit: Duration,
        /// What was left.
        left: String,
    },
    /// A topic exists, and is not what was asked for.
    #[error("topic `{topic}` exists, but {difference}")]
    TopicDiffers {
        /// The topic.
        topic: TopicName,
        /// What differs, and what to do.
        difference: String,
    },
    /// The cluster refused or did not answer.
    #[error("cannot {doing}: {source}")]
    Cluster {
        /// What was asked for, with the topic, partition or config.
        doing: String,
        /// Its answer.
        source: api::Error,
    },
    /// A reader's.
    #[error(transparent)]
    Reader(#[from] reader::Error),
    /// A consumer's.
    #[error(transparent)]
    Consumer(#[from] consumer::Error),
    /// A log was not copied, or not to the end.
    #[error(transparent)]
    Copy(#[from] copy::Error),
    /// A producer's.
    #[error(transparent)]
    Producer(#[from] producer::Error),
    /// From `close`: more than one part of the client had something to say.
    #[error("{}", several(.errors))]
    Several {
        /// Each of them: the producers' first, then the consumers', then the cluster's.
        errors: Vec<Error>,
    },
}

fn several(errors: &[Error]) -> String {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!("{} things went wrong: {}", all.len(), all.join("; "))
}

impl Error {
    /// The cluster's answer to `doing`.
    pub(crate) fn cluster(doing: impl Into<String>, source: api::Error) -> Self {
        Self::Cluster { doing: doing.into(), source }
    }

    /// Nothing, the error, or [`Several`](Self::Several).
    pub(crate) fn all(errors: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        let mut errors: Vec<Self> = errors.into_iter().collect();
        match errors.pop() {
            None => Ok(()),
            Some(only) if errors.is_empty() => Err(only),
            Some(last) => {
                errors.push(last);
                Err(Self::Several { errors })
            }
        }
    }

    /// Whether the same call may succeed if it is made again.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retriable(),
            Self::Copy(error) => error.is_retriable(),
            Self::Cluster { source, .. } => source.is_retriable(),
            Self::Reader(error) => error.is_retriable(),
            Self::Consumer(error) => error.is_retriable(),
            Self::Producer(error) => error.is_retriable(),
            Self::Several { errors } => errors.iter().all(Self::is_retriable),
            _ => false,
        }
    }

    /// Whether the client, reader or producer that said so is of no more use: make a new one.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Reader(error) => error.is_fatal(),
            Self::Consumer(error) => error.is_fatal(),
            Self::Producer(error) => error.is_fatal(),
            Self::Several { errors } => errors.iter().any(Self::is_fatal),
            _ => false,
        }
    }

    /// Whether the call may have had its effect although it failed. False is certain.
    #[must_use]
    pub fn may_have_been_written(&self) -> bool {
        match self {
            Self::Producer(error) => error.may_have_been_written(),
            Self::Cluster { source, .. } => matches!(
                source.code,
                ErrorCode::NetworkException
                    | ErrorCode::RequestTimedOut
                    | ErrorCode::UnknownServerError
                    | ErrorCode::KafkaStorageError
                    | ErrorCode::NotCoordinator
                    | ErrorCode::CoordinatorNotAvailable
                    | ErrorCode::NotEnoughReplicasAfterAppend
            ),
            Self::Several { errors } => errors.iter().any(Self::may_have_been_written),
            _ => false,
        }
    }

    /// Kafka's code, where a broker gave one.
    #[must_use]
    pub fn kafka_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Cluster { source, .. }
            | Self::Connect(connect::Error::Unreachable { source, .. } | connect::Error::Open { source, .. }) => {
                Some(source.code)
            }
            Self::Reader(error) => error.kafka_code(),
            Self::Consumer(error) => error.kafka_code(),
            Self::Producer(error) => error.kafka_code(),
            Self::TopicName(_) => Some(ErrorCode::InvalidTopic),
            Self::Several { errors } => errors.iter().find_map(Self::kafka_code),
            _ => None,
        }
    }
}
