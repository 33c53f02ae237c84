//! The metadata log: entries in one log, snapshots of the state in another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{
    Bounds, Entry, Error, ErrorKind, MetadataLog, PartitionLog, Position, Signal, Ticket, TrimBase,
};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;

use super::errors::{failed, refused};
use super::{cell, commands, newest};

/// Bytes of batches that one read of the log asks for.
const READ_BYTES: usize = 1 << 20;
/// Bytes of batches at which a page ends, whatever the number of entries: a caller that asks for all gets some.
const PAGE_BYTES: usize = 16 << 20;

/// How often a snapshot is looked for that saves replace meanwhile.
const LOOKS: usize = 8;

const ENTRIES: &str = "the metadata log";
const SNAPSHOTS: &str = "the log of metadata snapshots";

/// A metadata log over two logs, of which this is the only writer.
///
/// ```text
/// entries    trimmed ┃ e5 ┃ e6 ┃ e7 ┃┈ e8 ┈┃     offset = position; e8 is taken, not durable and not visible
/// snapshots              ┃ state at 6 ┃           older ones are trimmed once this one is durable
/// ```
///
/// - A position whose append has not resolved is taken. Who asks for it waits until it is known by what: a rival's
///   entry (`Fenced`), or a failure.
/// - After a failed append what the log holds is unknown to this handle: every call fails as that append did, until
///   the logs are opened anew.
#[derive(Debug)]
pub(crate) struct LogMetadata {
    entries: Arc<dyn PartitionLog>,
    snapshots: Arc<dyn PartitionLog>,
    /// Of the last append: when it has failed, or one before it, so has everything. Locked for check and append
    /// together, never over an await.
    last: Mutex<Ticket>,
    /// Locked over a whole save, so that a late older one can tell.
    saved: tokio::sync::Mutex<Saved>,
}

/// The newest snapshot that was appended, durable or not: its save may have been given up half-way.
#[derive(Debug)]
struct Saved {
    position: Position,
    ticket: Ticket,
}

impl LogMetadata {
    /// Takes two logs, just opened for writing at a fresh epoch.
    ///
    /// # Errors
    /// `Corrupt` if the snapshots are ahead of the entries, or if what was trimmed has no snapshot that is whole;
    /// those of reading.
    pub(crate) async fn open(entries: Arc<dyn PartitionLog>, snapshots: Arc<dyn PartitionLog>) -> Result<Self, Error> {
        let log = Self {
            entries,
            snapshots,
            last: Mutex::new(Ticket::ready(Ok(()))),
            saved: tokio::sync::Mutex::new(Saved { position: 0, ticket: Ticket::ready(Ok(())) }),
        };
        if let Some((position, _)) = log.newest_snapshot().await? {
            let end = log.visible_end();
            if position > end {
                // The entries were durable before the snapshot: going on would take their positions again.
                let message = format!("{ENTRIES} ends at {end}, before its snapshot at {position}: entries are lost");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            log.saved.lock().await.position = position;
        }
        Ok(log)
    }

    fn last(&self) -> MutexGuard<'_, Ticket> {
        // It holds one ticket, replaced as a whole.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(last: &Ticket) -> Result<(), Error> {
        match last.peek() {
            Some(Err(error)) => Err(failed(ENTRIES, error)),
            _ => Ok(()),
        }
    }

    /// Whether the log still lives. `ready` tells at once when it does not; that there is no room now is no matter.
    fn check_open(&self) -> Result<(), Error> {
        Self::check(&self.last())?;
        match self.entries.ready(0).now_or_never() {
            Some(Err(error)) => Err(refused(ENTRIES, error)),
            _ => Ok(()),
        }
    }

    fn start(&self) -> Position {
        position_at(self.entries.bounds().start)
    }

    /// Where what may be seen ends: nothing that can still be lost.
    fn visible_end(&self) -> Position {
        let Bounds { durable_end, end, .. } = self.entries.bounds();
        position_at(if is_planted("metadata-visible-before-durable") { end } else { durable_end })
    }

