//! Fetch (1), versions 4 to 18: record batches of partitions.
//!
//! Source: `FetchRequest.json`, `FetchResponse.json`; KIP-98 (v4), KIP-107 (log start, v5), KIP-227
//! (sessions, v7), KIP-320 (leader epochs, v9 and v12), KIP-392 (racks, v11), KIP-516 (topic ids, v13),
//! KIP-903 (replica epochs, v15), KIP-951 (the new leader, v16), KIP-853 (v17), KIP-1166 (v18).
//!
//! Deviations: a reader is never sent to another replica, and snapshots of Kafka's own metadata are not told.
//! The fields of sessions are passed on as they are: the server keeps the sessions.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{self, Fetched, IsolationLevel};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerId, TopicName, TopicPartition};
use uuid::Uuid;

use super::leaders::{CurrentLeader, NodeEndpoint};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{Records, TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum Fetch {}

impl Fetch {
    /// The first version that says topics by their ids (KIP-516).
    pub const IDS_FROM: i16 = 13;
}

impl Api for Fetch {
    const KEY: ApiKey = ApiKey::Fetch;
    const SPEC: Spec = Spec::new(4, 18, 12);
    type Request = FetchRequest;
    type Response = FetchResponse;
}

message! {
    /// Asks for record batches.
    pub struct FetchRequest {
        /// The follower that asks; `None` for a consumer. Later versions say it in `replica_state`.
        replica: Option<BrokerId>, ..=14;
        /// How long to wait for `min_bytes`.
        max_wait: Duration, 0..;
        /// Bytes to wait for.
        min_bytes: i32, 0..;
        /// Bytes to return at most.
        max_bytes: i32, 3.., default i32::MAX;
        /// Which records of transactions are seen.
        isolation: IsolationLevel, 4..;
        /// The session; 0 for none yet.
        session_id: i32, 7..;
        /// The session's epoch: −1 for no session, 0 to begin one.
        session_epoch: i32, 7.., default -1;
        /// From where. In a session, only what is new or changed.
        topics: Vec<FetchTopic>, 0..;
        /// What goes out of the session.
        forgotten: Vec<ForgottenTopic>, 7..;
        /// Where the consumer is.
        rack: Arc<str>, 11..;
    }
    tagged {
        /// The cluster that the asker believes it asks; only brokers say it.
        0 => cluster_id: Option<Arc<str>>, 12..;
        /// The follower that asks, and its registration.
        1 => replica_state: ReplicaState, 15..;
    }

    /// A follower, as it is registered.
    pub struct ReplicaState {
        /// Its id; `None` for a consumer.
        replica: Option<BrokerId>, 15..;
        /// The epoch of its registration.
        epoch: i64, 15.., default -1;
    }

    /// A topic's part.
    pub struct FetchTopic {
        /// Which.
        topic: TopicRef, 0.., form Fetch::IDS_FROM..;
        /// Its partitions.
        partitions: Vec<FetchPartition>, 0..;
    }

    /// From where in one partition.
    pub struct FetchPartition {
        /// Which.
        partition: i32, 0..;
        /// The leader epoch that the reader knows.
        current_leader_epoch: Option<LeaderEpoch>, 9..;
        /// The first offset wanted.
        offset: Offset, 0..;
        /// The epoch of the last record that the reader has.
        last_fetched_epoch: Option<LeaderEpoch>, 12..;
        /// Where a follower's log starts.
        log_start_offset: Option<Offset>, 5..;
        /// Bytes of this partition to return at most.
        max_bytes: i32, 0..;
    }
    tagged {
        /// Where a follower keeps the log.
        0 => replica_directory: Uuid, 17..;
        /// The high watermark that a follower knows.
        1 => high_watermark: i64, 18.., default i64::MAX;
    }

    /// Partitions that go out of a session.
    pub struct ForgottenTopic {
        /// The topic.
        topic: TopicRef, 7.., form Fetch::IDS_FROM..;
        /// Which of its partitions.
        partitions: Vec<i32>, 7..;
    }

    /// Record batches.
    pub struct FetchResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// Why there is no answer at all: trouble with the session.
        error: Option<ErrorCode>, 7..;
        /// The session; 0 for none.
        session_id: i32, 7..;
        /// What there is. In a session, only partitions with news.
        topics: Vec<FetchedTopic>, 0..;
    }
    tagged {
        /// Where the leaders are that partitions name.
        0 => node_endpoints: Vec<NodeEndpoint>, 16..;
    }

    /// A topic's part.
    pub struct FetchedTopic {
        /// Which.
        topic: TopicRef, 0.., form Fetch::IDS_FROM..;
        /// Its partitions.
        partitions: Vec<FetchedPartition>, 0..;
    }

    /// What there is of one partition.
    pub struct FetchedPartition {
        /// Which.
        partition: i32, 0..;
        /// Why there is nothing.
        error: Option<ErrorCode>, 0..;
        /// The high watermark; −1 for unknown.
        high_watermark: i64, 0..;
        /// The last stable offset; −1 for unknown.
        last_stable_offset: i64, 4.., default -1;
        /// Where the log starts; −1 for unknown.
        log_start_offset: i64, 5.., default -1;
        /// Transactions whose records are to be left out; `None` unless committed records were asked for.
        aborted: Option<Vec<AbortedTransaction>>, 4..;
        /// A nearer replica to read from.
        preferred_read_replica: Option<BrokerId>, 11..;
        /// The batches.
        records: Option<Records>, 0..;
    }
    tagged {
        /// Where the reader's log parts from the leader's.
        0 => diverging_epoch: DivergingEpoch, 12..;
        /// Who leads it, if it is no longer who was asked.
        1 => current_leader: CurrentLeader, 12..;
        /// A snapshot to read instead.
        2 => snapshot: SnapshotId, 12..;
    }

    /// A transaction that was aborted.
    pub struct AbortedTransaction {
        /// Whose.
        producer_id: ProducerId, 4..;
        /// Its first offset.
        first_offset: Offset, 4..;
    }

    /// Where an epoch ends in the leader's log.
    pub struct DivergingEpoch {
        /// The epoch.
        epoch: Option<LeaderEpoch>, 12..;
        /// One past its last offset.
        end_offset: Option<Offset>, 12..;
    }

    /// A snapshot of Kafka's metadata.
    pub struct SnapshotId {
        /// Its end.
        end_offset: Option<Offset>, 0..;
        /// The epoch of its end.
        epoch: Option<LeaderEpoch>, 0..;
    }
}

