//! What an acknowledged write has reached.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The medium that holds an acknowledged record: what would have to be lost to lose it.
///
/// Ordered from the weakest: `Memory < OsBuffer < Fsync < ObjectStore`; `Unknown` is below all,
/// because nothing may be concluded from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Durability {
    /// A broker that is not ours did not say.
    Unknown,
    /// This process's memory.
    Memory,
    /// The operating system's page cache: survives the process, not the machine.
    OsBuffer,
    /// The disk's medium, synced.
    Fsync,
    /// An object store's answer to a PUT.
    ObjectStore,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Memory => "memory",
            Self::OsBuffer => "os-buffer",
            Self::Fsync => "fsync",
            Self::ObjectStore => "object-store",
        })
    }
}
