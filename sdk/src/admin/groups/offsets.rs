//! How far groups have come.

use std::collections::{BTreeMap, BTreeSet};

use ottla_broker_core::api::group::{
    CommittedOffset, Generation, GroupId, OffsetCommit, OffsetCommitPartition, OffsetDelete, OffsetFetch, OffsetsWanted,
};
use ottla_broker_core::api::{self, ErrorCode, OffsetSpec};
use ottla_broker_core::{Offset, TopicPartition};

use crate::admin::Admin;
use crate::error::Error;

/// How far a group is behind in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The next offset that the group reads.
    pub committed: Offset,
    /// One past the last committed record of the partition.
    pub end: Offset,
}

impl GroupLag {
    /// How many offsets lie between. (As offsets may have gaps, there may be fewer records.)
    #[must_use]
    pub fn offsets(&self) -> u64 {
        u64::try_from(self.end.0.saturating_sub(self.committed.0)).unwrap_or(0)
    }
}

impl Admin {
    /// What a group has committed. Empty for a group that is not there. Some clients reset a group by an offset below 0,
    /// which is as good as none, and left out.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn group_offsets(
        &self,
        group: impl AsRef<str>,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
        let group = GroupId::from(group.as_ref());
        let doing = format!("read the offsets of group `{group}`");
        let fetched = self
            .coordinated(&group, &doing, |broker, group| {
                let request = OffsetFetch { group, wanted: OffsetsWanted::All, require_stable: true };
                self.opened.context.cluster.offset_fetch(broker, request)
            })
            .await?;
        let mut offsets = BTreeMap::new();
        for one in fetched {
            let committed =
                one.committed.map_err(|source| Error::cluster(format!("{doing}: {}", one.partition), source));
            offsets.extend(committed?.map(|committed| (one.partition, committed)));
        }
        Ok(offsets)
    }

    /// Sets where a group goes on, in the partitions named. Its consumers must have stopped.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an offset below 0, and nothing is set;
    /// `UNKNOWN_MEMBER_ID` for a group with members, `UNKNOWN_TOPIC_OR_PARTITION` and the like, as
    /// [`Error::Cluster`]: the first that was refused. The others are set.
    pub async fn alter_group_offsets(
        &self,
        group: impl AsRef<str>,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Result<(), Error> {
        let group = GroupId::from(group.as_ref());
        let doing = format!("set offsets of group `{group}`");
        let partitions = offsets.into_iter().map(|(partition, offset)| OffsetCommitPartition {
            partition,
            offset,
            leader_epoch: None,
            metadata: "".into(),
        });
        let partitions: Vec<_> = partitions.collect();
        // Brokers keep it and say nothing.
        if let Some(one) = partitions.iter().find(|one| one.offset < Offset::ZERO) {
            let why = format!("{} of {} is no offset: they begin at 0", one.offset, one.partition);
            return Err(Error::cluster(doing, api::Error::new(ErrorCode::InvalidRequest, why)));
        }
        let answers = self.coordinated(&group, &doing, |broker, group| {
            let partitions = partitions.clone();
            let request =
                OffsetCommit { group, generation: Generation::NONE, member: None, instance: None, partitions };
            self.opened.context.cluster.offset_commit(broker, request)
        });
        all(answers.await?, &doing)
    }

    /// Forgets how far a group has come in the partitions named. No member may be subscribed to their topics.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `GROUP_SUBSCRIBED_TO_TOPIC` and the like, as [`Error::Cluster`]: the first that was
    /// refused. The others are forgotten.
    pub async fn delete_group_offsets(
        &self,
        group: impl AsRef<str>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), Error> {
        let group = GroupId::from(group.as_ref());
        let doing = format!("delete offsets of group `{group}`");
        let partitions: Vec<_> = partitions.into_iter().collect();
        let answers = self.coordinated(&group, &doing, |broker, group| {
            let request = OffsetDelete { group, partitions: partitions.clone() };
            self.opened.context.cluster.offset_delete(broker, request)
        });
        all(answers.await?, &doing)
    }

    /// How far a group is behind, in each partition for which it has committed.
    ///
    /// # Errors
    /// When the coordinator or a partition's leader does not answer.
    pub async fn group_lag(&self, group: impl AsRef<str>) -> Result<BTreeMap<TopicPartition, GroupLag>, Error> {
        let committed = self.group_offsets(group).await?;
        let topics: BTreeSet<_> = committed.keys().map(|partition| partition.topic.clone()).collect();
        let mut ends = BTreeMap::new();
        for topic in topics {
            match self.offsets(&topic, OffsetSpec::Latest).await {
                Ok(found) => {
                    ends.extend(found.into_iter().map(|(n, end)| (TopicPartition::new(topic.clone(), n), end)))
                }
                // Deleted, and its offsets go too.
                Err(error) if error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition) => {}
                Err(error) => return Err(error),
            }
        }
        let lag = |(partition, committed): (TopicPartition, CommittedOffset)| {
            let end = ends.get(&partition).copied().flatten()?;
            Some((partition, GroupLag { committed: committed.offset, end }))
        };
        Ok(committed.into_iter().filter_map(lag).collect())
    }
}

fn all(answers: Vec<Result<(), api::Error>>, doing: &str) -> Result<(), Error> {
    let first = answers.into_iter().find_map(Result::err);
    first.map_or(Ok(()), |source| Err(Error::cluster(doing, source)))
}
