//! Where partitions begin and end.

use std::collections::BTreeMap;

use ottla_broker_core::api::{ErrorCode, IsolationLevel, OffsetSpec};
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition, api};

use super::Admin;
use crate::error::Error;

impl Admin {
    /// Looks one kind of offset up in every partition of a topic. `None` where no record is as late as a
    /// [`Timestamp`](OffsetSpec::Timestamp) asked for.
    ///
    /// # Errors
    /// What the broker said about the first partition that it refused, as [`Error::Cluster`].
    pub async fn offsets(
        &self,
        topic: impl AsRef<str>,
        spec: OffsetSpec,
    ) -> Result<BTreeMap<i32, Option<Offset>>, Error> {
        let name = TopicName::new(topic)?;
        let doing = format!("look up offsets of topic `{name}`");
        let metadata = self.describe_topic(&name).await?;
        let mut leaders: BTreeMap<BrokerId, Vec<i32>> = BTreeMap::new();
        for partition in metadata.partitions.iter() {
            let Some(leader) = partition.leader else {
                let message = format!("{name}-{} has no leader at the moment", partition.partition);
                return Err(Error::cluster(doing, api::Error::new(ErrorCode::LeaderNotAvailable, message)));
            };
            leaders.entry(leader).or_default().push(partition.partition);
        }
        let mut offsets = BTreeMap::new();
        for (leader, partitions) in leaders {
            let wanted = partitions.iter().map(|p| (TopicPartition::new(name.clone(), *p), spec)).collect();
            let cluster = &self.opened.context.cluster;
            let answers = cluster.list_offsets(leader, IsolationLevel::ReadUncommitted, wanted).await;
            for (partition, answer) in partitions.iter().zip(answers.map_err(|e| Error::cluster(&doing, e))?) {
                let listed =
                    answer.map_err(|source| Error::cluster(format!("{doing} ({name}-{partition})"), source))?;
                offsets.insert(*partition, listed.offset);
            }
        }
        Ok(offsets)
    }
}
