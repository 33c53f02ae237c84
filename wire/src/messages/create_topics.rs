//! CreateTopics (19), versions 2 to 7: creates topics.
//!
//! Source: `CreateTopicsRequest.json`, `CreateTopicsResponse.json`; KIP-464 (the broker's defaults, v4), KIP-525
//! (configs in the answer, v5), KIP-516 (topic ids, v7).
//!
//! Deviations: replicas that are assigned by hand must all be on the broker that answers (else
//! `INVALID_REPLICA_ASSIGNMENT`). The time limit is read and not needed: the answer comes when the topic is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{self, ConfigEntry};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, TopicId, TopicName};
use uuid::Uuid;

use super::configs::source_code;
use crate::answers::{Keyed, outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum CreateTopics {}

impl Api for CreateTopics {
    const KEY: ApiKey = ApiKey::CreateTopics;
    const SPEC: Spec = Spec::new(2, 7, 5);
    type Request = CreateTopicsRequest;
    type Response = CreateTopicsResponse;
}

message! {
    /// Creates topics.
    pub struct CreateTopicsRequest {
        /// Which.
        topics: Vec<CreatableTopic>, 0..;
        /// How long to wait for them.
        timeout: Duration, 0.., default Duration::from_secs(60);
        /// Whether to look only whether they could be created.
        validate_only: bool, 1..;
    }

    /// A topic to create.
    pub struct CreatableTopic {
        /// Its name.
        name: Arc<str>, 0..;
        /// How many partitions; −1 for the broker's default, or if replicas are assigned by hand.
        partitions: i32, 0.., default -1;
        /// How many replicas; −1 for the broker's default, or if they are assigned by hand.
        replication_factor: i16, 0.., default -1;
        /// Replicas that are assigned by hand.
        assignments: Vec<ReplicaAssignment>, 0..;
        /// Its configs.
        configs: Vec<CreatableTopicConfig>, 0..;
    }

    /// Where the replicas of one partition are to be.
    pub struct ReplicaAssignment {
        /// Which partition.
        partition: i32, 0..;
        /// The brokers.
        brokers: Vec<BrokerId>, 0..;
    }

    /// A config of a topic to create.
    pub struct CreatableTopicConfig {
        /// Its name.
        name: Arc<str>, 0..;
        /// Its value.
        value: Option<Arc<str>>, 0..;
    }

    /// What became of them.
    pub struct CreateTopicsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 2..;
        /// One answer a topic.
        topics: Vec<CreatedTopic>, 0..;
    }

    /// What became of one.
    pub struct CreatedTopic {
        /// Its name.
        name: Arc<str>, 0..;
        /// Its id.
        id: Uuid, 7..;
        /// Why it was not created.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 1..;
        /// How many partitions it has.
        partitions: i32, 5.., default -1;
        /// How many replicas it has.
        replication_factor: i16, 5.., default -1;
        /// Its configs; `None` if they are not told.
        configs: Option<Vec<CreatedTopicConfig>>, 5.., default Some(Vec::new());
    }
    tagged {
        /// Why the configs are not told.
        0 => config_error: Option<ErrorCode>, 5..;
    }

    /// A config of a created topic.
    pub struct CreatedTopicConfig {
        /// Its name.
        name: Arc<str>, 5..;
        /// Its value.
        value: Option<Arc<str>>, 5..;
        /// Whether it cannot be changed.
        read_only: bool, 5..;
        /// Where the value comes from, by Kafka's numbers.
        source: i8, 5.., default -1;
        /// Whether it is a secret.
        sensitive: bool, 5..;
    }
}

impl CreateTopicsRequest {
    /// The request for `topics`.
    #[must_use]
    pub fn from_api(topics: &[api::CreateTopic], timeout: Duration, validate_only: bool) -> Self {
        let topics = topics.iter().map(|topic| CreatableTopic {
            name: Arc::from(topic.name.as_str()),
            partitions: topic.partitions.unwrap_or(-1),
            replication_factor: topic.replication_factor.unwrap_or(-1),
            assignments: Vec::new(),
            configs: topic.configs.iter().map(CreatableTopicConfig::of).collect(),
        });
        Self { topics: topics.collect(), timeout, validate_only }
    }
}

impl CreatableTopicConfig {
    fn of((name, value): (&String, &String)) -> Self {
        Self { name: Arc::from(name.as_str()), value: Some(Arc::from(value.as_str())) }
    }
}

