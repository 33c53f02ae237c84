//! The closed set of ways in which storage fails.

use std::fmt;
use std::sync::Arc;

use crate::error::ErrorCode;

/// What a caller can act on. A backend's own, richer error is the [source](std::error::Error::source).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A newer writer has opened the partition (or the position of the metadata log is taken by it).
    /// This handle will never write again.
    Fenced,
    /// The offset is outside the log, or the batch does not follow its end. Nothing changed.
    OutOfRange,
    /// The handle or the storage is closed, or there is no such log.
    Closed,
    /// What was read is not what was written. Nothing of it is served.
    Corrupt,
    /// The medium did not answer. For a write, its outcome is unknown.
    Unavailable,
    /// No room. Nothing was written.
    Full,
    /// A sync failed: nothing more is acknowledged until the storage is opened anew.
    Poisoned,
}

/// A storage error: a kind for programs, a sentence that names the partition, path or offset for
/// people, and the backend's own error as the source. Cheap to clone: one failed write fails many
/// tickets.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: Arc<str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: Arc::from(message.into()), source: None }
    }

    /// The same with the backend's own error beneath.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }

    /// What a caller can act on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether a failed append may nevertheless be in the log after the partition is opened again.
    #[must_use]
    pub const fn may_have_been_written(&self) -> bool {
        !matches!(self.kind, ErrorKind::OutOfRange | ErrorKind::Full)
    }

    /// Kafka's code for it.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self.kind {
            ErrorKind::Fenced => ErrorCode::NotLeaderOrFollower,
            ErrorKind::OutOfRange => ErrorCode::OffsetOutOfRange,
            ErrorKind::Corrupt => ErrorCode::CorruptMessage,
            ErrorKind::Closed | ErrorKind::Unavailable | ErrorKind::Full | ErrorKind::Poisoned => {
                ErrorCode::KafkaStorageError
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Already part of the sentence; its own source is the next that adds something.
        self.source.as_deref().and_then(std::error::Error::source)
    }
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
