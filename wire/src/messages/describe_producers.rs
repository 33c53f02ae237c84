//! DescribeProducers (61), version 0: the idempotent producers that partitions remember.
//!
//! Source: `DescribeProducersRequest.json`, `DescribeProducersResponse.json`; KIP-664.
//!
//! Deviations: none.

use std::sync::Arc;

use ottla_broker_core::api::{ActiveProducer, ProducerIdentity};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{Offset, ProducerEpoch, ProducerId, TopicPartition};

use crate::answers::{InOrder, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum DescribeProducers {}

impl Api for DescribeProducers {
    const KEY: ApiKey = ApiKey::DescribeProducers;
    const SPEC: Spec = Spec::new(0, 0, 0);
    type Request = DescribeProducersRequest;
    type Response = DescribeProducersResponse;
}

message! {
    /// Asks for producers.
    pub struct DescribeProducersRequest {
        /// Where.
        topics: Vec<DescribeProducersTopic>, 0..;
    }

    /// A topic's part.
    pub struct DescribeProducersTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<i32>, 0..;
    }

    /// Producers.
    pub struct DescribeProducersResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// By topic.
        topics: Vec<DescribedProducersTopic>, 0..;
    }

    /// A topic's part.
    pub struct DescribedProducersTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<DescribedProducersPartition>, 0..;
    }

    /// The producers of one partition.
    pub struct DescribedProducersPartition {
        /// Which.
        partition: i32, 0..;
        /// Why they are not told.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// The producers.
        producers: Vec<DescribedProducer>, 0..;
    }

    /// A producer.
    pub struct DescribedProducer {
        /// Its id.
        id: ProducerId, 0..;
        /// Its epoch, in more bits than it has.
        epoch: i32, 0..;
        /// The sequence number of its last record; −1 for none.
        last_sequence: i32, 0.., default -1;
        /// When it wrote last, in ms since 1970; −1 for unknown.
        last_timestamp: i64, 0.., default -1;
        /// The epoch of the coordinator that ended its last transaction; −1 without one.
        coordinator_epoch: i32, 0..;
        /// Where its open transaction begins.
        transaction_start: Option<Offset>, 0..;
    }
}

impl DescribeProducersRequest {
    /// The request for the producers of `partitions`.
    #[must_use]
    pub fn from_api(partitions: &[TopicPartition]) -> Self {
        let partitions = partitions.iter().map(|one| (TopicRef::from(&one.topic), one.partition));
        let topics = by_topic(partitions)
            .into_iter()
            .map(|(topic, partitions)| DescribeProducersTopic { name: topic.into_name(), partitions });
        Self { topics: topics.collect() }
    }

    /// The partitions, in order. Names are unchecked.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, i32)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.name, *part)))
    }
}

impl DescribeProducersResponse {
    /// The answer to `request`; `results` are in the order of its [`partitions`](DescribeProducersRequest::partitions).
    #[must_use]
    pub fn from_api(
        request: &DescribeProducersRequest,
        results: impl IntoIterator<Item = Result<Vec<ActiveProducer>, Error>>,
    ) -> Self {
        let mut results = InOrder::new(results);
        let mut told = |partition| match results.next() {
            Ok(producers) => DescribedProducersPartition {
                partition,
                producers: producers.iter().map(DescribedProducer::from_api).collect(),
                ..Default::default()
            },
            Err(error) => DescribedProducersPartition {
                partition,
                error: Some(error.code),
                error_message: words(&error),
                ..Default::default()
            },
        };
        let topics = request.topics.iter().map(|topic| DescribedProducersTopic {
            name: Arc::clone(&topic.name),
            partitions: topic.partitions.iter().map(|part| told(*part)).collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &DescribeProducersRequest) -> Vec<Result<Vec<ActiveProducer>, Error>> {
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = TopicRef::Name(topic.name);
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        }));
        let answer = |(name, partition): (&Arc<str>, i32)| {
            let topic = TopicRef::Name(Arc::clone(name));
            let part = answers.take(&topic, partition)?;
            match part.error {
                Some(code) => Err(refused(code, &topic, partition, part.error_message.as_deref())),
                None => part.producers.into_iter().map(DescribedProducer::into_api).collect(),
            }
        };
        request.partitions().map(answer).collect()
    }
}

impl DescribedProducer {
    fn from_api(producer: &ActiveProducer) -> Self {
        Self {
            id: producer.identity.id,
            epoch: i32::from(producer.identity.epoch.0),
            last_sequence: producer.last_sequence.unwrap_or(-1),
            last_timestamp: producer.last_timestamp_ms.unwrap_or(-1),
            coordinator_epoch: producer.coordinator_epoch.unwrap_or(-1),
            transaction_start: producer.transaction_start,
        }
    }

    fn into_api(self) -> Result<ActiveProducer, Error> {
        let epoch = i16::try_from(self.epoch).map_err(|_| {
            let message = format!("producer {}: {} is no producer epoch", self.id, self.epoch);
            Error::new(ErrorCode::UnknownServerError, message)
        })?;
        Ok(ActiveProducer {
            identity: ProducerIdentity { id: self.id, epoch: ProducerEpoch(epoch) },
            last_sequence: Some(self.last_sequence).filter(|sequence| *sequence >= 0),
            last_timestamp_ms: Some(self.last_timestamp).filter(|time| *time >= 0),
            coordinator_epoch: Some(self.coordinator_epoch).filter(|epoch| *epoch >= 0),
            transaction_start: self.transaction_start,
        })
    }
}
