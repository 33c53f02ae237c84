//! The image as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::command::{DecodeError, Election, Registration, decode, encode};
use super::image::{Image, Topic, list};
use super::scram::ScramUsers;
use crate::api::{PartitionMetadata, TopicMetadata};
use crate::ids::{BrokerId, TopicId, TopicName};
use crate::log::Position;
use crate::planted::is_planted;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    cluster_id: String,
    brokers: Vec<Registration>,
    broker_configs: BTreeMap<BrokerId, BTreeMap<String, String>>,
    topics: Vec<TopicState>,
    next_producer_id: i64,
    /// Written only where there are any: software that knows none need not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    scram: ScramUsers,
    /// Written only when it is so: software that knows no copies need not read an unfinished one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    copying: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicState {
    name: TopicName,
    id: TopicId,
    replication_factor: i16,
    configs: BTreeMap<String, String>,
    /// By number: who leads, and all replicas.
    partitions: Vec<(Election, Vec<BrokerId>)>,
}

impl Image {
    /// The image as a snapshot keeps it; its position goes beside it.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if it has no JSON, which no image has.
    pub fn encode(&self) -> Result<Bytes, DecodeError> {
        encode(&State {
            cluster_id: self.cluster_id.to_string(),
            brokers: self.brokers.values().cloned().collect(),
            broker_configs: (*self.broker_configs).clone(),
            topics: self.topics.values().map(|topic| TopicState::of(topic)).collect(),
            next_producer_id: self.next_producer_id,
            scram: (*self.scram).clone(),
            copying: self.copying,
        })
    }

    /// The image that a snapshot at `position` holds.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(position: Position, bytes: &[u8]) -> Result<Self, DecodeError> {
        let state: State = decode(bytes)?;
        let brokers = state.brokers.into_iter().map(|broker| (broker.id, broker)).collect();
        let names = state.topics.iter().map(|topic| (topic.id, topic.name.clone())).collect();
        let topics = state.topics.into_iter().map(|topic| (topic.name.clone(), Arc::new(topic.into_topic())));
        Ok(Self {
            position,
            cluster_id: Arc::from(state.cluster_id),
            listed: list(&brokers),
            brokers: Arc::new(brokers),
            broker_configs: Arc::new(state.broker_configs),
            names: Arc::new(names),
            topics: Arc::new(topics.collect()),
            next_producer_id: state.next_producer_id,
            scram: if is_planted("snapshot-forgets-credentials") { Arc::default() } else { Arc::new(state.scram) },
            copying: state.copying,
        })
    }
}

impl TopicState {
    fn of(topic: &Topic) -> Self {
        let partition = |partition: &PartitionMetadata| {
            let election = Election {
                partition: partition.partition,
                leader: partition.leader,
                epoch: partition.leader_epoch,
                isr: partition.isr.clone(),
            };
            (election, partition.replicas.clone())
        };
        Self {
            name: topic.metadata.name.clone(),
            id: topic.metadata.id,
            replication_factor: topic.replication_factor,
            configs: (*topic.configs).clone(),
            partitions: topic.metadata.partitions.iter().map(partition).collect(),
        }
    }

    fn into_topic(self) -> Topic {
        let partition = |(election, replicas): (Election, _)| PartitionMetadata {
            partition: election.partition,
            leader: election.leader,
            leader_epoch: election.epoch,
            replicas,
            isr: election.isr,
        };
        let metadata = TopicMetadata {
            internal: self.name.is_internal(),
            name: self.name,
            id: self.id,
            partitions: self.partitions.into_iter().map(partition).collect(),
        };
        Topic {
            metadata: Arc::new(metadata),
            replication_factor: self.replication_factor,
            configs: Arc::new(self.configs),
        }
    }
}
