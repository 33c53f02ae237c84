//! What of a partition the destination has already.

use super::error::Side;
use crate::ids::Offset;
use crate::log::{Bounds, PartitionReader, TrimBase};
use crate::planted::is_planted;
use crate::record::Batch;

/// Where a source's log begins and ends, and what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: Offset,
    /// One past the last durable offset.
    pub(super) end: Offset,
    pub(super) base: TrimBase,
    /// Where the first batch begins: below `start` if it straddles that; `start` where there is none.
    pub(super) first: Offset,
}

/// What went wrong, and on which side.
pub(super) type Failed = (Side, crate::log::Error);

impl Extent {
    pub(super) async fn of(log: &dyn PartitionReader) -> Result<Self, crate::log::Error> {
        let Bounds { start, durable_end: end, .. } = log.bounds();
        let base = log.trim_base().await?;
        let first = match start < end {
            true => log.read(start, end, 1).await?.first().map(Batch::base_offset),
            false => None,
        };
        Ok(Self { start, end, base, first: first.map_or(start, |first| first.min(start)) })
    }

    /// Whether a log that holds nothing is as an empty copy of this one is at first.
    pub(super) fn is_begun_by(&self, bounds: Bounds, base: &TrimBase) -> bool {
        bounds == Bounds::empty_at(self.first) && *base == self.base
    }
}

/// Whether what `to` holds is the beginning of `from`: then it is gone on with.
///
/// Where two logs have the same batch of the same leader epoch at an offset, all before it is the same too, so the last
/// one decides.
pub(super) async fn is_beginning(
    extent: &Extent,
    from: &dyn PartitionReader,
    to: &dyn PartitionReader,
) -> Result<bool, Failed> {
    let here = to.bounds();
    // Also when the source has lost or trimmed all of it since.
    if here.start > extent.start || here.end > extent.end || here.end <= extent.start {
        return Ok(false);
    }
    let base = to.trim_base().await.map_err(|error| (Side::Destination, error))?;
    if here.start == extent.start && base != extent.base {
        return Ok(false);
    }
    let last = to.read(Offset(here.end.0 - 1), here.end, 1).await.map_err(|error| (Side::Destination, error))?;
    // None: it ends with a gap, which cannot be told from another.
    let Some(last) = last.first() else { return Ok(false) };
    if is_planted("copy-resumes-without-looking") {
        return Ok(true);
    }
    let at = last.base_offset().max(extent.start);
    let original = from.read(at, here.end, 1).await.map_err(|error| (Side::Source, error))?;
    Ok(original.first().is_some_and(|original| original.prefix() == last.prefix() && original.body() == last.body()))
}
