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

mod alter_configs;
mod alter_user_scram_credentials;
mod api_versions;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leaders;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl;
mod sync_group;

pub use alter_configs::{
    AlterConfigs, AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse, AlteredConfigs, ConfigToSet,
};
pub use alter_user_scram_credentials::{
    AlterUserScramCredentials, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlteredScramUser,
    ScramBytes, ScramDeletion, ScramUpsertion,
};
pub use api_versions::{
    ApiVersion, ApiVersions, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
pub use create_partitions::{
    CreatePartitions, CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsResult, CreatePartitionsTopic,
    NewPartitionAssignment,
};
pub use create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic,
    CreatedTopicConfig, ReplicaAssignment,
};
pub use delete_groups::{DeleteGroups, DeleteGroupsRequest, DeleteGroupsResponse, DeletedGroup};
pub use delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
    DeletedRecordsPartition, DeletedRecordsTopic,
};
pub use delete_topics::{DeletableTopic, DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse, DeletedTopic};
pub use describe_cluster::{DescribeCluster, DescribeClusterRequest, DescribeClusterResponse, DescribedBroker};
pub use describe_configs::{
    ConfigSynonym, DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
    DescribedConfig, DescribedConfigs,
};
pub use describe_groups::{
    DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
pub use describe_log_dirs::{
    DescribeLogDirs, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribedLog, DescribedLogDir,
    DescribedLogDirTopic, LogDirsTopic,
};
pub use describe_producers::{
    DescribeProducers, DescribeProducersRequest, DescribeProducersResponse, DescribeProducersTopic, DescribedProducer,
    DescribedProducersPartition, DescribedProducersTopic,
};
pub use describe_topic_partitions::{
    Cursor, DescribeTopicPartitions, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribedPartition, DescribedTopic, WantedTopic,
};
pub use describe_user_scram_credentials::{
    DescribeUserScramCredentials, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribedScramUser, ScramCredentialInfo, ScramUser,
};
pub use elect_leaders::{
    ElectLeaders, ElectLeadersRequest, ElectLeadersResponse, ElectLeadersTopic, ElectedPartition, ElectedTopic,
};
pub use fetch::{
    AbortedTransaction, DivergingEpoch, Fetch, FetchPartition, FetchRequest, FetchResponse, FetchTopic,
    FetchedPartition, FetchedTopic, ForgottenTopic, ReplicaState, SessionState, SnapshotId,
};
pub use find_coordinator::{Coordinator, FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse};
pub use heartbeat::{Heartbeat, HeartbeatRequest, HeartbeatResponse};
pub use incremental_alter_configs::{
    ConfigToAlter, IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResponse,
};
pub use init_producer_id::{InitProducerId, InitProducerIdRequest, InitProducerIdResponse};
pub use join_group::{JoinGroup, JoinGroupMember, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse};
pub use leaders::{CurrentLeader, NodeEndpoint};
pub use leave_group::{LeaveGroup, LeaveGroupMember, LeaveGroupRequest, LeaveGroupResponse, LeftGroupMember};
pub use list_groups::{ListGroups, ListGroupsRequest, ListGroupsResponse, ListedGroup};
pub use list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic, ListedPartition,
    ListedTopic,
};
pub use metadata::{
    Metadata, MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
pub use offset_commit::{
    OffsetCommit, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
    OffsetCommittedPartition, OffsetCommittedTopic,
};
pub use offset_delete::{
    OffsetDelete, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteTopic, OffsetDeletedPartition,
    OffsetDeletedTopic,
};
pub use offset_fetch::{
    GroupOffsetsWanted, OffsetFetch, OffsetFetchGroup, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
    OffsetFetchedGroup, OffsetFetchedPartition, OffsetFetchedTopic,
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
pub use sync_group::{SyncGroup, SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse};
