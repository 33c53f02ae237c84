//! Metadata (3), versions 0 to 13: brokers, topics, and who leads what.
//!
//! Source: `MetadataRequest.json`, `MetadataResponse.json`; KIP-4, KIP-320 (leader epochs, v7), KIP-430
//! (authorised operations, v8), KIP-516 (topic ids, v10 and v12).
//!
//! Deviations: authorised operations are not told (the field says "not asked for"); offline replicas are
//! not told apart from others.

use std::sync::Arc;

use ottla_broker_core::api;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, LeaderEpoch, TopicId, TopicName};
use uuid::Uuid;

use crate::api::{Api, ApiKey, Spec};
use crate::codec::{DecodeError, TopicRef, message};

/// The API.
#[derive(Debug)]
pub enum Metadata {}

impl Api for Metadata {
    const KEY: ApiKey = ApiKey::Metadata;
    const SPEC: Spec = Spec::new(0, 13, 9);
    type Request = MetadataRequest;
    type Response = MetadataResponse;
}

/// "Not asked for", in a set of authorised operations.
const NOT_ASKED: i32 = i32::MIN;

message! {
    /// Asks for topics.
    pub struct MetadataRequest {
        /// Which; `None` for all. In version 0 an empty list asks for all too.
        topics: Option<Vec<MetadataRequestTopic>>, 0.., form 1..;
        /// Whether unknown topics may be created.
        allow_auto_topic_creation: bool, 4.., default true;
        /// Whether to tell what the client may do with the cluster.
        include_cluster_authorized_operations: bool, 8..=10;
        /// Whether to tell what the client may do with each topic.
        include_topic_authorized_operations: bool, 8..;
    }

    /// One topic that is asked for: by name, or (from version 12 on) by id.
    pub struct MetadataRequestTopic {
        /// Its id; nil if it is asked for by name.
        id: Uuid, 10.., strict "a topic is asked for by its id";
        /// Its name.
        name: Option<Arc<str>>, 0.., form 10..;
    }

    /// Who leads what.
    pub struct MetadataResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 3..;
        /// The live brokers.
        brokers: Vec<MetadataBroker>, 0..;
        /// The cluster's id.
        cluster_id: Option<Arc<str>>, 2..;
        /// The broker that acts as controller.
        controller: Option<BrokerId>, 1..;
        /// The topics.
        topics: Vec<MetadataTopic>, 0..;
        /// What the client may do with the cluster, a set of bits.
        cluster_authorized_operations: i32, 8..=10, default NOT_ASKED;
        /// Why there is no answer at all.
        error: Option<ErrorCode>, 13..;
    }

    /// A broker.
    pub struct MetadataBroker {
        /// Its id.
        id: BrokerId, 0..;
        /// Its advertised host.
        host: Arc<str>, 0..;
        /// Its advertised port.
        port: i32, 0..;
        /// Its rack.
        rack: Option<Arc<str>>, 1..;
    }

    /// A topic.
    pub struct MetadataTopic {
        /// What is wrong with it.
        error: Option<ErrorCode>, 0..;
        /// Its name; null for an unknown id.
        name: Option<Arc<str>>, 0.., form 12..;
        /// Its id.
        id: Uuid, 10..;
        /// Whether it belongs to the cluster itself.
        internal: bool, 1..;
        /// Its partitions, in any order.
        partitions: Vec<MetadataPartition>, 0..;
        /// What the client may do with it, a set of bits.
        authorized_operations: i32, 8.., default NOT_ASKED;
    }

    /// A partition.
    pub struct MetadataPartition {
        /// What is wrong with it.
        error: Option<ErrorCode>, 0..;
        /// Its number.
        partition: i32, 0..;
        /// Who leads it.
        leader: Option<BrokerId>, 0..;
        /// The leader's epoch.
        leader_epoch: LeaderEpoch, 7.., default LeaderEpoch::NONE;
        /// All replicas.
        replicas: Vec<BrokerId>, 0..;
        /// The in-sync ones.
        isr: Vec<BrokerId>, 0..;
        /// Those that are down.
        offline_replicas: Vec<BrokerId>, 5..;
    }
}

impl MetadataRequest {
    /// The request for what `request` asks. Ids need version 12.
    #[must_use]
    pub fn from_api(request: &api::MetadataRequest) -> Self {
        let topics = match &request.topics {
            api::TopicsWanted::All => None,
            api::TopicsWanted::Names(names) => Some(names.iter().map(MetadataRequestTopic::of_name).collect()),
            api::TopicsWanted::Ids(ids) => {
                Some(ids.iter().map(|id| MetadataRequestTopic { id: id.0, name: None }).collect())
            }
        };
        Self { topics, allow_auto_topic_creation: request.allow_auto_create, ..Self::default() }
    }

    /// Which topics are asked for, in order; `None` for all.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an id before version 12, and for a topic with neither name nor id, as Kafka.
    pub fn wanted(&self, version: i16) -> Result<Option<Vec<TopicRef>>, Error> {
        let Some(topics) = &self.topics else { return Ok(None) };
        if version == 0 && topics.is_empty() {
            return Ok(None);
        }
        let by_id = topics.iter().any(|topic| !topic.id.is_nil());
        if by_id && version < 12 {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("Metadata by topic id needs version 12, and this is version {version}"),
            ));
        }
        let refs = topics.iter().map(|topic| match &topic.name {
            _ if by_id => Ok(TopicRef::Id(TopicId(topic.id))),
            Some(name) => Ok(TopicRef::Name(Arc::clone(name))),
            None => {
                Err(Error::new(ErrorCode::InvalidRequest, "Metadata asks for a topic that has neither name nor id"))
            }
        });
        refs.collect::<Result<_, _>>().map(Some)
    }
}

