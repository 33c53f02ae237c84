//! Produce (0), versions 3 to 13, advertised from 0: record batches for partitions.
//!
//! Source: `ProduceRequest.json`, `ProduceResponse.json`; KIP-98 (v3), KIP-467 (which records are wrong,
//! v8), KIP-951 (the new leader, v10), KIP-890 (v12), KIP-516 (topic ids, v13).
//!
//! Deviations: versions 0 to 2 are advertised and refused, as Kafka 4 does: librdkafka takes a first
//! version above 0 for a broker that knows no compression. Single wrong records are not named.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::{self, Acks, Appended};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::log::Durability;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{self, Batch, Compression};
use ottla_broker_core::{Offset, TopicName};

use super::leaders::{CurrentLeader, NodeEndpoint};
use crate::answers::InOrder;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{Records, TopicRef, message};
use crate::shape::{Answers, by_topic, refused};
use crate::version::Versions;

/// How many times its own bytes a batch may keep in memory. A frame for so many partitions, with as much for each, is not copied.
const MOST_KEPT: usize = 8;

/// The API.
#[derive(Debug)]
pub enum Produce {}

impl Api for Produce {
    const KEY: ApiKey = ApiKey::Produce;
    const SPEC: Spec = Spec { advertised: Versions::new(0, 13), ..Spec::new(3, 13, 9) };
    type Request = ProduceRequest;
    type Response = ProduceResponse;
}

message! {
    /// Batches for partitions.
    pub struct ProduceRequest {
        /// The transactional id, when transactions are used.
        transactional_id: Option<Arc<str>>, 3..;
        /// When to answer: 0, 1 or −1 for all; see [`ProduceRequest::acks`].
        acks: i16, 0..;
        /// How long to wait for replicas.
        timeout: Duration, 0..;
        /// The batches, by topic.
        topics: Vec<ProduceTopic>, 0..;
    }

    /// A topic's part.
    pub struct ProduceTopic {
        /// Which.
        topic: TopicRef, 0.., form 13..;
        /// The batches, by partition.
        partitions: Vec<ProducePartition>, 0..;
    }

    /// A partition's batch.
    pub struct ProducePartition {
        /// Which.
        partition: i32, 0..;
        /// One batch.
        records: Option<Records>, 0..;
    }

    /// Where batches went.
    pub struct ProduceResponse {
        /// By topic.
        topics: Vec<ProducedTopic>, 0..;
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
    }
    tagged {
        /// Where the leaders are that partitions name.
        0 => node_endpoints: Vec<NodeEndpoint>, 10..;
    }

    /// A topic's part.
    pub struct ProducedTopic {
        /// Which.
        topic: TopicRef, 0.., form 13..;
        /// By partition.
        partitions: Vec<ProducedPartition>, 0..;
    }

    /// Where a partition's batch went.
    pub struct ProducedPartition {
        /// Which.
        partition: i32, 0..;
        /// Why it was refused.
        error: Option<ErrorCode>, 0..;
        /// The offset of its first record; −1 for unknown.
        base_offset: i64, 0..;
        /// The broker's time in ms, for topics of `LogAppendTime`; else −1.
        log_append_time_ms: i64, 2.., default -1;
        /// Where the log starts; −1 for unknown.
        log_start_offset: i64, 5.., default -1;
        /// Which records were wrong.
        record_errors: Vec<RecordError>, 8..;
        /// The error in words.
        error_message: Option<Arc<str>>, 8..;
    }
    tagged {
        /// Who leads it, if it is no longer who was asked.
        0 => current_leader: CurrentLeader, 10..;
    }

    /// A record that was wrong.
    pub struct RecordError {
        /// Its number in the batch.
        index: i32, 8..;
        /// What is wrong.
        message: Option<Arc<str>>, 8..;
    }
}

impl ProduceRequest {
    /// The request for `request`. `topic` says how a topic is referred to: by id from version 13 on.
    #[must_use]
    pub fn from_api(request: api::ProduceRequest, topic: impl Fn(&TopicName) -> TopicRef) -> Self {
        let partitions = request.partitions.into_iter().map(|part| {
            let records = Some(Records::Batches(vec![part.batch]));
            (topic(&part.partition.topic), ProducePartition { partition: part.partition.partition, records })
        });
        Self {
            transactional_id: None,
            acks: match request.acks {
                Acks::None => 0,
                Acks::Leader => 1,
                Acks::All => -1,
            },
            timeout: request.timeout,
            topics: by_topic(partitions)
                .into_iter()
                .map(|(topic, partitions)| ProduceTopic { topic, partitions })
                .collect(),
        }
    }

    /// When to answer.
    ///
    /// # Errors
    /// `INVALID_REQUIRED_ACKS`, which Kafka answers for every partition.
    pub fn acks(&self) -> Result<Acks, Error> {
        match self.acks {
            0 => Ok(Acks::None),
            1 => Ok(Acks::Leader),
            -1 => Ok(Acks::All),
            other => {
                Err(Error::new(ErrorCode::InvalidRequiredAcks, format!("acks is {other}, and may be 0, 1 or -1 (all)")))
            }
        }
    }

