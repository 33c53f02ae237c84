//! Who leads what, as last heard: shared by producers and readers of a client.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ottla_broker_core::api::{Error, ErrorCode, MetadataRequest, TopicMetadata, TopicsWanted};
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{BrokerId, TopicId, TopicName};
use rustc_hash::FxHashMap;

use crate::cluster::Cluster;

/// The topics that were asked for, until they are older than [`MetadataCache::MAX_AGE`] or someone finds
/// them out of date.
pub struct MetadataCache {
    cluster: Arc<dyn Cluster>,
    env: Env,
    topics: RwLock<FxHashMap<TopicName, Entry>>,
    /// One refresh at a time: whoever waits behind one finds what it brought.
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Entry {
    topic: Arc<TopicMetadata>,
    fetched: Moment,
}

impl fmt::Debug for MetadataCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataCache").finish_non_exhaustive()
    }
}

impl MetadataCache {
    /// The age from which on an entry is asked for again, as Kafka's `metadata.max.age.ms`: how long new
    /// partitions may go unnoticed.
    pub const MAX_AGE: Duration = Duration::from_mins(5);

    /// An empty cache.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, env: Env) -> Self {
        Self { cluster, env, topics: RwLock::default(), refreshing: tokio::sync::Mutex::new(()) }
    }

    /// The topic as last heard, however long ago; `None` if it was never asked for, or did not exist.
    #[must_use]
    pub fn cached(&self, topic: &str) -> Option<Arc<TopicMetadata>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map(|entry| Arc::clone(&entry.topic))
    }

    /// The leader of a partition as last heard.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<BrokerId> {
        let topic = self.cached(topic)?;
        topic.partitions.get(usize::try_from(partition).ok()?)?.leader
    }

    /// The topic: from the cache while it is young, else from a broker.
    ///
    /// # Errors
    /// What the broker said: [`ErrorCode::UnknownTopicOrPartition`] for a topic that does not exist.
    pub async fn topic(&self, topic: &TopicName) -> Result<Arc<TopicMetadata>, Error> {
        let asked = self.env.now();
        let oldest = Moment(asked.0.saturating_sub(Self::MAX_AGE));
        if let Some(found) = self.newer_than(topic, oldest) {
            return Ok(found);
        }
        self.refresh(topic, asked).await
    }

    /// The topic as a broker tells it at or after the moment `since`: for a caller that has seen, then,
    /// that what the cache says is wrong. Calls that overlap share one request.
    ///
    /// # Errors
    /// As [`MetadataCache::topic`].
    pub async fn refresh(&self, topic: &TopicName, since: Moment) -> Result<Arc<TopicMetadata>, Error> {
        let mut answers = self.refresh_all(std::slice::from_ref(topic), since).await?;
        answers.pop().unwrap_or_else(|| Err(no_answer(topic)))
    }

    /// [`MetadataCache::refresh`] for several topics: one answer each, in order.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn refresh_all(
        &self,
        topics: &[TopicName],
        since: Moment,
    ) -> Result<Vec<Result<Arc<TopicMetadata>, Error>>, Error> {
        let _turn = self.refreshing.lock().await;
        let found: Vec<_> = topics.iter().map_while(|topic| self.heard_after(topic, since)).map(Ok).collect();
        if found.len() == topics.len() {
            return Ok(found);
        }
        let wanted = TopicsWanted::Names(topics.to_vec());
        let asked = self.env.now();
        let answer = self.cluster.metadata(MetadataRequest { topics: wanted, allow_auto_create: true }).await?;
        let mut answers = answer.topics.into_iter();
        let mut cache = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let results = topics.iter().map(|name| match answers.next() {
            // Kafka refuses to create such a topic: somebody has not heard of it in full yet.
            Some(Ok(topic)) if topic.partitions.is_empty() => {
                let message = format!("the broker names no partition of topic `{name}`");
                Err(Error::new(ErrorCode::LeaderNotAvailable, message))
            }
            Some(Ok(topic)) => {
                cache.insert(name.clone(), Entry { topic: Arc::clone(&topic), fetched: asked });
                Ok(topic)
            }
            Some(Err(error)) => {
                if error.code == ErrorCode::UnknownTopicOrPartition {
                    cache.remove(name);
                }
                Err(error)
            }
            None => Err(no_answer(name)),
        });
        Ok(results.collect())
    }

    /// Forgets a topic: one that was just created, changed or deleted through this client.
    pub fn forget(&self, topic: &str) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    fn newer_than(&self, topic: &TopicName, oldest: Moment) -> Option<Arc<TopicMetadata>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic.as_str()).filter(|entry| entry.fetched >= oldest).map(|entry| Arc::clone(&entry.topic))
    }

    /// Strictly after: what was fetched at the very moment of the complaint may be what was wrong.
    fn heard_after(&self, topic: &TopicName, since: Moment) -> Option<Arc<TopicMetadata>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic.as_str()).filter(|entry| entry.fetched > since).map(|entry| Arc::clone(&entry.topic))
    }
}

/// Takes over what a broker says a topic's id is; whether the topic is therefore another one of the same name. Brokers
/// before 2.8, and requests before Metadata v10, have no ids (KIP-516): they say nothing, and an id that appears with an
/// upgrade is the first one that is told.
pub(crate) fn take_id(known: &mut TopicId, told: TopicId) -> bool {
    if told.0.is_nil() && !is_planted("topics-without-id-are-others") {
        return false;
    }
    let before = std::mem::replace(known, told);
    before != told && (!before.0.is_nil() || is_planted("topics-without-id-are-others"))
}

fn no_answer(topic: &TopicName) -> Error {
    Error::new(ErrorCode::UnknownServerError, format!("the broker's metadata answer leaves out topic `{topic}`"))
}
