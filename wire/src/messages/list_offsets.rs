//! ListOffsets (2), versions 1 to 11: where a log starts and ends, and offsets by time.
//!
//! Source: `ListOffsetsRequest.json`, `ListOffsetsResponse.json`; KIP-98 (isolation, v2), KIP-320 (leader
//! epochs, v4), KIP-734 (greatest timestamp, v7), KIP-405 and KIP-1005 (tiered storage, v8 and v9),
//! KIP-1075 (time limit, v10), KIP-1023 (v11).
//!
//! Deviations: no log is tiered, so "earliest local" is the log's start, and "latest tiered" and "earliest
//! pending upload" find nothing; that is Kafka's answer for a topic without tiered storage.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{IsolationLevel, ListedOffset, OffsetSpec};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, TopicPartition};

use crate::answers::InOrder;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum ListOffsets {}

impl Api for ListOffsets {
    const KEY: ApiKey = ApiKey::ListOffsets;
    const SPEC: Spec = Spec::new(1, 11, 6);
    type Request = ListOffsetsRequest;
    type Response = ListOffsetsResponse;
}

message! {
    /// Asks for offsets.
    pub struct ListOffsetsRequest {
        /// The follower that asks; `None` for a consumer.
        replica: Option<BrokerId>, 0..;
        /// Which records of transactions are seen.
        isolation: IsolationLevel, 2..;
        /// Which offsets, by topic.
        topics: Vec<ListOffsetsTopic>, 0..;
        /// How long to wait for what a remote storage has.
        timeout: Duration, 10..;
    }

    /// A topic's part.
    pub struct ListOffsetsTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<ListOffsetsPartition>, 0..;
    }

    /// Which offset of one partition.
    pub struct ListOffsetsPartition {
        /// Which.
        partition: i32, 0..;
        /// The leader epoch that the asker knows.
        current_leader_epoch: Option<LeaderEpoch>, 4..;
        /// A time in ms since 1970, or a negative number that means a place; see [`ListOffsetsPartition::spec`].
        timestamp: i64, 0..;
    }

    /// Offsets.
    pub struct ListOffsetsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 2..;
        /// By topic.
        topics: Vec<ListedTopic>, 0..;
    }

    /// A topic's part.
    pub struct ListedTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<ListedPartition>, 0..;
    }

    /// The offset of one partition.
    pub struct ListedPartition {
        /// Which.
        partition: i32, 0..;
        /// Why there is none.
        error: Option<ErrorCode>, 0..;
        /// The record's own timestamp; −1 where none was looked for.
        timestamp: i64, 1.., default -1;
        /// The offset.
        offset: Option<Offset>, 1..;
        /// The epoch of the leader that wrote it.
        leader_epoch: Option<LeaderEpoch>, 4..;
    }
}

impl ListOffsetsRequest {
    /// The request for offsets of partitions.
    #[must_use]
    pub fn from_api(isolation: IsolationLevel, wanted: &[(TopicPartition, OffsetSpec)]) -> Self {
        let partitions = wanted.iter().map(|(partition, spec)| {
            let timestamp = match spec {
                OffsetSpec::Latest => -1,
                OffsetSpec::Earliest => -2,
                OffsetSpec::MaxTimestamp => -3,
                // Nothing is earlier than 1970: before it, the first record is meant.
                OffsetSpec::Timestamp(time) => (*time).max(0),
            };
            let asked =
                ListOffsetsPartition { partition: partition.partition, timestamp, ..ListOffsetsPartition::default() };
            (TopicRef::from(&partition.topic), asked)
        });
        let topics = by_topic(partitions)
            .into_iter()
            .map(|(topic, partitions)| ListOffsetsTopic { name: topic.into_name(), partitions });
        Self { isolation, topics: topics.collect(), ..Self::default() }
    }

    /// The partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, &ListOffsetsPartition)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.name, part)))
    }
}

impl ListOffsetsPartition {
    /// Which offset is meant; `None` for a place that no log here has.
    ///
    /// # Errors
    /// `UNSUPPORTED_VERSION` for a place that the version does not have, as Kafka.
    pub fn spec(&self, version: i16) -> Result<Option<OffsetSpec>, Error> {
        let (since, spec) = match self.timestamp {
            -1 => (1, Some(OffsetSpec::Latest)),
            -2 => (1, Some(OffsetSpec::Earliest)),
            -3 => (7, Some(OffsetSpec::MaxTimestamp)),
            -4 => (8, Some(OffsetSpec::Earliest)),
            -5 => (9, None),
            -6 => (11, None),
            time if time >= 0 => (1, Some(OffsetSpec::Timestamp(time))),
            _ => (i16::MAX, None),
        };
        if version < since {
            let message = format!("version {version} of ListOffsets has no place {}", self.timestamp);
            return Err(Error::new(ErrorCode::UnsupportedVersion, message));
        }
        Ok(spec)
    }
}

impl ListOffsetsResponse {
    /// The answer to `request`; `results` are in the order of its [`partitions`](ListOffsetsRequest::partitions).
    /// One that is missing is an `UNKNOWN_SERVER_ERROR`.
    #[must_use]
    pub fn from_api(
        request: &ListOffsetsRequest,
        results: impl IntoIterator<Item = Result<ListedOffset, Error>>,
    ) -> Self {
        let mut results = InOrder::new(results);
        let topics = request.topics.iter().map(|topic| ListedTopic {
            name: Arc::clone(&topic.name),
            partitions: topic
                .partitions
                .iter()
                .map(|part| ListedPartition::from_api(part.partition, results.next()))
                .collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &ListOffsetsRequest) -> Vec<Result<ListedOffset, Error>> {
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = TopicRef::Name(topic.name);
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        }));
        let answer = |(name, part): (&Arc<str>, &ListOffsetsPartition)| {
            let topic = TopicRef::Name(Arc::clone(name));
            answers.take(&topic, part.partition)?.into_api(&topic)
        };
        request.partitions().map(answer).collect()
    }
}

impl ListedPartition {
    fn from_api(partition: i32, result: Result<ListedOffset, Error>) -> Self {
        match result {
            Ok(listed) => Self {
                partition,
                timestamp: listed.timestamp_ms.unwrap_or(-1),
                offset: listed.offset,
                leader_epoch: listed.leader_epoch,
                ..Self::default()
            },
            Err(error) => Self { partition, error: Some(error.code), ..Self::default() },
        }
    }

    fn into_api(self, topic: &TopicRef) -> Result<ListedOffset, Error> {
        match self.error {
            Some(code) => Err(refused(code, topic, self.partition, None)),
            None => Ok(ListedOffset {
                offset: self.offset,
                timestamp_ms: Some(self.timestamp).filter(|time| *time >= 0),
                leader_epoch: self.leader_epoch,
            }),
        }
    }
}
