//! Verifying a log that nobody has open. Nothing is written.
//!
//! ```no_run
//! let report = ottla_backends::disk::check("/var/lib/app/log".as_ref())?;
//! println!("{report}");
//! assert!(report.is_sound());
//! # Ok::<(), ottla_backends::disk::OpenError>(())
//! ```

mod report;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ottla_broker_core::Offset;
use ottla_broker_core::log::{Durability, Error, ErrorKind};
use uuid::Uuid;

use self::scan::{Piece, Scan};
use super::backend::OpenError;
use super::checkpoints;
use super::files::{Files, Lock, LockError, RealFiles};
use super::format::{Checkpoint, FILE_HEADER_BYTES, Name, journal_name};
use super::pool::Pool;
use super::recover::{read, recover};
use super::shelf::{About, Shelf, name};
use super::storage::cold_limits;
use crate::engine::{Core, HEADER_BYTES, Header, Key, Limits, find_later};

pub use report::{Damage, FileKind, FileReport, LogName, LogReport, Report, Torn};

/// Verifies a log directory that nobody has open, and writes nothing: every file's header, every chunk, every batch,
/// the index against the batches, and the checkpoint.
///
/// It reads all of the log once, so it takes as long as that takes, and blocks. Its memory grows with the index, not
/// with the log.
///
/// # Errors
/// [`OpenError::InUse`] if a broker has the directory open, [`OpenError::Directory`] if it is not there or cannot be
/// read. Damage is no error: it is in the [`Report`].
pub fn check(directory: &Path) -> Result<Report, OpenError> {
    let files = RealFiles::existing(directory).map_err(|error| OpenError::directory(directory, error))?;
    let lock = Lock::shared(directory).map_err(|error| match error {
        LockError::Held { .. } => OpenError::InUse { reason: error.to_string() },
        LockError::Io { source, .. } => OpenError::directory(directory, source),
    })?;
    let report = check_files(Arc::new(files), directory).map_err(|error| OpenError::directory(directory, error));
    drop(lock);
    report
}

