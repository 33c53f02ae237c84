//! Metadata (Kafka's API 3).

use std::sync::Arc;

use super::Error;
use crate::ids::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// Which topics are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicsWanted {
    /// All of them.
    All,
    /// These; one answer each, in order.
    Names(Vec<TopicName>),
    /// These; one answer each, in order.
    Ids(Vec<TopicId>),
}

/// Asks who leads what. Any broker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRequest {
    /// Which topics.
    pub topics: TopicsWanted,
    /// Whether unknown names may be created, if the broker allows it (`auto.create.topics.enable`).
    pub allow_auto_create: bool,
}

/// A broker that clients may talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerMetadata {
    /// Its id.
    pub id: BrokerId,
    /// Its advertised host; empty for a broker in this process.
    pub host: String,
    /// Its advertised port; 0 for a broker in this process.
    pub port: u16,
    /// Its rack.
    pub rack: Option<String>,
}

/// A partition and who leads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The partition's number.
    pub partition: i32,
    /// The leader; `None` while there is none.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The in-sync ones.
    pub isr: Vec<BrokerId>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    /// Whether it belongs to the cluster itself.
    pub internal: bool,
    /// Its partitions, by number from 0. Shared: an answer costs nothing per partition.
    pub partitions: Arc<[PartitionMetadata]>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Arc<str>,
    /// The broker that acts as controller.
    pub controller: Option<BrokerId>,
    /// The live brokers.
    pub brokers: Arc<[BrokerMetadata]>,
    /// The topics asked for: one answer each, in order; all of them sorted by name.
    pub topics: Vec<Result<Arc<TopicMetadata>, Error>>,
}