/// What a client says of its session (KIP-227), before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// The session; 0 for none yet.
    pub id: i32,
    /// Its epoch: −1 for no session, 0 to begin one.
    pub epoch: i32,
}

impl SessionState {
    /// No session, and none wanted.
    pub const NONE: Self = Self { id: 0, epoch: -1 };
}

impl FetchRequest {
    /// The request for `request`, without a session. `topic` says how a topic is referred to: by id from
    /// version 13 on.
    #[must_use]
    pub fn from_api(request: &api::FetchRequest, topic: impl Fn(&TopicName) -> TopicRef) -> Self {
        let partitions =
            request.partitions.iter().map(|part| (topic(&part.partition.topic), FetchPartition::from_api(part)));
        Self {
            replica: request.replica,
            replica_state: ReplicaState { replica: request.replica, ..ReplicaState::default() },
            max_wait: request.max_wait,
            min_bytes: clamp(request.min_bytes),
            max_bytes: clamp(request.max_bytes),
            isolation: request.isolation,
            topics: by_topic(partitions)
                .into_iter()
                .map(|(topic, partitions)| FetchTopic { topic, partitions })
                .collect(),
            ..Self::default()
        }
    }

    /// The follower that asks, in whichever field the version says it.
    #[must_use]
    pub fn follower(&self) -> Option<BrokerId> {
        self.replica.or(self.replica_state.replica)
    }

    /// What is asked of the session.
    #[must_use]
    pub const fn session(&self) -> SessionState {
        SessionState { id: self.session_id, epoch: self.session_epoch }
    }

    /// The partitions that it names, in order; in a session there are more.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicRef, &FetchPartition)> {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.topic, part)))
    }

    /// The request, with the partitions that it comes to once the session and the topics are known.
    #[must_use]
    pub fn to_api(&self, partitions: Vec<api::FetchPartition>) -> api::FetchRequest {
        api::FetchRequest {
            replica: self.follower(),
            max_wait: self.max_wait,
            min_bytes: usize::try_from(self.min_bytes).unwrap_or(0),
            max_bytes: usize::try_from(self.max_bytes).unwrap_or(0),
            isolation: self.isolation,
            partitions,
        }
    }
}

