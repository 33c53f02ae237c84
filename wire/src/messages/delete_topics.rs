//! DeleteTopics (20), versions 1 to 6: deletes topics, by name or (version 6) by id.
//!
//! Source: `DeleteTopicsRequest.json`, `DeleteTopicsResponse.json`; KIP-599 (the error's words, v5), KIP-516
//! (topic ids, v6).
//!
//! Deviations: the time limit is read and not needed: the answer comes when the topic is gone.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::TopicId;
use ottla_broker_core::error::{Error, ErrorCode};
use uuid::Uuid;

use crate::answers::{outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};

/// The API.
#[derive(Debug)]
pub enum DeleteTopics {}

impl Api for DeleteTopics {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const SPEC: Spec = Spec::new(1, 6, 4);
    type Request = DeleteTopicsRequest;
    type Response = DeleteTopicsResponse;
}

/// The first version with ids.
const IDS_FROM: i16 = 6;

message! {
    /// Deletes topics.
    pub struct DeleteTopicsRequest {
        /// Which, from version 6 on.
        topics: Vec<DeletableTopic>, 6.., strict "topics are deleted by their ids";
        /// Which, up to version 5.
        names: Vec<Arc<str>>, ..=5;
        /// How long to wait for it.
        timeout: Duration, 0..;
    }

    /// A topic to delete, by one of the two.
    pub struct DeletableTopic {
        /// Its name.
        name: Option<Arc<str>>, 6..;
        /// Its id; nil if it is named.
        id: Uuid, 6..;
    }

    /// What became of them.
    pub struct DeleteTopicsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// One answer a topic.
        topics: Vec<DeletedTopic>, 0..;
    }

    /// What became of one.
    pub struct DeletedTopic {
        /// Its name; null for an unknown id.
        name: Option<Arc<str>>, 0.., form 6..;
        /// Its id; nil if it is not known.
        id: Uuid, 6..;
        /// Why it is still there.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 5..;
    }
}

impl DeleteTopicsRequest {
    /// The request of `version` for `topics`. An id needs version 6.
    #[must_use]
    pub fn from_api(version: i16, topics: &[TopicRef], timeout: Duration) -> Self {
        let named = |topic: &TopicRef| match topic {
            TopicRef::Name(name) => Some(Arc::clone(name)),
            TopicRef::Id(_) => None,
        };
        if version < IDS_FROM
            && let Some(names) = topics.iter().map(named).collect()
        {
            return Self { names, timeout, ..Self::default() };
        }
        let topics = topics.iter().map(|topic| match topic {
            TopicRef::Name(name) => DeletableTopic { name: Some(Arc::clone(name)), id: Uuid::nil() },
            TopicRef::Id(id) => DeletableTopic { name: None, id: id.0 },
        });
        Self { topics: topics.collect(), timeout, ..Self::default() }
    }

    /// Which topics are to be deleted, in order.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a topic with both name and id, or with neither, as Kafka.
    pub fn wanted(&self, version: i16) -> Result<Vec<TopicRef>, Error> {
        if version < IDS_FROM {
            return Ok(self.names.iter().map(|name| TopicRef::Name(Arc::clone(name))).collect());
        }
        let refs = self.topics.iter().map(|topic| match &topic.name {
            Some(name) if topic.id.is_nil() => Ok(TopicRef::Name(Arc::clone(name))),
            None if !topic.id.is_nil() => Ok(TopicRef::Id(TopicId(topic.id))),
            _ => Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("a topic to delete has either a name or an id, not {:?} and {}", topic.name, topic.id),
            )),
        });
        refs.collect()
    }
}

impl DeleteTopicsResponse {
    /// The answer: each topic as it was referred to, and what became of it.
    #[must_use]
    pub fn from_api(results: impl IntoIterator<Item = (TopicRef, Result<(), Error>)>) -> Self {
        let topics = results.into_iter().map(|(topic, result)| {
            let (name, id) = match topic {
                TopicRef::Name(name) => (Some(name), Uuid::nil()),
                TopicRef::Id(id) => (None, id.0),
            };
            let error = result.err();
            DeletedTopic {
                name,
                id,
                error: error.as_ref().map(|error| error.code),
                error_message: error.as_ref().and_then(words),
            }
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the topics that were asked for, in order.
    #[must_use]
    pub fn into_api(self, wanted: &[TopicRef]) -> Vec<Result<(), Error>> {
        // A broker may tell the id of a topic that was named, and the name of one that was identified.
        let answer = |topic: &TopicRef| {
            let found = self.topics.iter().find(|one| match topic {
                TopicRef::Name(name) => one.name.as_ref() == Some(name),
                TopicRef::Id(id) => one.id == id.0,
            });
            let found = found.ok_or_else(|| {
                Error::new(ErrorCode::UnknownServerError, format!("the broker said nothing about topic {topic}"))
            })?;
            outcome(found.error, format_args!("topic {topic}"), found.error_message.as_deref())
        };
        wanted.iter().map(answer).collect()
    }
}
