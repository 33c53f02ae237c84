//! A shard from its records.

use bytes::Bytes;

use super::Shard;
use crate::api::group::{DecodeError, GroupId, GroupValue, OffsetValue, OffsetsKey, SnapshotMark};
use crate::coordinator::group::{Context, Effects, Group};

impl Shard {
    /// Takes one record, in the order of the log. The last of a key counts, so a log whose prefix is gone
    /// replays to the same state as long as each live key is written behind it.
    ///
    /// # Errors
    /// When it cannot be read; nothing has changed then, and the caller goes on with the next.
    pub(crate) fn replay(&mut self, cx: &Context<'_>, key: &Bytes, value: Option<&Bytes>) -> Result<(), DecodeError> {
        self.records_since_snapshot += 1;
        match OffsetsKey::decode(key)? {
            OffsetsKey::Offset(id, partition) => {
                let value = value.map(OffsetValue::decode).transpose()?;
                self.replay_into(cx, id, |group| group.replay_offset(partition, value));
            }
            OffsetsKey::Group(id) => {
                // Read here so that a record which cannot be read never takes the place of one that can.
                value.map(GroupValue::decode).transpose()?;
                self.replay_into(cx, id, |group| group.replay_group(value.cloned()));
            }
            OffsetsKey::Snapshot(mark) => {
                let id = value.map(SnapshotMark::decode_id).transpose()?;
                match (mark, self.replayed_begin) {
                    (SnapshotMark::Begin, _) => {
                        self.replayed_begin = id.map(|id| (id, self.records_since_snapshot));
                    }
                    // What precedes the begin may be trimmed, and counts no more.
                    (SnapshotMark::End, Some((begun, before))) if id == Some(begun) => {
                        self.records_since_snapshot = self.records_since_snapshot.saturating_sub(before);
                    }
                    // The begin is trimmed, or another leader broke the snapshot off: then it is nothing.
                    (SnapshotMark::End, _) => {}
                }
            }
            OffsetsKey::Unknown(_) => {}
        }
        Ok(())
    }

    fn replay_into(&mut self, cx: &Context<'_>, id: GroupId, take: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(id.clone()).or_insert_with(|| Group::new(id.clone(), cx.wall_ms));
        let live_before = group.live_records();
        take(group);
        self.live_records = (self.live_records + group.live_records()).saturating_sub(live_before);
        if group.is_vacant() {
            self.groups.remove(&id);
        }
    }

    /// Begins to serve: after the last record.
    pub(crate) fn resume(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        let ids: Vec<GroupId> = self.groups.keys().cloned().collect();
        for id in ids {
            let resumed = self.with(&id, effects, |group, effects| group.resume(cx, effects));
            if let Some(Err(error)) = resumed {
                tracing::error!(group = %id, %error, "the group's record was readable a moment ago");
            }
        }
        self.sweep = Some((cx.now + cx.config.offsets_retention_check, None));
    }
}
