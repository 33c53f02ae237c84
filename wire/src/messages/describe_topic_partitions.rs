//! DescribeTopicPartitions (75), version 0: topics, a page at a time.
//!
//! Source: `DescribeTopicPartitionsRequest.json`, `DescribeTopicPartitionsResponse.json`; KIP-966.
//!
//! Deviations: there are no "eligible leader replicas"; authorised operations are not told.

use std::sync::Arc;

use ottla_broker_core::api::TopicMetadata;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, LeaderEpoch};
use uuid::Uuid;

use crate::api::{Api, ApiKey, Spec};
use crate::codec::{DecodeError, Decoder, Encoder, Field, Nullable, message};

/// The API.
#[derive(Debug)]
pub enum DescribeTopicPartitions {}

impl Api for DescribeTopicPartitions {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
    const SPEC: Spec = Spec::new(0, 0, 0);
    type Request = DescribeTopicPartitionsRequest;
    type Response = DescribeTopicPartitionsResponse;
}

/// The most partitions of one answer (Kafka's `max.request.partition.size.limit`).
const MAX_PARTITIONS: i32 = 2_000;

message! {
    /// Asks for a page.
    pub struct DescribeTopicPartitionsRequest {
        /// Which topics; none for all.
        topics: Vec<WantedTopic>, 0..;
        /// Partitions to tell at most.
        response_partition_limit: i32, 0.., default MAX_PARTITIONS;
        /// Where to go on.
        cursor: Option<Cursor>, 0..;
    }

    /// A topic that is asked for.
    pub struct WantedTopic {
        /// Its name.
        name: Arc<str>, 0..;
    }

    /// Where a page begins.
    pub struct Cursor {
        /// In which topic.
        topic: Arc<str>, 0..;
        /// With which of its partitions.
        partition: i32, 0..;
    }

    /// A page.
    pub struct DescribeTopicPartitionsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// The topics, by name.
        topics: Vec<DescribedTopic>, 0..;
        /// Where the next page begins; `None` at the end.
        next_cursor: Option<Cursor>, 0..;
    }

    /// A topic.
    pub struct DescribedTopic {
        /// What is wrong with it.
        error: Option<ErrorCode>, 0..;
        /// Its name.
        name: Option<Arc<str>>, 0..;
        /// Its id.
        id: Uuid, 0..;
        /// Whether it belongs to the cluster itself.
        internal: bool, 0..;
        /// Its partitions, as many as the page has.
        partitions: Vec<DescribedPartition>, 0..;
        /// What the client may do with it, a set of bits.
        authorized_operations: i32, 0.., default i32::MIN;
    }

    /// A partition.
    pub struct DescribedPartition {
        /// What is wrong with it.
        error: Option<ErrorCode>, 0..;
        /// Its number.
        partition: i32, 0..;
        /// Who leads it.
        leader: Option<BrokerId>, 0..;
        /// The leader's epoch.
        leader_epoch: LeaderEpoch, 0.., default LeaderEpoch::NONE;
        /// All replicas.
        replicas: Vec<BrokerId>, 0..;
        /// The in-sync ones.
        isr: Vec<BrokerId>, 0..;
        /// Those that could lead although they are not in sync.
        eligible_leader_replicas: Option<Vec<BrokerId>>, 0..;
        /// The last of those that were known.
        last_known_elr: Option<Vec<BrokerId>>, 0..;
        /// Those that are down.
        offline_replicas: Vec<BrokerId>, 0..;
    }
}

/// A struct that may be null has a byte before it: −1 for null, 1 if it is there.
impl Nullable for Cursor {
    const KIND: &'static str = "cursor";

    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        if i8::read(decoder, true)? < 0 { Ok(None) } else { Self::read(decoder, true).map(Some) }
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder) {
        match value {
            None => (-1_i8).write(encoder, true),
            Some(cursor) => {
                1_i8.write(encoder, true);
                cursor.write(encoder, true);
            }
        }
    }
}

#[cfg(any(test, feature = "testing"))]
crate::testing::nullable!(Cursor);

impl DescribeTopicPartitionsResponse {
    /// The page that `request` asks for, of `topics`: those that it names, or all, with the name by which each was
    /// asked for. An answer goes up to the limit and says where the next one begins.
    #[must_use]
    pub fn from_api(
        request: &DescribeTopicPartitionsRequest,
        topics: impl IntoIterator<Item = (Arc<str>, Result<Arc<TopicMetadata>, Error>)>,
    ) -> Self {
        let mut topics: Vec<_> = topics.into_iter().collect();
        topics.sort_by(|(one, _), (other, _)| one.cmp(other));
        topics.dedup_by(|(one, _), (other, _)| one == other);
        let mut room = usize::try_from(request.response_partition_limit.clamp(1, MAX_PARTITIONS)).unwrap_or(1);
        let mut page = Self::default();
        for (name, topic) in topics {
            let first = match &request.cursor {
                Some(cursor) if name < cursor.topic => continue,
                Some(cursor) if name == cursor.topic => cursor.partition,
                _ => 0,
            };
            if room == 0 {
                page.next_cursor = Some(Cursor { topic: name, partition: 0 });
                break;
            }
            let topic = match topic {
                Ok(topic) => topic,
                Err(error) => {
                    page.topics.push(DescribedTopic {
                        error: Some(error.code),
                        name: Some(name),
                        ..DescribedTopic::default()
                    });
                    continue;
                }
            };
            let mut rest = topic.partitions.iter().filter(|partition| partition.partition >= first);
            let partitions: Vec<_> = rest.by_ref().take(room).map(DescribedPartition::from_api).collect();
            room -= partitions.len();
            let next = rest.next().map(|partition| partition.partition);
            page.topics.push(DescribedTopic {
                error: None,
                name: Some(Arc::clone(&name)),
                id: topic.id.0,
                internal: topic.internal,
                partitions,
                ..DescribedTopic::default()
            });
            if let Some(partition) = next {
                page.next_cursor = Some(Cursor { topic: name, partition });
                break;
            }
        }
        page
    }
}

impl DescribedPartition {
    fn from_api(partition: &ottla_broker_core::api::PartitionMetadata) -> Self {
        Self {
            error: partition.leader.is_none().then_some(ErrorCode::LeaderNotAvailable),
            partition: partition.partition,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            ..Self::default()
        }
    }
}
