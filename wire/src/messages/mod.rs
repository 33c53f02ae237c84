//! One file per API: its messages, the versions served, where we deviate from Kafka, and the way to and
//! from `broker_core::api`.
//!
//! A file begins with the versions served and every deviation from Kafka; then come the marker with its
//! [`Spec`](crate::Spec), the messages in one `message!` block, and the conversions. The fields, their
//! order and their versions are those of Kafka's JSON files; names are ours.
//!
//! - A topic that is named up to some version and identified by id from then on is one field, a
//!   [`TopicRef`](crate::TopicRef) with `form N..`.
//! - An error code is an `Option<ErrorCode>`; a number of which −1 means "none" an `Option` of its newtype;
//!   a time limit in ms a `Duration`.
//! - What a version must not lose silently is `strict`.
//! - Responses are built from a request and the answers of `broker_core::api` in the request's order, and
//!   taken apart into that order again.

mod api_versions;
mod describe_cluster;
mod describe_topic_partitions;
mod fetch;
mod find_coordinator;
mod init_producer_id;
mod leaders;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod sasl;

pub use api_versions::{
    ApiVersion, ApiVersions, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
pub use describe_cluster::{DescribeCluster, DescribeClusterRequest, DescribeClusterResponse, DescribedBroker};
pub use describe_topic_partitions::{
    Cursor, DescribeTopicPartitions, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribedPartition, DescribedTopic, WantedTopic,
};
pub use fetch::{
    AbortedTransaction, DivergingEpoch, Fetch, FetchPartition, FetchRequest, FetchResponse, FetchTopic,
    FetchedPartition, FetchedTopic, ForgottenTopic, ReplicaState, SessionState, SnapshotId,
};
pub use find_coordinator::{Coordinator, FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse};
pub use init_producer_id::{InitProducerId, InitProducerIdRequest, InitProducerIdResponse};
pub use leaders::{CurrentLeader, NodeEndpoint};
pub use list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic, ListedPartition,
    ListedTopic,
};
pub use metadata::{
    Metadata, MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
pub use offset_for_leader_epoch::{
    EpochEndPartition, EpochEndTopic, EpochPartition, EpochTopic, EpochWanted, OffsetForLeaderEpoch,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
pub use produce::{
    Produce, ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic, ProducedPartition, ProducedTopic,
    RecordError,
};
pub use sasl::{
    SaslAuthenticate, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshake, SaslHandshakeRequest,
    SaslHandshakeResponse, Token,
};
