//! What durable backends share: everything but the medium.
//!
//! A backend writes *chunks*: one for each group commit, holding what was pending of all partitions. A chunk
//! is appended to a journal file or put as an object; it reads the same wherever it lies.
//!
//! ```text
//! appends ─► Queue (groups) ─► writer of the backend ─► Chunk on the medium ─► Partition (index, bounds) ─► readers
//! ```

mod checkpoint;
pub(crate) mod chunk;
mod cold;
mod core;
mod extent;
mod handle;
mod index;
mod key;
mod log;
mod medium;
pub(crate) mod over_log;
mod plan;
mod queue;
mod sorter;
mod storage;
mod tail;
#[cfg(test)]
mod testing;

pub(crate) use self::core::{Core, Limits};
pub(crate) use checkpoint::{Checkpoint, FileEntry, FileKind};
pub(crate) use chunk::{
    Directory, Entry, HEADER_BYTES, Header, Items, Run, decode_chunk, decode_directory, decode_front, encode,
    find_later, item_bytes, item_head,
};
pub(crate) use cold::{ColdLimits, Piece, Stretch};
pub(crate) use extent::Extent;
pub(crate) use key::{Key, Space};
pub(crate) use log::{Applied, Log, Saved};
pub(crate) use medium::Medium;
pub(crate) use plan::{Composed, extent};
pub(crate) use queue::{Group, Waiting, Work};
pub(crate) use sorter::{Moving, Sorted, Sorter, Which};
