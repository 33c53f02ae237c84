//! Errors that say where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the operating system with what was asked and of which path. It travels inside an [`io::Error`]
/// of the same kind.
#[derive(Debug)]
pub(super) struct At {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl At {
    /// For `map_err`.
    pub(super) fn wrap(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
        move |source| io::Error::new(source.kind(), Self { action, path: path.to_owned(), source })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {} {}: {}", self.action, self.path.display(), self.source)
    }
}

impl std::error::Error for At {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
