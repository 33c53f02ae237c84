//! The file layer: all that the backend asks of an operating system, so that a test can be the operating system.
//!
//! Everything lies flat in one directory, so that one directory sync makes names durable. Every call blocks
//! and may be made from any thread.

#[cfg(any(test, feature = "testing"))]
#[cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "what enumerates crashes is for the tests of this crate")
)]
pub(crate) mod crash;
mod failure;
mod lock;
mod name;
mod real;

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

pub(crate) use lock::{Lock, LockError};
pub(crate) use real::RealFiles;

/// One directory.
pub(crate) trait Files: fmt::Debug + Send + Sync + 'static {
    /// The names in it, in order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates a file, which must not exist, with room for `room` bytes allocated: later writes within them do
    /// not fail for lack of room, as far as the file system can promise it. The file reads as zeros up to there.
    fn create(&self, name: &str, room: u64) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading and writing (for reading only where `writable` is false).
    fn open(&self, name: &str, writable: bool) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, in place of the one that had it. Durable after [`sync_names`](Self::sync_names).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file. Open handles go on. Durable after [`sync_names`](Self::sync_names).
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable: what was created, renamed and removed before the call.
    fn sync_names(&self) -> io::Result<()>;
}

/// One open file.
pub(crate) trait File: fmt::Debug + Send + Sync + 'static {
    /// Writes all of `parts`, one after the other, from `position` on; grows the file if it has to. An error says
    /// nothing of how much was written.
    fn write_at(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()>;

    /// Reads until `buffer` is full or the file ends; says how many bytes.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes durable what was written before the call, and the size (`fdatasync`).
    fn sync(&self) -> io::Result<()>;

    /// The size in bytes.
    fn size(&self) -> io::Result<u64>;
}
