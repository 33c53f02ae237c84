//! Where a piece of a partition lies.

use ottla_broker_core::Offset;

/// Consecutive batches of one partition that lie next to each other in one file (or object).
///
/// An extent is also a point of the sparse index: whoever looks for an offset reads from the beginning of the
/// extent that holds it, so an extent is kept small (some 64 KiB, or one batch that is larger).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The base offset of its first batch.
    pub(crate) base: Offset,
    /// One past its last offset. A truncation lowers it: what lies behind is not part of the log.
    pub(crate) next: Offset,
    /// The number of the file that holds it.
    pub(crate) file: u64,
    /// Where in the file its first item begins.
    pub(crate) position: u64,
    /// Bytes of its items.
    pub(crate) bytes: u32,
    /// The greatest timestamp of its batches.
    pub(crate) max_timestamp: i64,
}
