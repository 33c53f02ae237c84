//! A group as its records tell it.

use std::time::Duration;

use bytes::Bytes;

use super::context::{Context, Effects};
use super::{Group, Member};
use crate::api::group::{DecodeError, GroupMemberValue, GroupProtocol, GroupState, GroupValue, OffsetValue};
use crate::ids::TopicPartition;

fn duration(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl Group {
    /// Takes one record of an offset.
    pub(crate) fn replay_offset(&mut self, partition: TopicPartition, value: Option<OffsetValue>) {
        match value {
            Some(value) => self.offsets.insert(partition, value),
            None => self.offsets.remove(&partition),
        };
    }

    /// Takes one record of the group itself. [`Group::resume`] makes members of it.
    pub(crate) fn replay_group(&mut self, value: Option<Bytes>) {
        self.stored = value;
    }

    /// Becomes, after the last record, what its records say: stable with the members that were there,
    /// whose sessions start anew, or empty.
    ///
    /// # Errors
    /// When its record cannot be read; [`Shard`](crate::coordinator::shard::Shard) has read it before.
    pub(crate) fn resume(&mut self, cx: &Context<'_>, effects: &mut Effects) -> Result<(), DecodeError> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let value = GroupValue::decode(stored)?;
        self.generation = value.generation;
        self.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        self.protocol = value.protocol;
        self.leader = value.leader;
        self.state_since_ms = value.state_since_ms.unwrap_or(cx.wall_ms);
        for stored in value.members {
            self.resume_member(stored, cx);
        }
        self.subscribed = self.topics_of_members();
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            return Ok(());
        }
        self.state = GroupState::Stable;
        if self.members.len() > cx.config.max_size {
            // The limit was lowered: let them join again, and the last find no room.
            self.prepare(cx, effects);
        }
        Ok(())
    }

    fn resume_member(&mut self, stored: GroupMemberValue, cx: &Context<'_>) {
        let session_timeout = duration(stored.session_timeout_ms);
        let protocol = self.protocol.clone().unwrap_or_default();
        if let Some(instance) = &stored.instance {
            self.statics.insert(instance.clone(), stored.member.clone());
        }
        let member = Member {
            instance: stored.instance,
            client_id: stored.client_id,
            client_host: stored.client_host,
            session_timeout,
            rebalance_timeout: duration(stored.rebalance_timeout_ms),
            protocols: vec![GroupProtocol { name: protocol, metadata: stored.subscription }],
            assignment: stored.assignment,
            joining: None,
            syncing: None,
            synced: true,
            is_new: false,
            deadline: cx.now + session_timeout,
        };
        self.members.insert(stored.member, member);
    }
}
