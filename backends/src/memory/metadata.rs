//! The metadata log in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::log::{Entry, Error, ErrorKind, MetadataLog, Position};
use ottla_broker_core::planted::is_planted;
use tokio::sync::watch;

/// A metadata log in memory. Brokers of one process share it by `Arc`.
#[derive(Debug)]
pub struct MemoryMetadataLog {
    inner: Mutex<Inner>,
    /// The end, for those who wait; changed under the lock of `inner`.
    end: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The position of the first entry that is left: what was trimmed keeps its positions.
    start: Position,
    entries: VecDeque<Vec<Bytes>>,
    snapshot: Option<(Position, Bytes)>,
}

impl Inner {
    fn end(&self) -> Position {
        if is_planted("memory-metadata-position-reused") {
            return self.entries.len() as Position;
        }
        self.start + self.entries.len() as Position
    }
}

impl Default for MemoryMetadataLog {
    fn default() -> Self {
        Self { inner: Mutex::default(), end: watch::Sender::new(0) }
    }
}

impl MemoryMetadataLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Changes are single pushes and assignments: a panic elsewhere cannot leave half of one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MetadataLog for MemoryMetadataLog {
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error> {
        let mut inner = self.lock();
        let end = inner.end();
        if position < end && !is_planted("memory-metadata-cas-skipped") {
            return Err(Error::new(
                ErrorKind::Fenced,
                format!("position {position} of the metadata log is taken: its end is {end}"),
            ));
        }
        if position > end {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                format!("position {position} lies beyond the end {end} of the metadata log"),
            ));
        }
        inner.entries.push_back(commands);
        let end = inner.end();
        self.end.send_replace(end);
        Ok(end)
    }

    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error> {
        let inner = self.lock();
        let (start, end) = (inner.start, inner.end());
        if from < start || from > end {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                format!("position {from} is outside the metadata log, which holds {start} to {end}"),
            ));
        }
        let skip = usize::try_from(from - start).unwrap_or(usize::MAX);
        Ok((from..)
            .zip(inner.entries.iter().skip(skip))
            .take(max_entries.max(1))
            .map(|(position, commands)| Entry { position, commands: commands.clone() })
            .collect())
    }

    async fn end(&self) -> Result<Position, Error> {
        Ok(self.lock().end())
    }

    async fn watch(&self, position: Position) -> Result<Position, Error> {
        let mut end = self.end.subscribe();
        let end = end.wait_for(|end| *end > position).await;
        // The sender lives in `self`, which is borrowed here.
        end.map(|end| *end).map_err(|_| Error::new(ErrorKind::Closed, "the metadata log is gone"))
    }

    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error> {
        let mut inner = self.lock();
        let end = inner.end();
        if position > end {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                format!("a snapshot at {position} lies beyond the end {end} of the metadata log"),
            ));
        }
        // Two brokers may save at the same time: an older state that comes late must not hide a newer one.
        if inner.snapshot.as_ref().is_none_or(|(newest, _)| *newest <= position) {
            inner.snapshot = Some((position, state));
        }
        Ok(())
    }

    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        Ok(self.lock().snapshot.clone())
    }

    async fn trim(&self, before: Position) -> Result<(), Error> {
        let mut inner = self.lock();
        let covered = inner.snapshot.as_ref().map_or(0, |(position, _)| *position);
        if before > covered {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                format!("the metadata log cannot be trimmed to {before}: snapshots cover it up to {covered}"),
            ));
        }
        while inner.start < before && inner.entries.pop_front().is_some() {
            inner.start += 1;
        }
        Ok(())
    }
}
