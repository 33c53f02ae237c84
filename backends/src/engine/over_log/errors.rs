//! A log's errors as those of what is kept in it. `Fenced` and `OutOfRange` have another meaning there: a rival
//! took the *position*, and nothing was written.

use ottla_broker_core::log::{Error, ErrorKind};

/// An append was refused, so nothing was written.
pub(super) fn refused(what: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Full | ErrorKind::Poisoned | ErrorKind::Closed => error,
        _ => Error::new(ErrorKind::Closed, format!("{what} takes no more writes")).with_source(error),
    }
}

/// A write was taken and failed, so its outcome is unknown, unless the error says that there was none.
pub(super) fn failed(what: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Full | ErrorKind::Poisoned | ErrorKind::Unavailable => error,
        _ => {
            Error::new(ErrorKind::Unavailable, format!("it is not known whether {what} has a write")).with_source(error)
        }
    }
}

/// As [`failed`], for snapshots, which know no `Poisoned`.
pub(super) fn of_snapshots(what: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Full | ErrorKind::Closed | ErrorKind::Unavailable => error,
        _ => Error::new(ErrorKind::Unavailable, format!("{what} cannot be reached")).with_source(error),
    }
}
