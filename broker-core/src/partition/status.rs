//! Whether a partition still leads, and what it answers when it does not.

use super::Partition;
use crate::api::{Error, ErrorCode};
use crate::log::{self, ErrorKind};
use crate::planted::is_planted;

/// Whether a partition serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Leading,
    /// Its storage failed. What was in flight is in doubt, until the broker opens the partition again. What was
    /// durable can be read if the storage says that it only takes nothing more
    /// ([`Poisoned`](crate::log::ErrorKind::Poisoned)).
    Failed,
    /// A newer leader has opened the log.
    Fenced,
    /// It was closed.
    Closed,
}

/// Why it serves no more. It never serves again.
#[derive(Debug)]
pub(super) enum Ended {
    Closed,
    Failed(log::Error),
}

impl Partition {
    /// Whether it serves.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.ended.get() {
            None => Status::Leading,
            Some(Ended::Closed) => Status::Closed,
            Some(Ended::Failed(error)) if error.kind() == ErrorKind::Fenced => Status::Fenced,
            Some(Ended::Failed(_)) => Status::Failed,
        }
    }

    /// Whether its storage failed or a newer leader fenced it: the broker opens it again, or gives it up.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self.status(), Status::Failed | Status::Fenced)
    }

    /// # Errors
    /// `KAFKA_STORAGE_ERROR` when the storage failed; `NOT_LEADER_OR_FOLLOWER` when fenced or closed.
    pub(super) fn check_leading(&self) -> Result<(), Error> {
        let name = &self.name;
        match self.ended.get() {
            None => Ok(()),
            Some(Ended::Closed) => Err(Error::new(
                ErrorCode::NotLeaderOrFollower,
                format!("partition {name} is closed on this broker: refresh the metadata and try again"),
            )),
            Some(Ended::Failed(error)) => Err(self.log_error("serve", error)),
        }
    }

    /// Whether it may be read: it leads, or its storage takes nothing more. Nobody can write to a poisoned storage and
    /// no repair helps before it is opened anew, so who reads would ask until the end; and what was durable still is.
    ///
    /// # Errors
    /// As [`check_leading`](Self::check_leading).
    pub(super) fn check_readable(&self) -> Result<(), Error> {
        if self.is_poisoned() && !is_planted("poisoned-partition-unread") {
            return Ok(());
        }
        self.check_leading()
    }

    /// Whether its storage takes nothing more until it is opened anew.
    #[must_use]
    pub(crate) fn is_poisoned(&self) -> bool {
        matches!(self.ended.get(), Some(Ended::Failed(error)) if error.kind() == ErrorKind::Poisoned)
    }

    /// Ends the partition, once, and wakes who waits for its records.
    pub(super) fn end(&self, why: Ended) {
        if self.ended.set(why).is_ok() {
            self.log.bounds_cell().wake();
        }
    }

    /// Answers a failure of the log and, unless it was only about the one call, ends the partition.
    pub(super) fn log_failed(&self, what: &str, error: &log::Error) -> Error {
        match error.kind() {
            // Nothing was taken, or the answer is about what was asked for.
            ErrorKind::Full | ErrorKind::OutOfRange | ErrorKind::Corrupt => {}
            ErrorKind::Fenced | ErrorKind::Closed | ErrorKind::Unavailable | ErrorKind::Poisoned => {
                if self.ended.get().is_none() {
                    tracing::warn!(partition = %self.name, %error, "the partition's log failed");
                }
                self.end(Ended::Failed(error.clone()));
            }
        }
        self.log_error(what, error)
    }

    /// The answer to a failure of the log.
    pub(super) fn log_error(&self, what: &str, error: &log::Error) -> Error {
        let (name, epoch) = (&self.name, self.epoch);
        if error.kind() == ErrorKind::Fenced {
            let message = format!("partition {name} has a leader newer than epoch {epoch}: refresh the metadata");
            return Error::new(ErrorCode::NotLeaderOrFollower, message);
        }
        Error::new(error.code(), format!("partition {name} could not {what}: {error}"))
    }
}