/// Verifies what is in `files`.
pub(super) fn check_files(files: Arc<dyn Files>, directory: &Path) -> io::Result<Report> {
    let mut report = Report {
        directory: directory.to_owned(),
        storage: Uuid::nil(),
        clean: true,
        checkpoint: None,
        replayed: 0,
        files: Vec::new(),
        logs: Vec::new(),
        torn: Vec::new(),
        orphans: Vec::new(),
        foreign: Vec::new(),
        damage: Vec::new(),
    };
    let shelf = Arc::new(Shelf::new(Arc::clone(&files), Pool::new(0), 0));
    let limits = Limits { group_bytes: 0, pending_bytes: 0, tail_bytes: 0, cold: cold_limits(0) };
    let core = Core::new(Durability::Fsync, limits, Arc::clone(&shelf) as _);
    let newest = checkpoints::newest(&*files)?;
    let decoded = newest.and_then(|(number, bytes)| Some((number, Checkpoint::decode(&bytes).ok()?)));
    if let Some((number, checkpoint)) = &decoded {
        report.checkpoint = Some(*number);
        report.storage = checkpoint.storage;
        report.clean = checkpoint.clean;
    }
    let recovered = match recover(&core, &shelf, Uuid::nil(), false) {
        Ok(recovered) => Some(recovered),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            report.damage.push(refusal(&error));
            None
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    if let (Some(recovered), Some((_, checkpoint))) = (&recovered, &decoded) {
        report.replayed = recovered.next_chunk - checkpoint.next_chunk;
        look_for_torn(&*files, &shelf, checkpoint, recovered.next_chunk, &mut report)?;
    }
    let mut pieces = pieces(&core);
    for (number, about) in shelf.all() {
        let name = name(number, about.kind);
        check_file(&*files, &name, number, about, pieces.entry(number).or_default(), &mut report)?;
    }
    check_logs(&core, &pieces, &mut report);
    let unused = recovered.map(|recovered| recovered.unused).unwrap_or_default();
    for file in files.list()? {
        match Name::parse(&file) {
            Name::Foreign => report.foreign.push(file),
            Name::Temporary => report.orphans.push(file),
            Name::Checkpoint(number) if report.checkpoint.is_some_and(|newest| number < newest) => {
                report.orphans.push(file);
            }
            Name::Journal(_) if unused.contains(&file) => report.orphans.push(file),
            Name::Segment(_) if decoded.is_some() && report.files.iter().all(|known| known.name != file) => {
                report.orphans.push(file);
            }
            _ => {}
        }
    }
    Ok(report)
}

/// Why an opening refuses the directory. Where it says so itself, the file is named in the message.
fn refusal(error: &Error) -> Damage {
    Damage { file: None, position: None, log: None, offset: None, what: format!("an opening refuses it: {error}") }
}

/// What the index has in each file, in the order of the positions.
fn pieces(core: &Core) -> BTreeMap<u64, Vec<Piece>> {
    let mut pieces: BTreeMap<u64, Vec<Piece>> = BTreeMap::new();
    for log in core.logs() {
        for extent in log.saved().extents {
            pieces.entry(extent.file).or_default().push(Piece::new(log.key, extent));
        }
    }
    for pieces in pieces.values_mut() {
        pieces.sort_unstable_by_key(|piece| piece.extent.position);
    }
    pieces
}

fn check_file(
    files: &dyn Files,
    name: &str,
    number: u64,
    about: About,
    pieces: &mut [Piece],
    report: &mut Report,
) -> io::Result<()> {
    let file = files.open(name, false)?;
    let mut scan = Scan {
        name,
        number,
        storage: report.storage,
        about,
        file: &*file,
        pieces,
        damage: &mut report.damage,
        chunks: 0,
        batches: 0,
    };
    scan.run()?;
    let (chunks, batches) = (scan.chunks, scan.batches);
    let live = pieces.iter().map(|piece| u64::from(piece.extent.bytes)).sum();
    let kind = match about.kind {
        super::format::FileKind::Journal => FileKind::Journal,
        super::format::FileKind::Segment => FileKind::Segment,
    };
    report.files.push(FileReport {
        name: name.to_owned(),
        kind,
        bytes: file.size()?,
        used: about.bytes,
        live,
        chunks,
        batches,
    });
    Ok(())
}

/// Each log's pieces in the order of their offsets: do they follow each other, and lie within its bounds?
fn check_logs(core: &Core, pieces: &BTreeMap<u64, Vec<Piece>>, report: &mut Report) {
    let mut by_log: BTreeMap<Key, Vec<&Piece>> = BTreeMap::new();
    for piece in pieces.values().flatten() {
        by_log.entry(piece.key).or_default().push(piece);
    }
    for log in core.logs() {
        let saved = log.saved();
        let mut pieces = by_log.remove(&log.key).unwrap_or_default();
        pieces.sort_unstable_by_key(|piece| piece.extent.base);
        let mut found = LogReport {
            name: log.key.into(),
            epoch: saved.epoch,
            start: saved.start,
            end: saved.end,
            batches: 0,
            bytes: 0,
            gaps: 0,
            extents: pieces.len(),
        };
        let mut tell = |file: u64, offset: Offset, what: String| {
            let what = format!("{what}, in file {file}");
            let log = Some(found.name);
            report.damage.push(Damage { file: None, position: None, log, offset: Some(offset), what });
        };
        let mut next: Option<Offset> = None;
        for piece in pieces {
            let extent = piece.extent;
            if extent.next <= saved.start || extent.next > saved.end || extent.next <= extent.base {
                let what = format!("the index has offsets {} to {} outside the log", extent.base, extent.next);
                tell(extent.file, extent.base, what);
            }
            if next.is_some_and(|next| extent.base < next) {
                tell(extent.file, extent.base, format!("the index has offset {} twice", extent.base));
            }
            found.gaps += piece.seen.gaps + u64::from(next.is_some_and(|next| next < extent.base));
            next = Some(extent.next);
            if piece.is_whole() {
                found.batches += piece.seen.batches;
            }
            found.bytes += u64::from(extent.bytes);
        }
        report.logs.push(found);
    }
}

/// What lies behind the end of the log and belongs to its chain: it was being written when all ended.
fn look_for_torn(
    files: &dyn Files,
    shelf: &Shelf,
    checkpoint: &Checkpoint,
    next_chunk: u64,
    report: &mut Report,
) -> io::Result<()> {
    if checkpoint.clean {
        return Ok(());
    }
    let known: BTreeMap<u64, About> = shelf.all().into_iter().collect();
    let closed = |number| checkpoint.files.iter().any(|file| file.number == number && file.closed);
    for file in files.list()? {
        let Name::Journal(number) = Name::parse(&file) else { continue };
        let listed = number >= checkpoint.next_file || checkpoint.files.iter().any(|known| known.number == number);
        if closed(number) || !listed {
            continue;
        }
        let file = files.open(&journal_name(number), false)?;
        let from = known.get(&number).map_or(0, |about| about.bytes);
        let position = from.max(FILE_HEADER_BYTES as u64);
        let rest = usize::try_from(file.size()?.saturating_sub(position)).map_err(io::Error::other)?;
        let rest = read(&*file, position, rest)?;
        // A header that was written whole tells its chunk; one that was not looks like nothing.
        let torn = Header::parse(rest.get(..HEADER_BYTES).unwrap_or_default())
            .ok()
            .filter(|header| header.incarnation == checkpoint.incarnation && header.number >= next_chunk)
            .or_else(|| find_later(&rest, checkpoint.incarnation, next_chunk).map(|(_, header)| header));
        if let Some(header) = torn {
            report.torn.push(Torn { file: journal_name(number), position, chunk: header.number });
        }
    }
    Ok(())
}
