//! What storages count.

#[cfg(any(feature = "disk", feature = "object-store"))]
use std::sync::Arc;

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

/// A storage that this crate opened, as far as it counts.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// One that counts nothing, or somebody else's.
    Uncounted,
    #[cfg(feature = "disk")]
    Disk(Arc<ottla_backends::disk::DiskStorage>),
    #[cfg(feature = "object-store")]
    Bucket(Arc<ottla_backends::bucket::BucketStorage>),
}

impl Storage {
    pub(crate) fn stats(&self) -> Option<StorageStats> {
        match self {
            Self::Uncounted => None,
            #[cfg(feature = "disk")]
            Self::Disk(storage) => Some(StorageStats::Disk(storage.stats())),
            #[cfg(feature = "object-store")]
            Self::Bucket(storage) => Some(StorageStats::Bucket(storage.stats())),
        }
    }
}
