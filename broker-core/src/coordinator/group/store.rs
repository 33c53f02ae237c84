//! The group's own record.

use super::Group;
use super::context::{Context, Effects};
use crate::api::group::{Generation, GroupMemberValue, GroupState, GroupValue, OffsetsKey};
use crate::api::{Error, ErrorCode};

fn millis(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

impl Group {
    fn value(&self) -> GroupValue {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: Some(self.state_since_ms),
            members: self
                .members
                .iter()
                .map(|(id, member)| GroupMemberValue {
                    member: id.clone(),
                    instance: member.instance.clone(),
                    client_id: member.client_id.clone(),
                    client_host: member.client_host.clone(),
                    rebalance_timeout_ms: millis(member.rebalance_timeout),
                    session_timeout_ms: millis(member.session_timeout),
                    subscription: member.metadata(protocol),
                    assignment: member.assignment.clone(),
                })
                .collect(),
        }
    }

    /// Writes the group as it is now.
    ///
    /// # Errors
    /// When the record would be larger than its log takes; nothing is written.
    pub(super) fn store(&mut self, cx: &Context<'_>, effects: &mut Effects) -> Result<(), Error> {
        let refused = |why: String| Error::new(ErrorCode::UnknownServerError, why);
        let value = self.value().encode().map_err(|too_long| refused(format!("group {}: {too_long}", self.id)))?;
        let size = value.len().saturating_add(self.id.as_str().len());
        if size > cx.max_record_bytes {
            return Err(refused(format!(
                "the record of group {} would have {size} bytes, and its log takes {}: use fewer members, or assignments \
                 and subscriptions that are shorter",
                self.id, cx.max_record_bytes
            )));
        }
        effects.write(OffsetsKey::Group(self.id.clone()), Some(value.clone()));
        self.stored = Some(value);
        Ok(())
    }

    /// Deletes all its records. The caller drops the group.
    pub(crate) fn erase(&mut self, effects: &mut Effects) {
        for partition in std::mem::take(&mut self.offsets).into_keys() {
            effects.write(OffsetsKey::Offset(self.id.clone(), partition), None);
        }
        if self.stored.take().is_some() {
            effects.write(OffsetsKey::Group(self.id.clone()), None);
        }
    }

    /// Writes all its live records once more, as they are in the log.
    pub(crate) fn rewrite(&self, effects: &mut Effects) {
        if let Some(value) = &self.stored {
            effects.write(OffsetsKey::Group(self.id.clone()), Some(value.clone()));
        }
        for (partition, value) in &self.offsets {
            // What was decoded from a record, or checked before it became one, encodes again.
            if let Ok(value) = value.encode() {
                effects.write(OffsetsKey::Offset(self.id.clone(), partition.clone()), Some(value));
            }
        }
    }

    /// How many live records it has.
    pub(crate) fn live_records(&self) -> u64 {
        self.offsets.len() as u64 + u64::from(self.stored.is_some())
    }

    /// What of it is in the log: equal for a group that lived through its records and one that replayed them.
    #[cfg(test)]
    pub(crate) fn durable(
        &self,
    ) -> (Option<bytes::Bytes>, Vec<(crate::ids::TopicPartition, crate::api::group::OffsetValue)>) {
        (self.stored.clone(), self.offsets.iter().map(|(p, v)| (p.clone(), v.clone())).collect())
    }

    /// Nobody is left: a generation without members, which old ones cannot commit in.
    pub(super) fn become_empty(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        self.generation = Generation::next(self.generation);
        self.protocol = None;
        self.leader = None;
        self.joining = None;
        self.sync_deadline = None;
        self.subscribed = Some(std::collections::BTreeSet::new());
        self.transition(GroupState::Empty, cx);
        if let Err(error) = self.store(cx, effects) {
            // Without members the record is a few bytes and the group's name, which a join has checked.
            tracing::error!(group = %self.id, %error, "an empty group could not be stored");
        }
    }
}
