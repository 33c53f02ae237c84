//! A directory as a [`Backend`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Backend, Error, MetadataLog, SnapshotStore};
use tokio::sync::watch;

use super::check::Report;
use super::files::{Lock, LockError, RealFiles};
use super::options::DiskOptions;
use super::storage::{DiskStorage, Runner, off_runtime};

/// All that a broker stores into, in one directory.
#[derive(Clone, Debug)]
pub struct DiskBackend {
    logs: Arc<DiskStorage>,
    metadata: Arc<dyn MetadataLog>,
    snapshots: Arc<dyn SnapshotStore>,
}

/// Why a directory could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or this one, has it open already.
    #[error("{reason}: only one broker may write to a directory at a time")]
    InUse {
        /// Which directory, and the process that has it as far as it is known.
        reason: String,
    },
    /// The directory cannot be made, read or written.
    #[error("{} cannot be used: {source}", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why: the operating system's error.
        source: Arc<io::Error>,
    },
    /// What is in the directory cannot be used as it is.
    #[error("the log in {} cannot be opened: {source}", .directory.display())]
    Log {
        /// The directory.
        directory: PathBuf,
        /// What is wrong. `Corrupt`: nothing was changed.
        source: Error,
    },
}

impl OpenError {
    pub(super) fn directory(directory: &Path, error: io::Error) -> Self {
        Self::Directory { directory: directory.to_owned(), source: Arc::new(error) }
    }
}

impl DiskBackend {
    /// Opens a directory, and makes it where there is none.
    ///
    /// Recovers on a thread of its own: it reads the journal that was written since the last checkpoint, at most some
    /// hundred megabytes after a crash and next to nothing after a clean end.
    ///
    /// # Errors
    /// [`OpenError`]. A damaged log is not changed.
    pub async fn open(directory: impl AsRef<Path>, options: DiskOptions, env: &Env) -> Result<Self, OpenError> {
        Self::open_as(directory.as_ref(), options, env, None).await
    }

    /// As [`open`](Self::open), for who opens the same directory again and does not want to meet itself: `hold` is
    /// dropped when the directory is free again, or was never taken, even if this future was dropped in the midst.
    /// In return, dropping the backend does not wait for a write that is under way.
    ///
    /// # Errors
    /// [`OpenError`]. A damaged log is not changed.
    pub async fn open_held(
        directory: impl AsRef<Path>,
        options: DiskOptions,
        env: &Env,
        hold: watch::Sender<()>,
    ) -> Result<Self, OpenError> {
        Self::open_as(directory.as_ref(), options, env, Some(hold)).await
    }

    /// The directory's real path, without links and dots: two that name one directory have the same. Makes the
    /// directory where there is none.
    ///
    /// # Errors
    /// [`OpenError::Directory`]: there is something else, or it cannot be made.
    pub async fn locate(directory: impl AsRef<Path>) -> Result<PathBuf, OpenError> {
        let directory = directory.as_ref().to_owned();
        let place = directory.clone();
        let located = off_runtime("ottla-locate", move || {
            let real = RealFiles::open(&place).and_then(|_| place.canonicalize());
            real.map_err(|error| OpenError::directory(&place, error))
        });
        located.await.map_err(|source| OpenError::Log { directory, source })?
    }

    /// As [`locate`](Self::locate), of a directory that is there: none is made.
    ///
    /// # Errors
    /// [`OpenError::Directory`]: there is none, or something else.
    pub async fn find(directory: impl AsRef<Path>) -> Result<PathBuf, OpenError> {
        let directory = directory.as_ref().to_owned();
        let place = directory.clone();
        let found = off_runtime("ottla-find", move || {
            place.canonicalize().map_err(|error| OpenError::directory(&place, error))
        });
        found.await.map_err(|source| OpenError::Log { directory, source })?
    }

    /// As [`check`](super::check()), on a thread of its own. A check that nobody waits for any more still ends by itself.
    ///
    /// # Errors
    /// As [`check`](super::check()).
    pub async fn check(directory: impl AsRef<Path>) -> Result<Report, OpenError> {
        let directory = directory.as_ref().to_owned();
        let place = directory.clone();
        let checked = off_runtime("ottla-check", move || super::check(&place));
        checked.await.map_err(|source| OpenError::Log { directory, source })?
    }

    async fn open_as(
        directory: &Path,
        options: DiskOptions,
        env: &Env,
        hold: Option<watch::Sender<()>>,
    ) -> Result<Self, OpenError> {
        let directory = directory.to_owned();
        let (name, place) = (env.uuid(), directory.clone());
        let opened = off_runtime("ottla-open", move || {
            let files = RealFiles::open(&place).map_err(|error| OpenError::directory(&place, error))?;
            let lock = Lock::exclusive(&place).map_err(|error| match error {
                LockError::Held { .. } => OpenError::InUse { reason: error.to_string() },
                LockError::Io { source, .. } => OpenError::directory(&place, source),
            })?;
            let lock = match hold {
                Some(hold) => lock.tell(hold),
                None => lock,
            };
            DiskStorage::open(Arc::new(files), options, name, Some(lock), Runner::Threads)
                .map_err(|source| OpenError::Log { directory: place, source })
        });
        let wrap = |source| OpenError::Log { directory: directory.clone(), source };
        Self::over(opened.await.map_err(wrap)??).await.map_err(wrap)
    }

    /// With a storage that is open.
    pub(super) async fn over(logs: DiskStorage) -> Result<Self, Error> {
        Self::sharing(Arc::new(logs)).await
    }

    /// With a storage that somebody else looks after, too.
    pub(super) async fn sharing(logs: Arc<DiskStorage>) -> Result<Self, Error> {
        let metadata = logs.core.open_metadata().await?;
        let snapshots = logs.core.snapshots();
        Ok(Self { logs, metadata: Arc::new(metadata), snapshots: Arc::new(snapshots) })
    }

    /// The partitions' logs.
    #[must_use]
    pub fn logs(&self) -> &Arc<DiskStorage> {
        &self.logs
    }

    /// As a broker takes it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend {
            logs: Arc::clone(&self.logs) as _,
            metadata: Arc::clone(&self.metadata),
            snapshots: Arc::clone(&self.snapshots),
        }
    }
}
