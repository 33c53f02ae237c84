//! OffsetCommit (8), versions 2 to 10: stores how far a group has come.
//!
//! Source: `OffsetCommitRequest.json`, `OffsetCommitResponse.json`; KIP-320 (leader epochs, v6), KIP-345
//! (static members, v7), KIP-848 (v9: the same bytes), KIP-516 (topic ids, v10).
//!
//! Deviations: the retention of versions 2 to 4 is read and not kept: the broker's `offsets.retention.minutes`
//! holds for all, as in Kafka without it.

use std::sync::Arc;

use ottla_broker_core::api::group::{self, Generation, GroupId, InstanceId, MemberId};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{LeaderEpoch, Offset, TopicName, TopicPartition};

use crate::answers::InOrder;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum OffsetCommit {}

impl Api for OffsetCommit {
    const KEY: ApiKey = ApiKey::OffsetCommit;
    const SPEC: Spec = Spec::new(2, 10, 8);
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;
}

message! {
    /// Stores how far a group has come.
    pub struct OffsetCommitRequest {
        /// The group.
        group: GroupId, 0..;
        /// The generation in which the records were handled.
        generation: Generation, 1.., default Generation::NONE;
        /// Who commits; `None` without membership.
        member: Option<MemberId>, 1..;
        /// Its static name.
        instance: Option<InstanceId>, 7.., strict "the member is a static one";
        /// For how long to keep it, in ms; −1 for the broker's time.
        retention_ms: i64, 2..=4, default -1;
        /// What.
        topics: Vec<OffsetCommitTopic>, 0..;
    }

    /// A topic's part.
    pub struct OffsetCommitTopic {
        /// Which.
        topic: TopicRef, 0.., form 10..;
        /// Its partitions.
        partitions: Vec<OffsetCommitPartition>, 0..;
    }

    /// How far one partition was read.
    pub struct OffsetCommitPartition {
        /// Which.
        partition: i32, 0..;
        /// The next offset to read.
        offset: Offset, 0..;
        /// The epoch of the last record that was handled.
        leader_epoch: Option<LeaderEpoch>, 6..;
        /// The application's note.
        metadata: Option<Arc<str>>, 0..;
    }

    /// What became of it.
    pub struct OffsetCommitResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 3..;
        /// By topic.
        topics: Vec<OffsetCommittedTopic>, 0..;
    }

    /// A topic's part.
    pub struct OffsetCommittedTopic {
        /// Which.
        topic: TopicRef, 0.., form 10..;
        /// Its partitions.
        partitions: Vec<OffsetCommittedPartition>, 0..;
    }

    /// What became of one partition.
    pub struct OffsetCommittedPartition {
        /// Which.
        partition: i32, 0..;
        /// Why it was not stored.
        error: Option<ErrorCode>, 0..;
    }
}

impl OffsetCommitRequest {
    /// The request for `request`. `topic` says how a topic is referred to: by id from version 10 on.
    #[must_use]
    pub fn from_api(request: &group::OffsetCommit, topic: impl Fn(&TopicName) -> TopicRef) -> Self {
        let partitions = request.partitions.iter().map(|one| {
            let partition = OffsetCommitPartition {
                partition: one.partition.partition,
                offset: one.offset,
                leader_epoch: one.leader_epoch,
                metadata: Some(Arc::clone(&one.metadata)),
            };
            (topic(&one.partition.topic), partition)
        });
        let topics =
            by_topic(partitions).into_iter().map(|(topic, partitions)| OffsetCommitTopic { topic, partitions });
        Self {
            group: request.group.clone(),
            generation: request.generation,
            member: request.member.clone(),
            instance: request.instance.clone(),
            topics: topics.collect(),
            ..Self::default()
        }
    }

    /// The partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicRef, &OffsetCommitPartition)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.topic, part)))
    }

    /// The request, with those of its partitions whose topics are known.
    #[must_use]
    pub fn to_api(&self, partitions: Vec<group::OffsetCommitPartition>) -> group::OffsetCommit {
        group::OffsetCommit {
            group: self.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.instance.clone(),
            partitions,
        }
    }
}

impl OffsetCommitPartition {
    /// The partition, once its topic's name is known.
    #[must_use]
    pub fn to_api(&self, topic: TopicName) -> group::OffsetCommitPartition {
        group::OffsetCommitPartition {
            partition: TopicPartition::new(topic, self.partition),
            offset: self.offset,
            leader_epoch: self.leader_epoch.filter(|_| !is_planted("committed-epoch-lost")),
            metadata: self.metadata.clone().unwrap_or_default(),
        }
    }
}

impl OffsetCommitResponse {
    /// The answer to `request`; `results` are in the order of its [`partitions`](OffsetCommitRequest::partitions).
    #[must_use]
    pub fn from_api(request: &OffsetCommitRequest, results: impl IntoIterator<Item = Result<(), Error>>) -> Self {
        let mut results = InOrder::new(results);
        let topics = request.topics.iter().map(|topic| OffsetCommittedTopic {
            topic: topic.topic.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|part| OffsetCommittedPartition {
                    partition: part.partition,
                    error: results.next().err().map(|error| error.code),
                })
                .collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answer to `request` where nothing is stored.
    #[must_use]
    pub fn refused(request: &OffsetCommitRequest, code: ErrorCode) -> Self {
        Self::from_api(request, request.partitions().map(|_| Err(Error::from(code))))
    }

    /// The answers about the partitions of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &OffsetCommitRequest) -> Vec<Result<(), Error>> {
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part.error))
        }));
        let answer = |(topic, part): (&TopicRef, &OffsetCommitPartition)| match answers.take(topic, part.partition)? {
            Some(code) => Err(refused(code, topic, part.partition, None)),
            None => Ok(()),
        };
        request.partitions().map(answer).collect()
    }
}
