//! OffsetForLeaderEpoch (23), versions 2 to 4: where a leader epoch ends.
//!
//! Source: `OffsetForLeaderEpochRequest.json`, `OffsetForLeaderEpochResponse.json`; KIP-101, KIP-279,
//! KIP-320.
//!
//! Deviations: an epoch that the log does not know is answered with −1 and the offset where it would end
//! (Kafka: −1 and −1). Clients look at the epoch first; our own followers use the offset.

use std::sync::Arc;

use ottla_broker_core::api::EpochEnd;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, TopicPartition};

use crate::answers::InOrder;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum OffsetForLeaderEpoch {}

impl Api for OffsetForLeaderEpoch {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const SPEC: Spec = Spec::new(2, 4, 4);
    type Request = OffsetForLeaderEpochRequest;
    type Response = OffsetForLeaderEpochResponse;
}

message! {
    /// Asks where leader epochs end.
    pub struct OffsetForLeaderEpochRequest {
        /// The follower that asks; `None` for a consumer.
        replica: Option<BrokerId>, 3..;
        /// Which epochs, by topic.
        topics: Vec<EpochTopic>, 0..;
    }

    /// A topic's part.
    pub struct EpochTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<EpochPartition>, 0..;
    }

    /// Which epoch of one partition.
    pub struct EpochPartition {
        /// Which.
        partition: i32, 0..;
        /// The leader epoch that the asker knows as the current one.
        current_leader_epoch: Option<LeaderEpoch>, 2..;
        /// The epoch asked about.
        leader_epoch: LeaderEpoch, 0..;
    }

    /// Where leader epochs end.
    pub struct OffsetForLeaderEpochResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 2..;
        /// By topic.
        topics: Vec<EpochEndTopic>, 0..;
    }

    /// A topic's part.
    pub struct EpochEndTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<EpochEndPartition>, 0..;
    }

    /// Where an epoch ends in one partition.
    pub struct EpochEndPartition {
        /// Why it is not known.
        error: Option<ErrorCode>, 0..;
        /// Which.
        partition: i32, 0..;
        /// The largest epoch at or below the one asked for.
        leader_epoch: Option<LeaderEpoch>, 1..;
        /// One past its last offset; −1 for unknown.
        end_offset: i64, 0.., default -1;
    }
}

/// One partition's question: the epoch that the asker knows as current (`None` skips the check), and the
/// epoch asked about.
pub type EpochWanted = (TopicPartition, Option<LeaderEpoch>, LeaderEpoch);

impl OffsetForLeaderEpochRequest {
    /// The request about epochs of partitions.
    #[must_use]
    pub fn from_api(replica: Option<BrokerId>, wanted: &[EpochWanted]) -> Self {
        let partitions = wanted.iter().map(|(partition, current_leader_epoch, leader_epoch)| {
            let asked = EpochPartition {
                partition: partition.partition,
                current_leader_epoch: *current_leader_epoch,
                leader_epoch: *leader_epoch,
            };
            (TopicRef::from(&partition.topic), asked)
        });
        let topics = by_topic(partitions)
            .into_iter()
            .map(|(topic, partitions)| EpochTopic { name: topic.into_name(), partitions });
        Self { replica, topics: topics.collect() }
    }

    /// The partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, &EpochPartition)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.name, part)))
    }
}

impl OffsetForLeaderEpochResponse {
    /// The answer to `request`; `results` are in the order of its
    /// [`partitions`](OffsetForLeaderEpochRequest::partitions). One that is missing is an `UNKNOWN_SERVER_ERROR`.
    #[must_use]
    pub fn from_api(
        request: &OffsetForLeaderEpochRequest,
        results: impl IntoIterator<Item = Result<EpochEnd, Error>>,
    ) -> Self {
        let mut results = InOrder::new(results);
        let topics = request.topics.iter().map(|topic| EpochEndTopic {
            name: Arc::clone(&topic.name),
            partitions: topic
                .partitions
                .iter()
                .map(|part| EpochEndPartition::from_api(part.partition, results.next()))
                .collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &OffsetForLeaderEpochRequest) -> Vec<Result<EpochEnd, Error>> {
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = TopicRef::Name(topic.name);
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        }));
        let answer = |(name, part): (&Arc<str>, &EpochPartition)| {
            let topic = TopicRef::Name(Arc::clone(name));
            answers.take(&topic, part.partition)?.into_api(&topic)
        };
        request.partitions().map(answer).collect()
    }
}

impl EpochEndPartition {
    fn from_api(partition: i32, result: Result<EpochEnd, Error>) -> Self {
        match result {
            Ok(end) => Self { partition, leader_epoch: end.epoch, end_offset: end.end.0, ..Self::default() },
            Err(error) => Self { partition, error: Some(error.code), ..Self::default() },
        }
    }

    fn into_api(self, topic: &TopicRef) -> Result<EpochEnd, Error> {
        match self.error {
            Some(code) => Err(refused(code, topic, self.partition, None)),
            None => Ok(EpochEnd { epoch: self.leader_epoch, end: Offset(self.end_offset) }),
        }
    }
}
