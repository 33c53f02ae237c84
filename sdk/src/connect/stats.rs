//! What storages count.

#[cfg(any(feature = "disk", feature = "object-store"))]
use std::sync::{Arc, Weak};
use std::sync::{Mutex, PoisonError};

/// What the storage under a client has done since it was opened, for all clients that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageStats {
    /// A directory of the local disk.
    #[cfg(feature = "disk")]
    Disk(ottla_backends::disk::DiskStats),
    /// A prefix of a bucket: its requests, which are what it costs.
    #[cfg(feature = "object-store")]
    Bucket(ottla_backends::bucket::BucketStats),
}

/// A storage that this crate opened, as far as it counts. It is not kept open by that.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// One that counts nothing, or somebody else's.
    Uncounted,
    #[cfg(feature = "disk")]
    Disk(Weak<ottla_backends::disk::DiskStorage>),
    #[cfg(feature = "object-store")]
    Bucket(Weak<ottla_backends::bucket::BucketStorage>),
}

/// A storage that stays open as long as this is held, to be counted at its end.
#[derive(Debug)]
pub(crate) enum Held {
    #[cfg(feature = "disk")]
    Disk(Arc<ottla_backends::disk::DiskStorage>),
    #[cfg(feature = "object-store")]
    Bucket(Arc<ottla_backends::bucket::BucketStorage>),
}

impl Storage {
    fn hold(&self) -> Option<Held> {
        match self {
            Self::Uncounted => None,
            #[cfg(feature = "disk")]
            Self::Disk(storage) => storage.upgrade().map(Held::Disk),
            #[cfg(feature = "object-store")]
            Self::Bucket(storage) => storage.upgrade().map(Held::Bucket),
        }
    }
}

impl Held {
    /// Always some; where nothing counts there is no such value to return.
    fn stats(&self) -> Option<StorageStats> {
        match *self {
            #[cfg(feature = "disk")]
            Self::Disk(ref storage) => Some(StorageStats::Disk(storage.stats())),
            #[cfg(feature = "object-store")]
            Self::Bucket(ref storage) => Some(StorageStats::Bucket(storage.stats())),
        }
    }
}

/// A client's look at what its storage counts, which outlives the storage.
#[derive(Debug)]
pub(crate) struct Counted {
    storage: Storage,
    last: Mutex<Option<StorageStats>>,
}

impl Counted {
    pub(crate) const fn new(storage: Storage) -> Self {
        Self { storage, last: Mutex::new(None) }
    }

    /// Keeps the storage until [`remember`](Self::remember).
    pub(crate) fn hold(&self) -> Option<Held> {
        self.storage.hold()
    }

    /// What it has counted when it was closed.
    pub(crate) fn remember(&self, held: Option<Held>) {
        if let Some(held) = held {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = held.stats();
        }
    }

    pub(crate) fn stats(&self) -> Option<StorageStats> {
        let now = self.hold().and_then(|held| held.stats());
        now.or_else(|| *self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
