//! OffsetDelete (47), version 0: forgets how far a group has come.
//!
//! Source: `OffsetDeleteRequest.json`, `OffsetDeleteResponse.json`; KIP-496.
//!
//! Deviations: none. No version has tagged fields.

use std::sync::Arc;

use ottla_broker_core::api::group::{self, GroupId};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::{InOrder, outcome};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum OffsetDelete {}

impl Api for OffsetDelete {
    const KEY: ApiKey = ApiKey::OffsetDelete;
    const SPEC: Spec = Spec::new(0, 0, i16::MAX);
    type Request = OffsetDeleteRequest;
    type Response = OffsetDeleteResponse;
}

message! {
    /// Forgets how far a group has come.
    pub struct OffsetDeleteRequest {
        /// The group.
        group: GroupId, 0..;
        /// Where.
        topics: Vec<OffsetDeleteTopic>, 0..;
    }

    /// A topic's part.
    pub struct OffsetDeleteTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<i32>, 0..;
    }

    /// What became of it.
    pub struct OffsetDeleteResponse {
        /// Why nothing was done at all.
        error: Option<ErrorCode>, 0..;
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// By topic.
        topics: Vec<OffsetDeletedTopic>, 0..;
    }

    /// A topic's part.
    pub struct OffsetDeletedTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<OffsetDeletedPartition>, 0..;
    }

    /// What became of one partition.
    pub struct OffsetDeletedPartition {
        /// Which.
        partition: i32, 0..;
        /// Why it was not forgotten.
        error: Option<ErrorCode>, 0..;
    }
}

impl OffsetDeleteRequest {
    /// The request for `request`.
    #[must_use]
    pub fn from_api(request: &group::OffsetDelete) -> Self {
        let partitions = request.partitions.iter().map(|one| (TopicRef::from(&one.topic), one.partition));
        let topics = by_topic(partitions)
            .into_iter()
            .map(|(topic, partitions)| OffsetDeleteTopic { name: topic.into_name(), partitions });
        Self { group: request.group.clone(), topics: topics.collect() }
    }

    /// The partitions, in order. Names are unchecked.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, i32)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.name, *part)))
    }
}

impl OffsetDeleteResponse {
    /// The answer to `request`; `results` are in the order of its [`partitions`](OffsetDeleteRequest::partitions).
    #[must_use]
    pub fn from_api<I: IntoIterator<Item = Result<(), Error>>>(
        request: &OffsetDeleteRequest,
        results: Result<I, Error>,
    ) -> Self {
        let mut results = match results {
            Ok(results) => InOrder::new(results),
            Err(error) => return Self { error: Some(error.code), ..Self::default() },
        };
        let topics = request.topics.iter().map(|topic| OffsetDeletedTopic {
            name: Arc::clone(&topic.name),
            partitions: topic
                .partitions
                .iter()
                .map(|part| OffsetDeletedPartition {
                    partition: *part,
                    error: results.next().err().map(|error| error.code),
                })
                .collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order.
    ///
    /// # Errors
    /// Why nothing was done at all.
    pub fn into_api(self, request: &OffsetDeleteRequest) -> Result<Vec<Result<(), Error>>, Error> {
        outcome(self.error, format_args!("group {}", request.group), None)?;
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = TopicRef::Name(topic.name);
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part.error))
        }));
        let answer = |(name, partition): (&Arc<str>, i32)| {
            let topic = TopicRef::Name(Arc::clone(name));
            match answers.take(&topic, partition)? {
                Some(code) => Err(refused(code, &topic, partition, None)),
                None => Ok(()),
            }
        };
        Ok(request.partitions().map(answer).collect())
    }
}
