//! Where a log's durable batches lie: a sparse index over extents.

use std::collections::VecDeque;

use ottla_broker_core::Offset;

use super::extent::Extent;

/// Beyond this an extent takes no further batch: a look-up reads at most about so much in vain.
pub(super) const EXTENT_BYTES: u32 = 64 << 10;

/// The extents of one log, in order of their offsets, which never overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    extents: VecDeque<Extent>,
}

impl Index {
    pub(crate) fn from_extents(extents: Vec<Extent>) -> Self {
        Self { extents: extents.into() }
    }

    pub(crate) fn extents(&self) -> impl ExactSizeIterator<Item = &Extent> {
        self.extents.iter()
    }

    /// One batch more, as an extent of its own; it joins the last one where it lies right behind it.
    pub(crate) fn push(&mut self, batch: Extent) {
        debug_assert!(
            self.extents.back().is_none_or(|last| last.next <= batch.base),
            "{batch:?} does not follow {:?}",
            self.extents.back()
        );
        if let Some(last) = self.extents.back_mut()
            && last.file == batch.file
            && last.position + u64::from(last.bytes) == batch.position
            && last.bytes.saturating_add(batch.bytes) <= EXTENT_BYTES
        {
            last.next = batch.next;
            last.bytes += batch.bytes;
            last.max_timestamp = last.max_timestamp.max(batch.max_timestamp);
            return;
        }
        self.extents.push_back(batch);
    }

    /// The extents that may hold offsets at or after `from`, in order.
    pub(crate) fn from(&self, from: Offset) -> impl Iterator<Item = &Extent> {
        let first = self.extents.partition_point(|extent| extent.next <= from);
        self.extents.range(first..)
    }

    /// Forgets what ends at or before `start`.
    pub(crate) fn trim(&mut self, start: Offset) {
        while self.extents.pop_front_if(|extent| extent.next <= start).is_some() {}
        self.shrink();
    }

    /// Forgets the batches that end after `end`.
    pub(crate) fn truncate(&mut self, end: Offset) {
        while self.extents.pop_back_if(|extent| extent.base >= end).is_some() {}
        if let Some(last) = self.extents.back_mut() {
            last.next = last.next.min(end);
        }
        self.shrink();
    }

    pub(crate) fn clear(&mut self) {
        self.extents = VecDeque::new();
    }

    /// Puts `moved` in place of the extents that lie in `from_files`: they hold the same batches elsewhere.
    pub(crate) fn replace(&mut self, moved: Vec<Extent>, is_victim: impl Fn(u64) -> bool, start: Offset) {
        let mut all: Vec<Extent> = self.extents.iter().filter(|extent| !is_victim(extent.file)).copied().collect();
        all.extend(moved.into_iter().filter(|extent| extent.next > start));
        all.sort_unstable_by_key(|extent| extent.base);
        debug_assert!(
            all.iter().zip(all.iter().skip(1)).all(|(before, after)| before.next <= after.base),
            "moved extents overlap what stays: {all:?}"
        );
        self.extents = all.into();
    }

    fn shrink(&mut self) {
        if self.extents.len() < self.extents.capacity() / 4 {
            self.extents.shrink_to(self.extents.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests;