impl MetadataRequestTopic {
    fn of_name(name: &TopicName) -> Self {
        Self { id: Uuid::nil(), name: Some(Arc::from(name.as_str())) }
    }
}

impl MetadataResponse {
    /// The response that says `brokers` of a cluster, and no topics yet.
    #[must_use]
    pub fn of_cluster(metadata: &api::Metadata) -> Self {
        let brokers = metadata.brokers.iter().map(|broker| MetadataBroker {
            id: broker.id,
            host: Arc::from(broker.host.as_str()),
            port: i32::from(broker.port),
            rack: broker.rack.as_deref().map(Arc::from),
        });
        Self {
            brokers: brokers.collect(),
            cluster_id: Some(Arc::clone(&metadata.cluster_id)),
            controller: metadata.controller,
            ..Self::default()
        }
    }

    /// The answer of `version` to what was [`wanted`](MetadataRequest::wanted): `metadata.topics` are the answers to
    /// those of `wanted`, in order, or to "all".
    #[must_use]
    pub fn from_api(metadata: &api::Metadata, wanted: Option<&[TopicRef]>) -> Self {
        let mut response = Self::of_cluster(metadata);
        let topics = metadata.topics.iter().enumerate().filter_map(|(at, topic)| match topic {
            Ok(topic) => Some(MetadataTopic::from_api(topic)),
            // Of all topics there is none that could be missing.
            Err(error) => Some(MetadataTopic::refused(wanted?.get(at)?, error.code)),
        });
        response.topics = topics.collect();
        response
    }

    /// The response to a request that is answered with an error alone.
    #[must_use]
    pub fn refused(code: ErrorCode, wanted: &[TopicRef]) -> Self {
        Self {
            error: Some(code),
            topics: wanted.iter().map(|topic| MetadataTopic::refused(topic, code)).collect(),
            ..Self::default()
        }
    }

    /// As the rest of the world knows it. A topic without an id (version 9 and earlier) has the nil one.
    ///
    /// # Errors
    /// [`DecodeError::BadValue`] for a port or a topic's name that is none.
    pub fn into_api(self) -> Result<api::Metadata, DecodeError> {
        let brokers: Vec<_> = self.brokers.into_iter().map(MetadataBroker::into_api).collect::<Result<_, _>>()?;
        Ok(api::Metadata {
            cluster_id: self.cluster_id.unwrap_or_default(),
            controller: self.controller,
            brokers: brokers.into(),
            topics: self.topics.into_iter().map(MetadataTopic::into_api).collect::<Result<_, _>>()?,
        })
    }
}

impl MetadataBroker {
    fn into_api(self) -> Result<api::BrokerMetadata, DecodeError> {
        Ok(api::BrokerMetadata {
            id: self.id,
            host: self.host.as_ref().to_owned(),
            port: u16::try_from(self.port)
                .map_err(|_| DecodeError::BadValue { field: "port", value: i64::from(self.port) })?,
            rack: self.rack.as_deref().map(str::to_owned),
        })
    }
}

impl MetadataTopic {
    fn from_api(topic: &api::TopicMetadata) -> Self {
        let partitions = topic.partitions.iter().map(|partition| MetadataPartition {
            error: partition.leader.is_none().then_some(ErrorCode::LeaderNotAvailable),
            partition: partition.partition,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            offline_replicas: Vec::new(),
        });
        Self {
            name: Some(Arc::from(topic.name.as_str())),
            id: topic.id.0,
            internal: topic.internal,
            partitions: partitions.collect(),
            ..Self::default()
        }
    }

    /// A topic that is not told, and why.
    #[must_use]
    pub fn refused(topic: &TopicRef, code: ErrorCode) -> Self {
        let (name, id) = match topic {
            TopicRef::Name(name) => (Some(Arc::clone(name)), Uuid::nil()),
            TopicRef::Id(id) => (None, id.0),
        };
        Self { error: Some(code), name, id, ..Self::default() }
    }

    /// How it was asked for: by its name, if it has one.
    #[must_use]
    pub fn topic(&self) -> TopicRef {
        match &self.name {
            Some(name) => TopicRef::Name(Arc::clone(name)),
            None => TopicRef::Id(TopicId(self.id)),
        }
    }

    fn into_api(self) -> Result<Result<Arc<api::TopicMetadata>, Error>, DecodeError> {
        if let Some(code) = self.error {
            return Ok(Err(Error::new(code, format!("topic {}: {}", self.topic(), code.text()))));
        }
        let name = self.name.as_deref().and_then(|name| TopicName::new(name).ok());
        let name = name.ok_or(DecodeError::Null("topic's name"))?;
        let partitions = self.partitions.into_iter().map(|partition| api::PartitionMetadata {
            partition: partition.partition,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas,
            isr: partition.isr,
        });
        let mut partitions: Vec<_> = partitions.collect();
        partitions.sort_unstable_by_key(|partition| partition.partition);
        Ok(Ok(Arc::new(api::TopicMetadata {
            name,
            id: TopicId(self.id),
            internal: self.internal,
            partitions: partitions.into(),
        })))
    }
}
