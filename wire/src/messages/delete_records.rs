//! DeleteRecords (21), versions 0 to 2: deletes the records before an offset.
//!
//! Source: `DeleteRecordsRequest.json`, `DeleteRecordsResponse.json`; KIP-107.
//!
//! −1 means all that are committed.
//!
//! Deviations: the time limit is read and not needed: there are no followers to wait for.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::DeletedRecords;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{Offset, TopicPartition};

use crate::answers::InOrder;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum DeleteRecords {}

impl Api for DeleteRecords {
    const KEY: ApiKey = ApiKey::DeleteRecords;
    const SPEC: Spec = Spec::new(0, 2, 2);
    type Request = DeleteRecordsRequest;
    type Response = DeleteRecordsResponse;
}

/// "All that are committed", in a request.
const HIGH_WATERMARK: i64 = -1;

message! {
    /// Deletes records.
    pub struct DeleteRecordsRequest {
        /// Where.
        topics: Vec<DeleteRecordsTopic>, 0..;
        /// How long to wait for replicas.
        timeout: Duration, 0..;
    }

    /// A topic's part.
    pub struct DeleteRecordsTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<DeleteRecordsPartition>, 0..;
    }

    /// What is deleted of one partition.
    pub struct DeleteRecordsPartition {
        /// Which.
        partition: i32, 0..;
        /// The first offset that stays; −1 for the high watermark.
        before: i64, 0..;
    }

    /// What became of it.
    pub struct DeleteRecordsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// By topic.
        topics: Vec<DeletedRecordsTopic>, 0..;
    }

    /// A topic's part.
    pub struct DeletedRecordsTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<DeletedRecordsPartition>, 0..;
    }

    /// What became of one partition.
    pub struct DeletedRecordsPartition {
        /// Which.
        partition: i32, 0..;
        /// Where the log starts now.
        low_watermark: Option<Offset>, 0..;
        /// Why nothing was deleted.
        error: Option<ErrorCode>, 0..;
    }
}

impl DeleteRecordsRequest {
    /// The request for what stands before offsets; [`Offset::MAX`] means all that are committed.
    #[must_use]
    pub fn from_api(before: &[(TopicPartition, Offset)], timeout: Duration) -> Self {
        let partitions = before.iter().map(|(partition, before)| {
            let before = if *before == Offset::MAX { HIGH_WATERMARK } else { before.0 };
            (TopicRef::from(&partition.topic), DeleteRecordsPartition { partition: partition.partition, before })
        });
        let topics = by_topic(partitions)
            .into_iter()
            .map(|(topic, partitions)| DeleteRecordsTopic { name: topic.into_name(), partitions });
        Self { topics: topics.collect(), timeout }
    }

    /// The partitions, in order. Names are unchecked.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, &DeleteRecordsPartition)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.name, part)))
    }
}

impl DeleteRecordsPartition {
    /// The first offset that stays, in the broker's terms: [`Offset::MAX`] means all that are committed.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` for an offset that there never is, as Kafka.
    pub fn before(&self) -> Result<Offset, Error> {
        match self.before {
            HIGH_WATERMARK => Ok(Offset::MAX),
            // What there never is must not be taken for "all".
            i64::MAX | ..=-2 => {
                let message = format!("partition {}: the offset {} is out of range", self.partition, self.before);
                Err(Error::new(ErrorCode::OffsetOutOfRange, message))
            }
            before => Ok(Offset(before)),
        }
    }
}

impl DeleteRecordsResponse {
    /// The answer to `request`; `results` are in the order of its [`partitions`](DeleteRecordsRequest::partitions).
    #[must_use]
    pub fn from_api(
        request: &DeleteRecordsRequest,
        results: impl IntoIterator<Item = Result<DeletedRecords, Error>>,
    ) -> Self {
        let mut results = InOrder::new(results);
        let mut told = |partition| match results.next() {
            Ok(deleted) => {
                DeletedRecordsPartition { partition, low_watermark: Some(deleted.low_watermark), error: None }
            }
            Err(error) => DeletedRecordsPartition { partition, low_watermark: None, error: Some(error.code) },
        };
        let topics = request.topics.iter().map(|topic| DeletedRecordsTopic {
            name: Arc::clone(&topic.name),
            partitions: topic.partitions.iter().map(|part| told(part.partition)).collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &DeleteRecordsRequest) -> Vec<Result<DeletedRecords, Error>> {
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = TopicRef::Name(topic.name);
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        }));
        let answer = |(name, asked): (&Arc<str>, &DeleteRecordsPartition)| {
            let topic = TopicRef::Name(Arc::clone(name));
            let part = answers.take(&topic, asked.partition)?;
            match (part.error, part.low_watermark) {
                (None, Some(low_watermark)) => Ok(DeletedRecords { low_watermark }),
                (code, _) => Err(refused(code.unwrap_or(ErrorCode::UnknownServerError), &topic, asked.partition, None)),
            }
        };
        request.partitions().map(answer).collect()
    }
}
