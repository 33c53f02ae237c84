//! Keeping replay short: the live records written once more, between two marks.
//!
//! ```text
//! ───────────────┃begin│ g1 g1 │ live │ g2 g3 g3 │ live live │ g4 │end┃── live ──►
//!  may be trimmed, once `end` is committed
//! ```
//!
//! The log is last-write-wins by key, so a snapshot need not stop the world: it goes through the groups in
//! order, some at a time, and writes each as it is *then*. What was written of a group between the begin
//! and its own place is older than its place, and what comes after is newer; both replay rightly.
//! What must hold is only that every key that lives at the end was written after the begin.

use super::Shard;
use crate::api::group::{GroupId, OffsetsKey, SnapshotMark};
use crate::coordinator::group::{Context, Effects};

/// How far a snapshot has come: which number it has, and the last group that it wrote.
#[derive(Debug)]
pub(super) struct Progress {
    id: u64,
    last: Option<GroupId>,
    /// Records before its begin, which stay in the log if it is given up.
    before: u64,
}

/// What a step of a snapshot has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotStep {
    /// The mark before it: trim to *its* offset once the end is committed.
    Begin,
    /// Some groups.
    Groups,
    /// The mark after it.
    End,
}

/// Bytes of a step, about: a decision must not take long.
const STEP_BYTES: usize = 64 << 10;

impl Shard {
    /// Whether the log has grown enough for a snapshot to be worth its writes.
    pub(crate) fn wants_snapshot(&self, cx: &Context<'_>) -> bool {
        self.snapshot.is_none()
            && self.records_since_snapshot >= cx.config.snapshot_after_records.max(self.live_records.saturating_mul(2))
    }

    /// The next step. Its records must be appended before the shard decides anything else.
    pub(crate) fn snapshot_step(&mut self, fresh_id: u64, effects: &mut Effects) -> SnapshotStep {
        let Some(progress) = &mut self.snapshot else {
            let before = std::mem::take(&mut self.records_since_snapshot);
            self.snapshot = Some(Progress { id: fresh_id, last: None, before });
            effects.write(OffsetsKey::Snapshot(SnapshotMark::Begin), Some(SnapshotMark::encode_id(fresh_id)));
            return SnapshotStep::Begin;
        };
        let after = progress.last.as_ref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut bytes = 0;
        let mut last = None;
        for (id, group) in self.groups.range::<GroupId, _>((after, std::ops::Bound::Unbounded)) {
            let written = effects.records.len();
            group.rewrite(effects);
            bytes += effects
                .records
                .iter()
                .skip(written)
                .map(|r| r.value.as_ref().map_or(0, bytes::Bytes::len) + 64)
                .sum::<usize>();
            last = Some(id.clone());
            if bytes >= STEP_BYTES {
                break;
            }
        }
        if last.is_some() {
            progress.last = last;
            return SnapshotStep::Groups;
        }
        let id = SnapshotMark::encode_id(progress.id);
        effects.write(OffsetsKey::Snapshot(SnapshotMark::End), Some(id));
        self.snapshot = None;
        SnapshotStep::End
    }

    /// Gives up a snapshot that was begun: another one will start from its own begin.
    pub(crate) fn abandon_snapshot(&mut self) {
        if let Some(progress) = self.snapshot.take() {
            self.records_since_snapshot = self.records_since_snapshot.saturating_add(progress.before);
        }
    }
}
