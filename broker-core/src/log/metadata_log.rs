//! The ordered log of the cluster's metadata.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::Error;

/// A position of the metadata log: how many appends came before. The first append is at 0.
pub type Position = u64;

/// One append: its commands took effect together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// The commands, opaque to the log.
    pub commands: Vec<Bytes>,
}

/// One ordered log of commands for a whole cluster, written by compare-and-append.
///
/// ```text
///    trimmed ┃ e5 ┃ e6 ┃ e7 ┃ ◄── append_at(8, …) succeeds once, for one writer
///            └─ snapshot(5) covers 0..5
/// ```
///
/// To ensure correctness:
/// - `append_at` is atomic and durable before it returns, and is the only write of commands.
/// - A position is taken once, for ever: neither a trim nor a crash frees it (invariant 6 rests on it).
/// - Commands are opaque: the metadata image alone interprets them.
#[async_trait]
pub trait MetadataLog: fmt::Debug + Send + Sync + 'static {
    /// Appends one entry if `position` is the log's end, and returns the new end (`position + 1`).
    ///
    /// # Errors
    /// `Fenced` if the position is taken (someone else was faster: read on and decide again; nothing was
    /// written); `OutOfRange` if it lies beyond the end; `Unavailable` when the outcome is unknown;
    /// `Full`, `Poisoned`, `Closed`.
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error>;

    /// Entries from `from` on, in order, at most `max_entries` (at least one if there is one); empty at the end.
    ///
    /// # Errors
    /// `OutOfRange` if `from` was trimmed (start from [`latest_snapshot`](Self::latest_snapshot)) or lies
    /// beyond the end; `Corrupt`, `Unavailable`, `Closed`.
    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error>;

    /// The position that the next append takes.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn end(&self) -> Result<Position, Error>;

    /// Waits until the end is beyond `position`, and returns it. Cancel-safe.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn watch(&self, position: Position) -> Result<Position, Error>;

    /// Saves the state that follows from all entries before `position`. Durable before it returns.
    ///
    /// # Errors
    /// `OutOfRange` if `position` is beyond the end; `Unavailable`, `Full`, `Closed`.
    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error>;

    /// The newest snapshot that is whole.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`, `Closed`.
    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error>;

    /// Gives back the room of entries before `before`. Their positions stay taken.
    ///
    /// # Errors
    /// `OutOfRange` if no saved snapshot covers them; `Unavailable`, `Closed`.
    async fn trim(&self, before: Position) -> Result<(), Error>;
}
