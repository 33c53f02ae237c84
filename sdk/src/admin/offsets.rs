//! Where partitions begin and end.

use std::collections::BTreeMap;

use ottla_broker_core::api::{IsolationLevel, OffsetSpec};
use ottla_broker_core::{Offset, TopicName, TopicPartition};

use super::Admin;
use crate::error::Error;
use crate::offsets::{ask_leaders, leader};

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
        let partitions = metadata.partitions.iter().map(|known| TopicPartition::new(name.clone(), known.partition));
        let wanted: Vec<_> = partitions.map(|partition| (partition, spec)).collect();
        let leader = |partition: &TopicPartition| leader(&metadata, partition);
        let cluster = &*self.opened.context.cluster;
        let answers = ask_leaders(cluster, IsolationLevel::ReadUncommitted, leader, &wanted).await;
        let answers = wanted.iter().zip(answers).map(|((partition, _), answer)| match answer {
            Ok(offset) => Ok((partition.partition, offset)),
            Err(source) => Err(Error::cluster(format!("{doing} ({partition})"), source)),
        });
        answers.collect()
    }
}
