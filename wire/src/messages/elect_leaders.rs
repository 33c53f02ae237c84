//! ElectLeaders (43), versions 0 to 2: has leaders chosen anew.
//!
//! Source: `ElectLeadersRequest.json`, `ElectLeadersResponse.json`; KIP-183, KIP-460 (the kind of election, v1).
//!
//! Deviations: none. Where all partitions are asked for, those that have their leader are not told.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::Election;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{TopicName, TopicPartition};

use crate::answers::{outcome, told, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum ElectLeaders {}

impl Api for ElectLeaders {
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const SPEC: Spec = Spec::new(0, 2, 2);
    type Request = ElectLeadersRequest;
    type Response = ElectLeadersResponse;
}

/// Kafka's `ElectionType`.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

message! {
    /// Has leaders chosen.
    pub struct ElectLeadersRequest {
        /// How: 0 for the preferred one, 1 for any.
        election: i8, 1.., strict "any replica may be elected";
        /// Whose; `None` for all partitions.
        topics: Option<Vec<ElectLeadersTopic>>, 0..;
        /// How long to wait for it.
        timeout: Duration, 0.., default Duration::from_secs(60);
    }

    /// A topic's part.
    pub struct ElectLeadersTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<i32>, 0..;
    }

    /// What became of it.
    pub struct ElectLeadersResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// Why nothing was done at all.
        error: Option<ErrorCode>, 1..;
        /// By topic.
        topics: Vec<ElectedTopic>, 0..;
    }

    /// A topic's part.
    pub struct ElectedTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<ElectedPartition>, 0..;
    }

    /// What became of one partition.
    pub struct ElectedPartition {
        /// Which.
        partition: i32, 0..;
        /// Why its leader is as before.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
    }
}

impl ElectLeadersRequest {
    /// The request for leaders of `partitions`; `None` for all. An unclean election needs version 1.
    #[must_use]
    pub fn from_api(election: Election, partitions: Option<&[TopicPartition]>, timeout: Duration) -> Self {
        let topics = partitions.map(|partitions| {
            let partitions = partitions.iter().map(|one| (TopicRef::from(&one.topic), one.partition));
            let topics = by_topic(partitions).into_iter();
            topics.map(|(topic, partitions)| ElectLeadersTopic { name: topic.into_name(), partitions }).collect()
        });
        let election = match election {
            Election::Preferred => PREFERRED,
            Election::Unclean => UNCLEAN,
        };
        Self { election, topics, timeout }
    }

    /// How leaders are to be chosen.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a way that there is not.
    pub fn election(&self) -> Result<Election, Error> {
        match self.election {
            PREFERRED => Ok(Election::Preferred),
            UNCLEAN => Ok(Election::Unclean),
            other => Err(Error::new(ErrorCode::InvalidRequest, format!("there is no election of type {other}"))),
        }
    }

    /// The partitions, in order; `None` for all. Names are unchecked.
    pub fn partitions(&self) -> Option<impl Iterator<Item = (&Arc<str>, i32)>> {
        let topics = self.topics.as_ref()?;
        Some(topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.name, *part))))
    }
}

/// The answers about partitions.
type Elected = Vec<(TopicPartition, Result<(), Error>)>;

impl ElectLeadersResponse {
    /// The answer: each partition as it was named, and what became of it.
    #[must_use]
    pub fn from_api(results: impl IntoIterator<Item = (Arc<str>, i32, Result<(), Error>)>) -> Self {
        let partitions = results.into_iter().map(|(name, partition, result)| {
            let error = result.err();
            let answer = ElectedPartition {
                partition,
                error: error.as_ref().map(|error| error.code),
                error_message: error.as_ref().and_then(words),
            };
            (TopicRef::Name(name), answer)
        });
        let topics = by_topic(partitions).into_iter();
        let topics = topics.map(|(topic, partitions)| ElectedTopic { name: topic.into_name(), partitions });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answer where nothing was done at all. Version 0 has no error of the whole: each partition of `request` has it.
    #[must_use]
    pub fn refused(version: i16, request: &ElectLeadersRequest, error: &Error) -> Self {
        let named = request.partitions().into_iter().flatten();
        let each = named.filter(|_| version == 0).map(|(name, part)| (Arc::clone(name), part, Err(error.clone())));
        Self { error: Some(error.code), ..Self::from_api(each) }
    }

    /// What became of each partition, as it was told.
    ///
    /// # Errors
    /// Why nothing was done at all; `INVALID_TOPIC_EXCEPTION` if a topic is told whose name is none.
    pub fn into_api(self) -> Result<Elected, Error> {
        outcome(self.error, "the election", None)?;
        let mut elected = Vec::new();
        for topic in self.topics {
            let name = TopicName::new(&*topic.name).map_err(|error| told(ErrorCode::InvalidTopic, error, None))?;
            let topic_ref = TopicRef::from(&name);
            elected.extend(topic.partitions.into_iter().map(|part| {
                let result = match part.error {
                    Some(code) => Err(refused(code, &topic_ref, part.partition, part.error_message.as_deref())),
                    None => Ok(()),
                };
                (TopicPartition::new(name.clone(), part.partition), result)
            }));
        }
        Ok(elected)
    }
}