    /// Which partitions are written to, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicRef, i32)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.topic, part.partition)))
    }

    /// Copies the batches that are little of their frame, which has `frame` bytes: the log keeps batches, and with each its
    /// whole storage.
    pub(crate) fn let_go_of(&mut self, frame: usize) {
        for part in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if let Some(Records::Raw(bytes)) = &mut part.records
                && bytes.len() < frame / MOST_KEPT
                && !is_planted("small-batch-keeps-its-frame")
            {
                *bytes = Bytes::copy_from_slice(bytes);
            }
        }
    }

    /// Takes the batches out, in the order of [`partitions`](Self::partitions). What stays says what was asked, and
    /// is all that [`ProduceResponse::from_api`] needs.
    ///
    /// The header of a batch is checked, not its CRC and not its records.
    pub fn take_batches(&mut self, version: i16) -> Vec<Result<Batch, Error>> {
        let mut batches = Vec::new();
        for topic in &mut self.topics {
            for part in &mut topic.partitions {
                let records = part.records.take();
                batches.push(one_batch(records, version).map_err(|(code, reason)| {
                    Error::new(code, format!("{}-{}: {reason}", topic.topic, part.partition))
                }));
            }
        }
        batches
    }
}

/// What Kafka asks of a partition's records (`ProduceRequest.validateRecords`).
fn one_batch(records: Option<Records>, version: i16) -> Result<Batch, (ErrorCode, String)> {
    let batch = match records.map(Records::into_batch) {
        Some(Ok(Some(batch))) => batch,
        None | Some(Ok(None)) => return Err((ErrorCode::InvalidRecord, "there is no record batch".to_owned())),
        // A sound batch before other bytes, or one of an older format, is a bad request rather than damage.
        Some(Err(error @ (record::Error::InvalidHeader { .. } | record::Error::UnsupportedMagic { .. }))) => {
            return Err((ErrorCode::InvalidRecord, error.to_string()));
        }
        Some(Err(error @ record::Error::UnknownCompression { .. })) => {
            return Err((ErrorCode::UnsupportedCompressionType, error.to_string()));
        }
        Some(Err(error)) => return Err((ErrorCode::CorruptMessage, error.to_string())),
    };
    if version < 7 && batch.compression() == Compression::Zstd && !is_planted("zstd-for-old-clients") {
        // Consumers of that age could not read it (KIP-110).
        return Err((
            ErrorCode::UnsupportedCompressionType,
            format!("zstd needs version 7 of Produce, and this is version {version}"),
        ));
    }
    Ok(batch)
}

impl ProduceResponse {
    /// The answer to `request`; `results` are in the order of its [`partitions`](ProduceRequest::partitions).
    /// One that is missing is an `UNKNOWN_SERVER_ERROR`.
    #[must_use]
    pub fn from_api(request: &ProduceRequest, results: impl IntoIterator<Item = Result<Appended, Error>>) -> Self {
        let mut results = InOrder::new(results);
        let topics = request.topics.iter().map(|topic| ProducedTopic {
            topic: topic.topic.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|part| ProducedPartition::from_api(part.partition, results.next()))
                .collect(),
        });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order. What the write has reached is unknown to
    /// the protocol; `replicas` is what the caller may conclude from its `acks`.
    #[must_use]
    pub fn into_api(self, request: &ProduceRequest, replicas: u32) -> api::ProduceResponse {
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        }));
        request
            .partitions()
            .map(|(topic, partition)| answers.take(topic, partition)?.into_api(topic, replicas))
            .collect()
    }
}

impl ProducedPartition {
    /// What became of one partition's batch.
    #[must_use]
    pub fn from_api(partition: i32, result: Result<Appended, Error>) -> Self {
        match result {
            Ok(Appended { base_offset: Some(offset), log_append_time_ms, log_start_offset, .. }) => Self {
                partition,
                base_offset: offset.0,
                log_append_time_ms: log_append_time_ms.unwrap_or(-1),
                log_start_offset: log_start_offset.0,
                ..Self::default()
            },
            // Written before, and nobody knows where: Kafka's clients take this code for success without an offset.
            Ok(appended) => Self {
                partition,
                error: Some(ErrorCode::DuplicateSequenceNumber),
                base_offset: -1,
                log_start_offset: appended.log_start_offset.0,
                ..Self::default()
            },
            Err(error) => Self {
                partition,
                error: Some(error.code),
                base_offset: -1,
                error_message: Some(Arc::from(error.message)),
                ..Self::default()
            },
        }
    }

    fn into_api(self, topic: &TopicRef, replicas: u32) -> Result<Appended, Error> {
        let base_offset = match self.error {
            None => Some(Offset(self.base_offset)).filter(|offset| offset.0 >= 0),
            Some(ErrorCode::DuplicateSequenceNumber) => None,
            Some(code) => return Err(refused(code, topic, self.partition, self.error_message.as_deref())),
        };
        Ok(Appended {
            base_offset,
            log_append_time_ms: Some(self.log_append_time_ms).filter(|time| *time >= 0),
            // Not told before version 5: the log starts at 0 or later.
            log_start_offset: Offset(self.log_start_offset.max(0)),
            durability: Durability::Unknown,
            replicas,
        })
    }
}
