//! Where a log's batches lie, for whoever moves them or lets go of them.

use ottla_broker_core::Offset;
use ottla_broker_core::planted::is_planted;

use super::Log;
use crate::engine::extent::Extent;
use crate::engine::tail::cost;

/// A log's extents in some files, to be moved.
#[derive(Clone, Debug)]
pub(crate) struct Stretches {
    /// As of which rewrite of the log.
    pub(crate) rewrites: u64,
    /// Neighbours in the log's order. Between two stretches lies something that stays where it is: their batches must
    /// not be joined.
    pub(crate) stretches: Vec<Vec<Extent>>,
}

impl Log {
    /// Whether anything durable up to `through` is in memory.
    pub(crate) fn holds(&self, through: Offset) -> bool {
        self.lock().tail.front().is_some_and(|batch| batch.next_offset() <= through)
    }

    /// Forgets durable batches up to `through` that are in memory; says how much room that gave.
    pub(crate) fn evict(&self, through: Offset) -> usize {
        let mut state = self.lock();
        // A reset may have brought the offsets down since `through` was durable.
        let through =
            if is_planted("tail-evicts-not-durable") { through } else { through.min(state.bounds.durable_end) };
        let mut freed = 0;
        while let Some(batch) = state.tail.pop_front_if(|batch| batch.next_offset() <= through) {
            freed += cost(&batch);
        }
        if state.tail.len() < state.tail.capacity() / 4 {
            let keep = state.tail.len() * 2;
            state.tail.shrink_to(keep);
        }
        freed
    }

    /// The files that hold its batches, some perhaps more than once.
    pub(crate) fn files(&self) -> Vec<u64> {
        let mut files: Vec<_> = self.lock().index.extents().map(|extent| extent.file).collect();
        files.dedup();
        files
    }

    /// All of its extents.
    pub(crate) fn extents(&self) -> Vec<Extent> {
        self.lock().index.extents().copied().collect()
    }

    /// The extents that lie in some files.
    pub(crate) fn extents_in(&self, is_in: impl Fn(u64) -> bool) -> Stretches {
        let state = self.lock();
        let mut stretches: Vec<Vec<Extent>> = Vec::new();
        let mut apart = true;
        for extent in state.index.extents() {
            if !is_in(extent.file) {
                apart = !is_planted("compaction-joins-over-what-stays");
                continue;
            }
            match stretches.last_mut().filter(|_| !apart) {
                Some(stretch) => stretch.push(*extent),
                None => stretches.push(vec![*extent]),
            }
            apart = false;
        }
        Stretches { rewrites: state.rewrites, stretches }
    }

    /// Its batches were moved; false if the log was rewritten meanwhile, and they stay where they were.
    pub(crate) fn moved(&self, rewrites: u64, extents: Vec<Extent>, is_victim: impl Fn(u64) -> bool) -> bool {
        let mut state = self.lock();
        if state.rewrites != rewrites && !is_planted("compaction-forgets-truncation") {
            return false;
        }
        // As of what was applied: a reset that waits shows in the bounds already, and the index is still that of before.
        let start = state.kept.start;
        state.index.replace(extents, is_victim, start);
        true
    }
}
