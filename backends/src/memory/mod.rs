//! Everything in this process's memory.
//!
//! [`MemoryStorage`] keeps batches as they came: an append is one push of shared bytes, a read clones
//! references. Nothing survives the process, but the storage survives the broker on top of it:
//! [`MemoryStorage::reopen`] gives a new session on the same logs, as a restarted process would have it.
//!
//! For tests and simulations, [`Commit::Manual`] holds appends back from durability until they are
//! told, and [`MemoryStorage::crash`] loses some of them.

mod backend;
mod metadata;
pub mod network;
mod options;
mod snapshots;
mod storage;

pub use backend::{MemoryBackend, backend};
pub use metadata::MemoryMetadataLog;
pub use options::{Commit, Keep, MemoryOptions};
pub use snapshots::MemorySnapshots;
pub use storage::MemoryStorage;
