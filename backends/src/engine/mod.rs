//! What durable backends share: everything but the medium.
//!
//! A backend writes *chunks*: one for each group commit, holding what was pending of all partitions. A chunk
//! is appended to a journal file or put as an object; it reads the same wherever it lies.
//!
//! ```text
//! appends ─► Queue (groups) ─► writer of the backend ─► Chunk on the medium ─► Partition (index, bounds) ─► readers
//! ```

mod chunk;
mod extent;
mod key;
#[allow(dead_code, unused_imports, reason = "the disk backend opens these over its own logs")]
pub(crate) mod over_log;

pub(crate) use extent::Extent;
pub(crate) use key::{Key, Space};