    /// Checks and appends under one lock.
    fn submit(&self, position: Position, batch: Batch) -> Result<Ticket, Refusal> {
        let mut last = self.last();
        Self::check(&last).map_err(Refusal::Failed)?;
        let end = position_at(self.entries.bounds().end);
        let position = if is_planted("metadata-cas-skipped") { end } else { position };
        if position < end {
            return Err(Refusal::Taken { end, by: last.clone() });
        }
        if position > end {
            let message = format!("position {position} lies beyond the end {end} of {ENTRIES}");
            return Err(Refusal::Failed(Error::new(ErrorKind::OutOfRange, message)));
        }
        let batch = cell::placed(batch, offset_at(position), self.entries.epoch());
        let ticket = self.entries.append(batch).map_err(|error| Refusal::Failed(refused(ENTRIES, error)))?;
        *last = ticket.clone();
        Ok(ticket)
    }

    /// The newest snapshot that is whole. A damaged one is passed over for an older one, or for the entries
    /// themselves, as long as these reach back to it.
    async fn newest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        for _ in 0..LOOKS {
            match self.look_for_snapshot().await {
                // A save has replaced it meanwhile, and what replaced it was not there when we looked.
                Err(error) if error.kind() == ErrorKind::OutOfRange => {}
                looked => return looked,
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the metadata snapshot is replaced faster than it is read"))
    }

    async fn look_for_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        let mut damage = None;
        for at in newest::places(&*self.snapshots) {
            match newest::value_at(&*self.snapshots, SNAPSHOTS, at).await {
                Ok(None) => {}
                Ok(Some(snapshot)) => match Position::try_from(snapshot.number) {
                    Ok(position) if position >= self.start() => return Ok(Some((position, snapshot.value))),
                    _ => break,
                },
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!(%error, "a snapshot of the metadata is damaged");
                    damage.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if self.start() == 0 {
            return Ok(None);
        }
        let message =
            format!("{ENTRIES} starts at {}, and no snapshot that is whole covers what was before", self.start());
        let error = Error::new(ErrorKind::Corrupt, message);
        Err(match damage {
            Some(damage) => error.with_source(damage),
            None => error,
        })
    }

    fn entry(position: Position, batch: &Batch) -> Result<Entry, Error> {
        let damaged = |why: String| Error::new(ErrorKind::Corrupt, format!("entry {position} of {ENTRIES}: {why}"));
        if position_at(batch.base_offset()) != position {
            return Err(damaged(format!("the batch at offset {} is in its place", batch.base_offset())));
        }
        let cell = cell::decode(ENTRIES, batch)?;
        if Position::try_from(cell.number) != Ok(position) {
            return Err(damaged(format!("it was written as entry {}", cell.number)));
        }
        let commands = commands::decode(&cell.value).map_err(|error| damaged(error.to_string()))?;
        Ok(Entry { position, commands })
    }
}

/// Why nothing was appended.
enum Refusal {
    Taken { end: Position, by: Ticket },
    Failed(Error),
}

const fn position_at(offset: Offset) -> Position {
    // Offsets of a log start at 0.
    offset.0.unsigned_abs()
}

/// Positions that no log reaches become the last offset, which none has.
fn offset_at(position: Position) -> Offset {
    i64::try_from(position).map_or(Offset::MAX, Offset)
}

#[async_trait]
impl MetadataLog for LogMetadata {
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error> {
        let value = commands::encode(&commands)?;
        let batch = cell::encode("a metadata entry", offset_at(position).0, &value)?;
        self.entries.ready(batch.size_in_bytes()).await.map_err(|error| {
            // A failed append has closed the log: what it failed with says more.
            self.check_open().err().unwrap_or_else(|| refused(ENTRIES, error))
        })?;
        match self.submit(position, batch) {
            Ok(ticket) => match ticket.await {
                Ok(()) => Ok(position + 1),
                Err(error) if is_planted("metadata-failure-fences") => {
                    Err(Error::new(ErrorKind::Fenced, error.to_string()))
                }
                Err(error) => Err(failed(ENTRIES, error)),
            },
            Err(Refusal::Taken { end, by }) => {
                by.await.map_err(|error| failed(ENTRIES, error))?;
                let message = format!("position {position} of {ENTRIES} is taken: its end is {end}");
                Err(Error::new(ErrorKind::Fenced, message))
            }
            Err(Refusal::Failed(error)) => Err(error),
        }
    }

    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error> {
        Self::check(&self.last())?;
        let (start, end) = (self.start(), self.visible_end());
        if from < start || from > end {
            let message = format!("position {from} is outside {ENTRIES}, which holds {start} to {end}");
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let wanted = usize::try_from(end - from).unwrap_or(usize::MAX).min(max_entries.max(1));
        let until = from.saturating_add(wanted as Position).min(end);
        let mut entries = Vec::new();
        let (mut next, mut bytes) = (from, 0_usize);
        while next < until && bytes < PAGE_BYTES {
            let batches = self.entries.read(offset_at(next), offset_at(until), READ_BYTES).await?;
            if batches.is_empty() {
                let message = format!("entry {next} of {ENTRIES}, which ends at {end}, is not there");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            for batch in &batches {
                entries.push(Self::entry(next, batch)?);
                next += 1;
                bytes = bytes.saturating_add(batch.size_in_bytes());
            }
        }
        Ok(entries)
    }

    async fn end(&self) -> Result<Position, Error> {
        self.check_open()?;
        Ok(self.visible_end())
    }

    async fn watch(&self, position: Position) -> Result<Position, Error> {
        let signal = Signal::new();
        let _subscription = self.entries.bounds_cell().subscribe(&signal, 0);
        loop {
            self.check_open()?;
            let end = self.visible_end();
            if end > position {
                return Ok(end);
            }
            signal.changed().await;
        }
    }

    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error> {
        self.check_open()?;
        let end = self.visible_end();
        if position > end {
            let message = format!("a snapshot at {position} lies beyond the end {end} of {ENTRIES}");
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let mut saved = self.saved.lock().await;
        // Two brokers may save at the same time: an older state that comes late must not hide a newer one.
        let is_late = position < saved.position;
        if !is_late || is_planted("metadata-older-snapshot-wins") {
            let submitted = newest::submit(&*self.snapshots, SNAPSHOTS, offset_at(position).0, &state).await;
            let (at, ticket) = submitted.map_err(|error| refused(SNAPSHOTS, error))?;
            *saved = Saved { position, ticket: ticket.clone() };
            ticket.await.map_err(|error| failed(SNAPSHOTS, error))?;
            newest::forget_older(&*self.snapshots, at).await.map_err(|error| failed(SNAPSHOTS, error))?;
        } else {
            saved.ticket.clone().await.map_err(|error| failed(SNAPSHOTS, error))?;
        }
        Ok(())
    }

    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        self.check_open()?;
        // A save moves the log under a reader's feet; it is short, and reading is rare.
        let _saved = self.saved.lock().await;
        self.newest_snapshot().await
    }

    async fn trim(&self, before: Position) -> Result<(), Error> {
        self.check_open()?;
        if before <= self.start() {
            return Ok(());
        }
        // Read back, not remembered: what a trim takes away is in that snapshot alone.
        let covered = match self.newest_snapshot().await {
            Ok(newest) => newest.map_or(0, |(position, _)| position),
            Err(error) if error.kind() == ErrorKind::Corrupt => 0,
            Err(error) => return Err(error),
        };
        if before > covered && !is_planted("metadata-trim-uncovered") {
            let message = format!("{ENTRIES} cannot be trimmed to {before}: whole snapshots cover it up to {covered}");
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        let before = offset_at(before);
        let trimmed = self.entries.trim_prefix(before, TrimBase { start: before, state: Bytes::new() });
        trimmed.await.map_err(|error| failed(ENTRIES, error))
    }
}
