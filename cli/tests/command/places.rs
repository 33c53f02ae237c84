//! Where the logs of tests are.

use tempfile::TempDir;

use super::support::Served;

/// A log that the program is called with.
#[derive(Debug)]
pub(super) enum Place {
    /// A directory, which each call opens itself.
    Directory(TempDir),
    /// A server over memory.
    Server(Served),
}

impl Place {
    /// One of each kind.
    pub(super) fn all() -> [Self; 2] {
        [Self::directory(), Self::server()]
    }

    pub(super) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().unwrap())
    }

    pub(super) fn server() -> Self {
        Self::Server(Served::start("memory://", &[]))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Directory(directory) => format!("file://{}", directory.path().display()),
            Self::Server(server) => server.url(),
        }
    }
}
