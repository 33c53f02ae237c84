//! What a check found.

use std::fmt;
use std::path::PathBuf;

use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};
use uuid::Uuid;

use crate::engine::{Key, Space};

/// What a directory holds, and what is wrong with it. `Display` is a page for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The directory.
    pub directory: PathBuf,
    /// The id of the storage; nil if nothing was ever stored.
    pub storage: Uuid,
    /// Whether the log was closed, so that an opening need not replay the journal.
    pub clean: bool,
    /// The checkpoint that an opening starts from; `None` if there is none.
    pub checkpoint: Option<u64>,
    /// Chunks that an opening replays: those written after the checkpoint.
    pub replayed: u64,
    /// The files of the log, in the order of their numbers.
    pub files: Vec<FileReport>,
    /// The logs: partitions by topic id, snapshots, and the cluster's metadata.
    pub logs: Vec<LogReport>,
    /// What an opening would drop: what was being written when the machine or the process ended. None of it was ever
    /// acknowledged.
    pub torn: Vec<Torn>,
    /// Our files that nothing refers to. The next opening removes or reuses them.
    pub orphans: Vec<String>,
    /// Files with names that are none of ours. They are left alone.
    pub foreign: Vec<String>,
    /// What is wrong.
    pub damage: Vec<Damage>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileKind {
    /// Chunks in the order in which they were written.
    Journal,
    /// Batches sorted by log.
    Segment,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: FileKind,
    /// Its size, in bytes; journal files are allocated ahead.
    pub bytes: u64,
    /// Bytes that were written.
    pub used: u64,
    /// Bytes of batches that are part of a log still.
    pub live: u64,
    /// Chunks that were read, all of their bytes.
    pub chunks: u64,
    /// Batches that were read, also those that are no part of a log any more.
    pub batches: u64,
}

/// Which log. Storage knows topics by their ids only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogName {
    /// A partition's records.
    Records(PartitionId),
    /// The snapshots of the partition of this id.
    Snapshots(PartitionId),
    /// One of the logs of the cluster's metadata: 0 holds its entries, 1 snapshots of them.
    Metadata(i32),
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// Which.
    pub name: LogName,
    /// The newest leader epoch that it was opened at.
    pub epoch: LeaderEpoch,
    /// The log start offset.
    pub start: Offset,
    /// The log end offset: one past the last record.
    pub end: Offset,
    /// Batches that were read and are part of it.
    pub batches: u64,
    /// Bytes of these batches, as they lie in the files.
    pub bytes: u64,
    /// Places where offsets are skipped. Nothing is wrong with that: compaction and copies leave gaps.
    pub gaps: u64,
    /// Pieces that the index knows.
    pub extents: usize,
}

/// What an opening would drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub file: String,
    /// Where the log ends in it, in bytes.
    pub position: u64,
    /// The number of the first chunk that is not whole.
    pub chunk: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file; `None` for what concerns the directory as a whole.
    pub file: Option<String>,
    /// The byte of the file from which on it is damaged.
    pub position: Option<u64>,
    /// The log that it hits, if it is known.
    pub log: Option<LogName>,
    /// The first offset that is lost there, if it is known.
    pub offset: Option<Offset>,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// Whether all that was acknowledged is there and whole. What an opening would [drop](Report::torn) never was
    /// acknowledged, and does not count; nor do orphans and foreign files.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

impl From<Key> for LogName {
    fn from(key: Key) -> Self {
        match key.space {
            Space::Records => Self::Records(key.id),
            Space::Snapshots => Self::Snapshots(key.id),
            Space::Metadata => Self::Metadata(key.id.partition),
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Journal => "journal",
            Self::Segment => "segment",
        })
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(id) => write!(f, "topic {} partition {}", id.topic, id.partition),
            Self::Snapshots(id) => write!(f, "snapshots of topic {} partition {}", id.topic, id.partition),
            Self::Metadata(0) => f.write_str("cluster metadata"),
            Self::Metadata(1) => f.write_str("snapshots of the cluster metadata"),
            Self::Metadata(other) => write!(f, "cluster metadata, log {other}"),
        }
    }
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, epoch, start, end, batches, bytes, gaps, extents } = self;
        write!(f, "{name}: offsets {start} to {end}, leader epoch {epoch}, {batches} batches, {bytes} bytes in ")?;
        write!(f, "{extents} pieces")?;
        if *gaps > 0 { write!(f, ", {gaps} gaps") } else { Ok(()) }
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, bytes, used, live, chunks, batches, .. } = self;
        let share = (u128::from(*live) * 100).checked_div(u128::from(*used)).unwrap_or(0);
        write!(f, "{name}: {chunks} chunks, {batches} batches, {used} of {bytes} bytes used, {live} live ({share} %)")
    }
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, position, chunk } = self;
        write!(f, "{file}, byte {position}: chunk {chunk} was not written whole")
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            if let Some(position) = self.position {
                write!(f, ", byte {position}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if let Some(log) = self.log {
            write!(f, "; {log}")?;
            if let Some(offset) = self.offset {
                write!(f, ", from offset {offset} on")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: storage {}", self.directory.display(), self.storage)?;
        match self.checkpoint {
            Some(number) if self.clean => writeln!(f, "closed; checkpoint {number}")?,
            Some(number) => {
                writeln!(f, "not closed; an opening replays {} chunks after checkpoint {number}", self.replayed)?;
            }
            None => writeln!(f, "nothing was stored yet")?,
        }
        for kind in [FileKind::Journal, FileKind::Segment] {
            let files: Vec<_> = self.files.iter().filter(|file| file.kind == kind).collect();
            let sum = |of: fn(&FileReport) -> u64| files.iter().map(|file| of(file)).sum::<u64>();
            let (bytes, used, live) = (sum(|file| file.bytes), sum(|file| file.used), sum(|file| file.live));
            writeln!(f, "\n{kind} files: {}, {used} of {bytes} bytes used, {live} live", files.len())?;
            list(f, &files)?;
        }
        writeln!(f, "\nlogs: {}", self.logs.len())?;
        list(f, &self.logs)?;
        section(f, "an opening drops", &self.torn)?;
        section(f, "orphans, which the next opening removes or reuses", &self.orphans)?;
        section(f, "foreign files, which are left alone", &self.foreign)?;
        section(f, "damage", &self.damage)?;
        f.write_str(if self.is_sound() { "\nsound" } else { "\nDAMAGED" })
    }
}

fn section<T: fmt::Display>(f: &mut fmt::Formatter<'_>, title: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}: {}", items.len())?;
    list(f, items)
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    items.iter().try_for_each(|item| writeln!(f, "  {item}"))
}
