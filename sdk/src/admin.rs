//! Topics, configs and groups.

mod ensure;
mod groups;
mod new_topic;
mod offsets;

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::api::{
    self, AlterConfig, ConfigEntry, ConfigOp, ConfigResource, ErrorCode, MetadataRequest, TopicMetadata, TopicsWanted,
};
use ottla_broker_core::{Offset, TopicId, TopicName, TopicPartition};

pub use groups::{GroupDescription, GroupLag, MemberDescription};
pub use new_topic::NewTopic;

use crate::client::Opened;
use crate::error::Error;

/// Administration of topics and groups. From [`Client::admin`](crate::Client::admin); cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    opened: Opened,
}

impl Admin {
    pub(crate) const fn new(opened: Opened) -> Self {
        Self { opened }
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// `TOPIC_ALREADY_EXISTS`, `INVALID_CONFIG`, `INVALID_PARTITIONS` and the like, as [`Error::Cluster`].
    pub async fn create_topic(&self, topic: NewTopic) -> Result<TopicId, Error> {
        let topic = topic.checked()?;
        let doing = format!("create topic `{}`", topic.name);
        self.opened.registry.check(&doing)?;
        let name = topic.name.clone();
        let answer = self.opened.context.cluster.create_topics(vec![topic], false).await;
        // What is known may be of one of that name that was deleted, by whomever.
        self.opened.context.metadata.forget(name.as_str());
        only(answer, doing).map(|created| created.id)
    }

    /// Deletes a topic with its records.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` and the like, as [`Error::Cluster`].
    pub async fn delete_topic(&self, name: impl AsRef<str>) -> Result<(), Error> {
        let name = TopicName::new(name)?;
        let doing = format!("delete topic `{name}`");
        self.opened.registry.check(&doing)?;
        let answer = self.opened.context.cluster.delete_topics(vec![name.clone()]).await;
        // Whatever the answer: it may have been lost.
        self.opened.context.metadata.forget(name.as_str());
        only(answer, doing)
    }

    /// Every topic, sorted by name.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn list_topics(&self) -> Result<Vec<Arc<TopicMetadata>>, Error> {
        self.topics(TopicsWanted::All, "list the topics").await
    }

    /// One topic: its id, partitions, leaders and replicas.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` as [`Error::Cluster`].
    pub async fn describe_topic(&self, name: impl AsRef<str>) -> Result<Arc<TopicMetadata>, Error> {
        let name = TopicName::new(name)?;
        let doing = format!("describe topic `{name}`");
        let topics = self.topics(TopicsWanted::Names(vec![name]), &doing).await?;
        topics.into_iter().next().ok_or_else(|| Error::cluster(doing, no_answer()))
    }

    async fn topics(&self, topics: TopicsWanted, doing: &str) -> Result<Vec<Arc<TopicMetadata>>, Error> {
        self.opened.registry.check(doing)?;
        let request = MetadataRequest { topics, allow_auto_create: false };
        let answer = self.opened.context.cluster.metadata(request).await;
        let topics = answer.and_then(|metadata| metadata.topics.into_iter().collect());
        topics.map_err(|source| Error::cluster(doing, source))
    }

    /// Raises a topic's number of partitions to `total`. Records with a key go elsewhere from then on.
    ///
    /// # Errors
    /// `INVALID_PARTITIONS` if it has as many or more, as [`Error::Cluster`].
    pub async fn add_partitions(&self, name: impl AsRef<str>, total: i32) -> Result<(), Error> {
        let name = TopicName::new(name)?;
        let doing = format!("raise topic `{name}` to {total} partitions");
        self.opened.registry.check(&doing)?;
        let answer = self.opened.context.cluster.create_partitions(vec![(name.clone(), total)], false).await;
        // A producer that is made next must see them.
        self.opened.context.metadata.forget(name.as_str());
        only(answer, doing)
    }

    /// A topic's configs as they are in force, sorted by name.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` as [`Error::Cluster`].
    pub async fn describe_configs(&self, topic: impl AsRef<str>) -> Result<Vec<ConfigEntry>, Error> {
        let name = TopicName::new(topic)?;
        let doing = format!("describe the configs of topic `{name}`");
        self.configs(ConfigResource::Topic(name), doing).await
    }

    /// The broker's configs as they are in force, sorted by name.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn describe_broker_configs(&self) -> Result<Vec<ConfigEntry>, Error> {
        self.configs(ConfigResource::Broker, "describe the broker's configs".to_owned()).await
    }

    async fn configs(&self, resource: ConfigResource, doing: String) -> Result<Vec<ConfigEntry>, Error> {
        self.opened.registry.check(&doing)?;
        only(self.opened.context.cluster.describe_configs(vec![resource]).await, doing)
    }

    /// Changes a topic's configs, all or none: a value to set, `None` to go back to the default.
    ///
    /// # Errors
    /// `INVALID_CONFIG` as [`Error::Cluster`].
    pub async fn alter_configs<N: Into<String>, V: ToString>(
        &self,
        topic: impl AsRef<str>,
        changes: impl IntoIterator<Item = (N, Option<V>)>,
    ) -> Result<(), Error> {
        let name = TopicName::new(topic)?;
        let doing = format!("alter the configs of topic `{name}`");
        self.opened.registry.check(&doing)?;
        let changes = changes.into_iter().map(|(name, value)| AlterConfig {
            name: name.into(),
            op: value.map_or(ConfigOp::Delete, |value| ConfigOp::Set(value.to_string())),
        });
        let change = (ConfigResource::Topic(name), changes.collect());
        only(self.opened.context.cluster.alter_configs(vec![change], false).await, doing)
    }

    /// Deletes the records of a partition before an offset; [`Offset::MAX`] for all that are committed.
    /// Returns where the log starts then.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` for an offset after the end, and the like, as [`Error::Cluster`].
    pub async fn delete_records(
        &self,
        topic: impl AsRef<str>,
        partition: i32,
        before: Offset,
    ) -> Result<Offset, Error> {
        let partition = TopicPartition::new(TopicName::new(topic)?, partition);
        let doing = format!("delete the records of {partition} before offset {before}");
        self.opened.registry.check(&doing)?;
        let answer = self.opened.context.cluster.delete_records(vec![(partition, before)]).await;
        only(answer, doing).map(|deleted| deleted.low_watermark)
    }
}

/// The configs of a list by name.
fn by_name(configs: Vec<ConfigEntry>) -> BTreeMap<String, ConfigEntry> {
    configs.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
}

/// The answer to a question about one thing.
fn only<T>(answers: Result<Vec<Result<T, api::Error>>, api::Error>, doing: impl Into<String>) -> Result<T, Error> {
    let answer = answers.and_then(|answers| answers.into_iter().next().unwrap_or_else(|| Err(no_answer())));
    answer.map_err(|source| Error::cluster(doing, source))
}

fn no_answer() -> api::Error {
    api::Error::new(ErrorCode::UnknownServerError, "the broker answered without saying anything about it")
}
