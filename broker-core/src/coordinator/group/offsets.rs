//! How far the group has come.

use super::Group;
use super::context::{Context, Effects};
use crate::api::group::{
    CONSUMER, CommittedOffset, FetchedOffset, GroupState, OffsetCommit, OffsetCommitPartition, OffsetDelete,
    OffsetFetch, OffsetValue, OffsetsKey, OffsetsWanted,
};
use crate::api::{Error, ErrorCode};
use crate::ids::TopicPartition;
use crate::planted::is_planted;

impl Group {
    /// Stores offsets: an answer each, in order.
    ///
    /// # Errors
    /// When the committer has no right to any.
    pub(crate) fn commit(
        &mut self,
        cx: &Context<'_>,
        request: &OffsetCommit,
        effects: &mut Effects,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.check_commit(request)?;
        if let Some(member) = request.member.as_ref().and_then(|id| self.members.get_mut(id)) {
            // Whoever commits lives.
            member.touch(cx.now);
        }
        Ok(request.partitions.iter().map(|one| self.commit_one(cx, one, effects)).collect())
    }

    fn check_commit(&self, request: &OffsetCommit) -> Result<(), Error> {
        // Someone who manages partitions on their own: the group must have nobody who could disagree.
        if !request.generation.is_some() && self.state == GroupState::Empty {
            return Ok(());
        }
        let Some(member) = &request.member else {
            return Err(if request.generation.is_some() || request.instance.is_some() {
                super::unknown_member(&self.id)
            } else {
                Error::new(
                    ErrorCode::UnknownMemberId,
                    format!("group {} has members: only they may commit its offsets", self.id),
                )
            });
        };
        self.check_member(member, request.instance.as_ref())?;
        if !is_planted("old-generation-may-commit") {
            self.check_generation(request.generation)?;
        }
        // The generation is the new one, but its shares are not known yet: nothing can have been handled in it.
        if self.state == GroupState::CompletingRebalance {
            return Err(self.rebalancing());
        }
        Ok(())
    }

    fn commit_one(
        &mut self,
        cx: &Context<'_>,
        one: &OffsetCommitPartition,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let partition = &one.partition;
        let limit = cx.config.offset_metadata_max_bytes;
        let refuse = |code, why: String| Err(Error::new(code, format!("group {}, {partition}: {why}", self.id)));
        if one.metadata.len() > limit {
            let len = one.metadata.len();
            return refuse(
                ErrorCode::OffsetMetadataTooLarge,
                format!("the metadata has {len} bytes, and offset.metadata.max.bytes is {limit}"),
            );
        }
        // An offset below 0 is kept like any other, as Kafka does: kafkajs resets groups so.
        if one.offset.0 < 0 && is_planted("resets-refused") {
            return refuse(ErrorCode::InvalidRequest, format!("offset {} cannot be committed", one.offset));
        }
        if partition.partition < 0 {
            return refuse(ErrorCode::InvalidRequest, "there is no such partition".into());
        }
        if self.offsets.len() >= cx.config.max_offsets && !self.offsets.contains_key(partition) {
            return refuse(
                ErrorCode::PolicyViolation,
                format!("the group has {} offsets already: delete some", self.offsets.len()),
            );
        }
        let value = OffsetValue {
            committed: CommittedOffset {
                offset: one.offset,
                leader_epoch: one.leader_epoch,
                metadata: one.metadata.clone(),
            },
            commit_time_ms: cx.wall_ms,
            expire_time_ms: None,
        };
        match value.encode() {
            Ok(encoded) if encoded.len() + self.id.as_str().len() + 512 <= cx.max_record_bytes => {
                effects.write(OffsetsKey::Offset(self.id.clone(), partition.clone()), Some(encoded));
            }
            Ok(_) => {
                return refuse(ErrorCode::InvalidCommitOffsetSize, "the record is larger than its log takes".into());
            }
            Err(error) => return refuse(ErrorCode::InvalidCommitOffsetSize, error.to_string()),
        }
        self.replay_offset(partition.clone(), Some(value));
        Ok(())
    }

