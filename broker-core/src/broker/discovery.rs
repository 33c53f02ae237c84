//! Who leads what.

use std::sync::Arc;

use super::Broker;
use super::routes::{Routes, unknown_topic};
use crate::api::{CreateTopic, Error, ErrorCode, Metadata, MetadataRequest, TopicMetadata, TopicsWanted};
use crate::ids::{TopicId, TopicName};

impl Broker {
    /// The cluster as this broker knows it. An answer shares the image: it costs nothing per partition.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed; `NETWORK_EXCEPTION` once superseded: any other broker can tell.
    pub async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        self.check_serving(ErrorCode::NetworkException)?;
        if self.writer.image().position() > self.routes().image.position() {
            // Who changed the metadata went away before the routes followed.
            self.adopt().await?;
        }
        let routes = self.routes();
        let auto_create = request.allow_auto_create && self.config.auto_create_topics();
        let topics = match request.topics {
            TopicsWanted::All => routes.image.topics().map(|topic| Ok(Arc::clone(&topic.metadata))).collect(),
            TopicsWanted::Ids(ids) => ids.into_iter().map(|id| by_id(&routes, id)).collect(),
            TopicsWanted::Names(names) => {
                let mut answers: Vec<_> = names.iter().map(|name| by_name(&routes, name)).collect();
                if auto_create && answers.iter().any(Result::is_err) {
                    self.create_unknown(&names, &mut answers).await?;
                }
                answers
            }
        };
        Ok(Metadata {
            cluster_id: Arc::clone(&self.cluster_id),
            controller: Some(self.id()),
            brokers: Arc::clone(routes.image.brokers()),
            topics,
        })
    }

    /// The name of a topic, for requests that say ids. It is the one that the partitions are looked up by.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_ID`.
    pub fn topic_of(&self, id: TopicId) -> Result<TopicName, Error> {
        by_id(&self.routes(), id).map(|topic| topic.name.clone())
    }

    /// The id of a topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn id_of(&self, name: &TopicName) -> Result<TopicId, Error> {
        by_name(&self.routes(), name).map(|topic| topic.id)
    }

    /// Creates the topics that were not found. Their answer is still an error: the next request finds them
    /// with their leaders (Kafka's `LEADER_NOT_AVAILABLE`).
    async fn create_unknown(
        &self,
        names: &[TopicName],
        answers: &mut [Result<Arc<TopicMetadata>, Error>],
    ) -> Result<(), Error> {
        let unknown: std::collections::BTreeSet<_> =
            names.iter().zip(&*answers).filter(|(_, answer)| answer.is_err()).map(|(name, _)| name.clone()).collect();
        let topics = unknown.iter().map(|name| CreateTopic {
            name: name.clone(),
            partitions: None,
            replication_factor: None,
            configs: std::collections::BTreeMap::new(),
        });
        let created = self.create_topics(topics.collect(), false).await?;
        let created: std::collections::BTreeMap<_, _> = unknown.into_iter().zip(created).collect();
        for (name, answer) in names.iter().zip(answers) {
            match created.get(name) {
                Some(Err(error)) if error.code != ErrorCode::TopicAlreadyExists => *answer = Err(error.clone()),
                Some(_) => {
                    let message = format!("topic `{name}` has just been created: ask again for its leaders");
                    *answer = Err(Error::new(ErrorCode::LeaderNotAvailable, message));
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn by_name(routes: &Routes, name: &TopicName) -> Result<Arc<TopicMetadata>, Error> {
    routes.topics.get(name).map(|route| Arc::clone(&route.metadata)).ok_or_else(|| unknown_topic(name))
}

fn by_id(routes: &Routes, id: TopicId) -> Result<Arc<TopicMetadata>, Error> {
    let topic = routes.image.topic_by_id(id).map(|topic| Arc::clone(&topic.metadata));
    topic.ok_or_else(|| Error::new(ErrorCode::UnknownTopicId, format!("there is no topic of id {id}")))
}