impl CreatableTopic {
    /// The topic, as broker `me` is to create it.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`; `INVALID_CONFIG` for a config without a value or with two; `INVALID_REQUEST` for
    /// numbers besides an assignment by hand; `INVALID_REPLICA_ASSIGNMENT` for one that cannot be.
    pub fn to_api(&self, me: BrokerId) -> Result<api::CreateTopic, Error> {
        let name =
            TopicName::new(&*self.name).map_err(|error| Error::new(ErrorCode::InvalidTopic, error.to_string()))?;
        let mut topic = api::CreateTopic {
            name,
            partitions: Some(self.partitions).filter(|count| *count != -1),
            replication_factor: Some(self.replication_factor).filter(|count| *count != -1),
            configs: std::collections::BTreeMap::new(),
        };
        if !self.assignments.is_empty() {
            if topic.partitions.is_some() || topic.replication_factor.is_some() {
                let message = format!("topic {}: both numbers and an assignment of replicas are given", self.name);
                return Err(Error::new(ErrorCode::InvalidRequest, message));
            }
            topic.partitions = Some(self.assigned(me)?);
            topic.replication_factor = Some(1);
        }
        for config in &self.configs {
            let refused = |what| Error::new(ErrorCode::InvalidConfig, format!("topic {}: {what}", self.name));
            let value = config.value.as_deref().ok_or_else(|| refused(format!("`{}` has no value", config.name)))?;
            if topic.configs.insert(config.name.as_ref().to_owned(), value.to_owned()).is_some() {
                return Err(refused(format!("`{}` is given twice", config.name)));
            }
        }
        Ok(topic)
    }

    /// How many partitions an assignment by hand comes to: it must name each once, from 0 on, each on `me`.
    fn assigned(&self, me: BrokerId) -> Result<i32, Error> {
        let refused =
            |what| Err(Error::new(ErrorCode::InvalidReplicaAssignment, format!("topic {}: {what}", self.name)));
        let numbers: BTreeSet<i32> = self.assignments.iter().map(|one| one.partition).collect();
        if numbers.len() != self.assignments.len() || !numbers.iter().copied().eq(0..numbers.len() as i32) {
            return refused("the assignment must have each partition once, from 0 on".to_owned());
        }
        if self.assignments.iter().any(|one| one.brokers != [me]) {
            return refused(format!("each partition can have one replica only, on broker {me}"));
        }
        Ok(numbers.len() as i32)
    }
}

impl CreateTopicsResponse {
    /// The answer: each topic as it was named, what became of it, and its configs.
    #[must_use]
    pub fn from_api(
        results: impl IntoIterator<Item = (Arc<str>, Result<(api::CreatedTopic, Vec<ConfigEntry>), Error>)>,
    ) -> Self {
        let topics = results.into_iter().map(|(name, result)| match result {
            Ok((created, configs)) => CreatedTopic {
                name,
                id: created.id.0,
                partitions: created.partitions,
                replication_factor: created.replication_factor,
                configs: Some(configs.iter().map(CreatedTopicConfig::from_api).collect()),
                ..CreatedTopic::default()
            },
            Err(error) => {
                CreatedTopic { name, error: Some(error.code), error_message: words(&error), ..CreatedTopic::default() }
            }
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the topics of `request`, in its order. Before version 7 no id is told, and before version 5
    /// no numbers: they are as they were asked for, and −1 where the broker's defaults were.
    #[must_use]
    pub fn into_api(self, request: &CreateTopicsRequest) -> Vec<Result<api::CreatedTopic, Error>> {
        let mut answers = Keyed::new(self.topics.into_iter().map(|one| (Arc::clone(&one.name), one)));
        request.topics.iter().map(|topic| answers.take(&topic.name)?.into_api(topic)).collect()
    }
}

impl CreatedTopic {
    fn into_api(self, asked: &CreatableTopic) -> Result<api::CreatedTopic, Error> {
        outcome(self.error, format_args!("topic {}", self.name), self.error_message.as_deref())?;
        let name =
            TopicName::new(&*self.name).map_err(|error| Error::new(ErrorCode::InvalidTopic, error.to_string()))?;
        Ok(api::CreatedTopic {
            name,
            id: TopicId(self.id),
            partitions: if self.partitions < 0 { asked.partitions } else { self.partitions },
            replication_factor: if self.replication_factor < 0 {
                asked.replication_factor
            } else {
                self.replication_factor
            },
        })
    }
}

impl CreatedTopicConfig {
    fn from_api(entry: &ConfigEntry) -> Self {
        Self {
            name: Arc::from(entry.name.as_str()),
            value: Some(Arc::from(entry.value.as_str())),
            read_only: entry.read_only,
            source: source_code(entry.source, entry.read_only),
            sensitive: false,
        }
    }
}