    pub(crate) fn fetch(&self, request: &OffsetFetch) -> Vec<FetchedOffset> {
        let answer = |partition: &TopicPartition, value: Option<&OffsetValue>| FetchedOffset {
            partition: partition.clone(),
            committed: Ok(value.map(|value| value.committed.clone())),
        };
        match &request.wanted {
            OffsetsWanted::All => self.offsets.iter().map(|(p, value)| answer(p, Some(value))).collect(),
            OffsetsWanted::Partitions(wanted) => wanted.iter().map(|p| answer(p, self.offsets.get(p))).collect(),
        }
    }

    /// Forgets offsets: an answer each, in order.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` for members whose topics the coordinator cannot know.
    pub(crate) fn delete_offsets(
        &mut self,
        request: &OffsetDelete,
        effects: &mut Effects,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        if self.state != GroupState::Empty && self.protocol_type.as_deref() != Some(CONSUMER) {
            return Err(Error::new(
                ErrorCode::NonEmptyGroup,
                format!("group {} has members whose topics are not known: stop them first", self.id),
            ));
        }
        let results = request.partitions.iter().map(|partition| {
            if self.is_subscribed(&partition.topic) {
                return Err(Error::new(
                    ErrorCode::GroupSubscribedToTopic,
                    format!("group {} is subscribed to {}: stop its consumers first", self.id, partition.topic),
                ));
            }
            self.drop_offset(partition, effects);
            Ok(())
        });
        Ok(results.collect())
    }

    fn drop_offset(&mut self, partition: &TopicPartition, effects: &mut Effects) {
        if self.offsets.remove(partition).is_some() {
            effects.write(OffsetsKey::Offset(self.id.clone(), partition.clone()), None);
        }
    }

    /// Deletes the group with its offsets. The caller drops it.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP`.
    pub(crate) fn delete(&mut self, effects: &mut Effects) -> Result<(), Error> {
        if self.state != GroupState::Empty {
            return Err(Error::new(
                ErrorCode::NonEmptyGroup,
                format!("group {} has {} members: stop them first", self.id, self.members.len()),
            ));
        }
        self.erase(effects);
        Ok(())
    }

    /// Drops what nobody has come back for (KIP-211). Returns whether the group itself is then done with.
    ///
    /// An offset's time starts when its group became empty or when it was committed, whichever is later; for
    /// a group that never had members, or a topic that the members no longer want, at the commit.
    pub(crate) fn expire_offsets(&mut self, cx: &Context<'_>, effects: &mut Effects) -> bool {
        let retention = i64::try_from(cx.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let empty = self.state == GroupState::Empty;
        let had_members = self.protocol_type.is_some();
        let expired: Vec<TopicPartition> = self
            .offsets
            .iter()
            .filter(|(partition, value)| {
                if let Some(at) = value.expire_time_ms {
                    return (empty || !self.is_subscribed(&partition.topic)) && at <= cx.wall_ms;
                }
                let since = if empty && had_members {
                    self.state_since_ms.max(value.commit_time_ms)
                } else if empty
                    || (self.state == GroupState::Stable
                        && self.subscribed.is_some()
                        && !self.is_subscribed(&partition.topic))
                {
                    value.commit_time_ms
                } else {
                    return false;
                };
                cx.wall_ms.saturating_sub(since) >= retention
            })
            .map(|(partition, _)| partition.clone())
            .collect();
        self.drop_offsets(&expired, effects)
    }

    /// Forgets the offsets of partitions that are `gone`, whoever is subscribed to them. Returns whether the
    /// group itself is then done with.
    pub(crate) fn forget_offsets(&mut self, gone: impl Fn(&TopicPartition) -> bool, effects: &mut Effects) -> bool {
        let gone: Vec<_> = self.offsets.keys().filter(|partition| gone(partition)).cloned().collect();
        !gone.is_empty() && self.drop_offsets(&gone, effects)
    }

    fn drop_offsets(&mut self, partitions: &[TopicPartition], effects: &mut Effects) -> bool {
        for partition in partitions {
            self.drop_offset(partition, effects);
        }
        let done = self.state == GroupState::Empty && self.offsets.is_empty() && self.pending.is_empty();
        if done {
            self.erase(effects);
        }
        done
    }
}