impl FetchPartition {
    fn from_api(part: &api::FetchPartition) -> Self {
        Self {
            partition: part.partition.partition,
            current_leader_epoch: part.current_leader_epoch,
            offset: part.offset,
            max_bytes: clamp(part.max_bytes),
            ..Self::default()
        }
    }

    /// The partition, once its topic's name is known.
    #[must_use]
    pub fn to_api(&self, topic: TopicName) -> api::FetchPartition {
        api::FetchPartition {
            partition: TopicPartition::new(topic, self.partition),
            offset: self.offset,
            max_bytes: usize::try_from(self.max_bytes).unwrap_or(0),
            current_leader_epoch: self.current_leader_epoch,
        }
    }
}

impl FetchResponse {
    /// The answer about some partitions, each as it was referred to.
    #[must_use]
    pub fn of(partitions: impl IntoIterator<Item = (TopicRef, FetchedPartition)>) -> Self {
        let topics = by_topic(partitions).into_iter().map(|(topic, partitions)| FetchedTopic { topic, partitions });
        Self { topics: topics.collect(), ..Self::default() }
    }

    /// An answer that is an error alone: trouble with the session.
    #[must_use]
    pub fn refused(code: ErrorCode) -> Self {
        Self { error: Some(code), ..Self::default() }
    }

    /// The answers about the partitions of `request`, in its order. The request MUST NOT have been one of a session:
    /// there the answer has only some of the partitions.
    ///
    /// # Errors
    /// The error of the whole answer.
    pub fn into_api(self, request: &FetchRequest) -> Result<api::FetchResponse, Error> {
        if let Some(code) = self.error {
            return Err(code.into());
        }
        let mut answers = Answers::new(self.topics.into_iter().flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        }));
        let partitions = request.partitions();
        Ok(partitions.map(|(topic, part)| answers.take(topic, part.partition)?.into_api(topic)).collect())
    }
}

impl FetchedPartition {
    /// What there is of one partition. Where nothing is known, offsets are −1 and there are no records, but never null:
    /// old clients do not take it.
    #[must_use]
    pub fn from_api(partition: i32, isolation: IsolationLevel, result: Result<Fetched, Error>) -> Self {
        let none = Self { partition, high_watermark: -1, records: Some(Records::default()), ..Self::default() };
        match result {
            Err(error) => Self { error: Some(error.code), ..none },
            Ok(fetched) => {
                let aborted = fetched.aborted.iter().map(|aborted| AbortedTransaction {
                    producer_id: aborted.producer_id,
                    first_offset: aborted.first_offset,
                });
                Self {
                    high_watermark: fetched.high_watermark.0,
                    last_stable_offset: fetched.last_stable_offset.0,
                    log_start_offset: fetched.log_start_offset.0,
                    aborted: (isolation == IsolationLevel::ReadCommitted).then(|| aborted.collect()),
                    records: Some(Records::Batches(fetched.batches)),
                    ..none
                }
            }
        }
    }

    /// What there is of one partition of `topic`.
    ///
    /// # Errors
    /// The broker's; `CORRUPT_MESSAGE` if the records are no batches.
    pub fn into_api(self, topic: &TopicRef) -> Result<Fetched, Error> {
        if let Some(code) = self.error {
            return Err(refused(code, topic, self.partition, None));
        }
        let batches =
            self.records.unwrap_or_default().into_batches().map_err(|error| {
                Error::new(ErrorCode::CorruptMessage, format!("{topic}-{}: {error}", self.partition))
            })?;
        let aborted = self.aborted.into_iter().flatten().map(|aborted| api::AbortedTransaction {
            producer_id: aborted.producer_id,
            first_offset: aborted.first_offset,
        });
        Ok(Fetched {
            high_watermark: Offset(self.high_watermark),
            last_stable_offset: Offset(self.last_stable_offset),
            // Not told before version 5: the log starts at 0 or later.
            log_start_offset: Offset(self.log_start_offset.max(0)),
            batches,
            aborted: aborted.collect(),
        })
    }
}

/// A number of bytes in 31 bits.
fn clamp(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
