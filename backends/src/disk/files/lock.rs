//! The lock against a second process.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ottla_broker_core::planted::is_planted;
use tokio::sync::watch;

use crate::disk::format::LOCK_NAME as NAME;

/// Holds a directory until it is dropped, or its process dies.
///
/// The lock is advisory and belongs to this opening of the file (`flock`), so it refuses a second opening in
/// the same process too. On a network file system, where the lock may be one on bytes and belong to the
/// process, only other processes are refused.
#[derive(Debug)]
#[must_use = "the directory is free again when this is dropped"]
pub(crate) struct Lock {
    /// Before `hold`: fields are dropped in this order.
    _file: fs::File,
    hold: Option<watch::Sender<()>>,
}

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Somebody else has it open.
    #[error("{} is in use{}", .directory.display(), describe(*.owner))]
    Held {
        /// The directory.
        directory: PathBuf,
        /// The process that said it was the owner. None where none did: it may have had no time yet.
        owner: Option<u32>,
    },
    /// The lock's file could not be opened, locked or written.
    #[error("could not lock {}", .directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Takes a directory for writing.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] at once where anybody holds it, to write or to check.
    pub(crate) fn exclusive(directory: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { directory: directory.to_owned(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join(NAME));
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if is_planted("directory-lock-ignored") => {}
            Err(TryLockError::WouldBlock) => return Err(held(directory, &mut file)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        sign(&mut file).map_err(failed)?;
        Ok(Self { _file: file, hold: None })
    }

    /// Drops `hold` when the directory is free again, so that somebody can wait for that.
    pub(crate) fn tell(self, hold: watch::Sender<()>) -> Self {
        Self { hold: Some(hold), ..self }
    }

    /// Whether somebody is told when the directory is free again.
    pub(crate) fn tells(&self) -> bool {
        self.hold.is_some()
    }

    /// Takes a directory for checking: others may check it too, but nobody may write. Writes nothing, and so
    /// works on a directory that is read-only. None where there is no lock's file: nobody ever wrote there.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] where somebody holds it to write.
    pub(crate) fn shared(directory: &Path) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Io { directory: directory.to_owned(), source };
        let mut file = match OpenOptions::new().read(true).open(directory.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: file, hold: None })),
            Err(TryLockError::WouldBlock) => Err(held(directory, &mut file)),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Writes who holds the lock, for the message of whoever comes second.
fn sign(file: &mut fs::File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn held(directory: &Path, file: &mut fs::File) -> LockError {
    let mut text = String::new();
    // Only for the message: a text that cannot be read names nobody. It may be anybody's file, so not all of it.
    let read = file.take(32).read_to_string(&mut text);
    let owner = read.ok().and_then(|_| text.trim().parse().ok());
    LockError::Held { directory: directory.to_owned(), owner }
}

fn describe(owner: Option<u32>) -> String {
    owner.map_or_else(String::new, |owner| format!(" by process {owner}"))
}

#[cfg(test)]
mod tests;
