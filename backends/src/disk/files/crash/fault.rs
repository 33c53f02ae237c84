//! Calls that fail.

use std::io;

use rustix::io::Errno;

/// What can be asked of a directory and its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    List,
    Create,
    Open,
    Rename,
    Remove,
    SyncNames,
    Write,
    Read,
    Sync,
    Size,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    NoSpace,
}

/// Calls that fail.
///
/// A write that fails has written the first half of its bytes. A sync that fails has given up what it should
/// have made durable: the data can still be read, and a later sync succeeds, but a crash may lose it for ever
/// ("fsyncgate"). All others fail without effect.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    call: Call,
    failure: Failure,
    /// Calls that succeed before.
    skip: u64,
    times: u64,
    prefix: String,
}

impl Fault {
    /// The next such call fails.
    pub(crate) fn next(call: Call, failure: Failure) -> Self {
        Self { call, failure, skip: 0, times: 1, prefix: String::new() }
    }

    /// So many such calls succeed before.
    #[must_use]
    pub(crate) fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// So many such calls fail; with `u64::MAX`, all.
    #[must_use]
    pub(crate) fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Only calls about files whose name begins so count and fail. (The name at the time the file was opened.)
    #[must_use]
    pub(crate) fn on(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Counts a call, and says whether it fails.
    pub(super) fn strikes(&mut self, call: Call, name: &str) -> Option<Failure> {
        if call != self.call || !name.starts_with(&self.prefix) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.failure)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io => Errno::IO,
            Failure::NoSpace => Errno::NOSPC,
        }
        .into()
    }
}
