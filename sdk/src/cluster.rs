//! What the SDK sees of a cluster: one trait, whatever answers.
//!
//! Batching, retries, leader look-up and group membership sit above it once, so that an embedded broker
//! and brokers behind sockets pass the same tests. Values are those of [`ottla_broker_core::api`].

pub(crate) mod embedded;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::group::{
    DescribedGroup, FetchedOffset, GroupId, Heartbeat, JoinGroup, JoinRefused, JoinedGroup, LeaveGroup, LeftMember,
    ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, SyncedGroup,
};
use ottla_broker_core::api::{
    AlterConfig, ConfigEntry, ConfigResource, CreateTopic, CreatedTopic, DeletedRecords, Error, FetchRequest,
    FetchResponse, InitProducerId, IsolationLevel, ListedOffset, Metadata, MetadataRequest, OffsetSpec, ProduceRequest,
    ProduceResponse, ProducerIdentity,
};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition};

/// Brokers that answer. An outer error is about the whole request: with
/// [`NetworkException`](ottla_broker_core::api::ErrorCode::NetworkException) or
/// [`RequestTimedOut`](ottla_broker_core::api::ErrorCode::RequestTimedOut) its effect is unknown.
#[async_trait]
pub trait Cluster: ClusterAdmin + ClusterGroups + fmt::Debug + Send + Sync + 'static {
    /// Who leads what. Any broker answers.
    ///
    /// # Errors
    /// When no broker answers.
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error>;

    /// Waits until `broker` can take about `bytes` more. Room is not reserved. FIFO and cancel-safe.
    ///
    /// # Errors
    /// When it cannot be reached or is closed.
    async fn ready(&self, broker: BrokerId, bytes: usize) -> Result<(), Error>;

    /// How long it is until `broker` writes what it has by then, if its storage writes at set times and this is known: what
    /// is submitted earlier only waits there, so a producer with batches in flight may gather that long.
    fn next_write_in(&self, _broker: BrokerId) -> Option<Duration> {
        None
    }

    /// Submits batches to `broker`, *in the order of the calls*: the request is taken before this
    /// returns, and only the answer is waited for. Dropping the future does not take the batches back.
    fn produce(&self, broker: BrokerId, request: ProduceRequest) -> BoxFuture<'static, Result<ProduceResponse, Error>>;

    /// Reads from `broker`, waiting as the request says. Cancel-safe.
    ///
    /// # Errors
    /// When it cannot be reached or is closed.
    async fn fetch(&self, broker: BrokerId, request: FetchRequest) -> Result<FetchResponse, Error>;

    /// Looks offsets up at `broker`: one answer each, in order.
    ///
    /// # Errors
    /// When it cannot be reached or is closed.
    async fn list_offsets(
        &self,
        broker: BrokerId,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error>;

    /// A new producer identity, or the next epoch of one.
    ///
    /// # Errors
    /// When no broker gives one.
    async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error>;

    /// Closes connections or gives up the share in an embedded broker, within `limit`.
    ///
    /// # Errors
    /// What could not be made durable.
    async fn close(&self, limit: Duration) -> Result<(), Error>;
}

/// Topics and configs. One answer each, in order; an outer error means that no broker answered.
#[async_trait]
pub trait ClusterAdmin {
    /// Creates topics, or says with `validate_only` whether it would.
    ///
    /// # Errors
    /// When no broker answers.
    async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error>;

    /// Deletes topics with their records.
    ///
    /// # Errors
    /// When no broker answers.
    async fn delete_topics(&self, names: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error>;

    /// Raises topics' numbers of partitions to the totals given.
    ///
    /// # Errors
    /// When no broker answers.
    async fn create_partitions(
        &self,
        totals: Vec<(TopicName, i32)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error>;

    /// Deletes the records before an offset; [`Offset::MAX`] means all that are committed.
    ///
    /// # Errors
    /// When no broker answers.
    async fn delete_records(
        &self,
        before: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<Result<DeletedRecords, Error>>, Error>;

    /// Configs as they are in force, sorted by name.
    ///
    /// # Errors
    /// When no broker answers.
    async fn describe_configs(
        &self,
        resources: Vec<ConfigResource>,
    ) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error>;

    /// Changes configs.
    ///
    /// # Errors
    /// When no broker answers.
    async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error>;
}

/// Consumer groups. All but [`find_coordinator`](Self::find_coordinator) and
/// [`list_groups`](Self::list_groups) go to the group's coordinator.
///
/// Outer errors are as in [`Cluster`]. Besides, `NOT_COORDINATOR` and `COORDINATOR_NOT_AVAILABLE` mean: find the
/// coordinator again; `COORDINATOR_LOAD_IN_PROGRESS`: ask the same broker again after a pause. With each of
/// them the effect is unknown or none, so that a request which may be repeated should be.
///
/// Dropping a future gives up the answer only: the request may have been, or may yet be, carried out.
#[async_trait]
pub trait ClusterGroups {
    /// Which broker coordinates `group`. Any broker answers.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID`, `COORDINATOR_NOT_AVAILABLE`, and when no broker answers.
    async fn find_coordinator(&self, group: &GroupId) -> Result<BrokerId, Error>;

    /// Becomes, or stays, a member. May wait for as long as the group's rebalance time-out. Cancel-safe: a member
    /// whose join was dropped asks again, and only the last one is answered.
    ///
    /// # Errors
    /// `MEMBER_ID_REQUIRED` with the name to join again with, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`,
    /// `INCONSISTENT_GROUP_PROTOCOL`, `INVALID_SESSION_TIMEOUT`, `INVALID_GROUP_ID`, `GROUP_MAX_SIZE_REACHED`,
    /// `REBALANCE_IN_PROGRESS`, and those of the trait.
    async fn join_group(&self, broker: BrokerId, request: JoinGroup) -> Result<JoinedGroup, JoinRefused>;

    /// Brings or takes the shares. May wait for the leader as long as the rebalance time-out. Cancel-safe.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` (join again), `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`,
    /// `INCONSISTENT_GROUP_PROTOCOL`, and those of the trait.
    async fn sync_group(&self, broker: BrokerId, request: SyncGroup) -> Result<SyncedGroup, Error>;

    /// Says that a member lives.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` (join again), `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`,
    /// and those of the trait.
    async fn heartbeat(&self, broker: BrokerId, request: Heartbeat) -> Result<(), Error>;

    /// Takes members out: one answer each, in order.
    ///
    /// # Errors
    /// Those of the trait. Of one member: `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`.
    async fn leave_group(&self, broker: BrokerId, request: LeaveGroup) -> Result<Vec<LeftMember>, Error>;

    /// Stores how far a group has come: one answer each, in order. Answered when it will not be forgotten.
    ///
    /// # Errors
    /// `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `REBALANCE_IN_PROGRESS`, and those of the
    /// trait. Of one partition: `UNKNOWN_TOPIC_OR_PARTITION`, `OFFSET_METADATA_TOO_LARGE`, `INVALID_REQUEST`.
    async fn offset_commit(&self, broker: BrokerId, request: OffsetCommit) -> Result<Vec<Result<(), Error>>, Error>;

    /// How far a group has come. One that is not there has no offsets.
    ///
    /// # Errors
    /// Those of the trait.
    async fn offset_fetch(&self, broker: BrokerId, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error>;

    /// Forgets how far a group has come: one answer each, in order.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`, and those of the trait. Of one partition:
    /// `GROUP_SUBSCRIBED_TO_TOPIC`.
    async fn offset_delete(&self, broker: BrokerId, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error>;

    /// Groups as they stand: one answer each, in order. One that is not there is `Dead`.
    ///
    /// # Errors
    /// When the broker cannot be reached or is closed. Of one group: those of the trait.
    async fn describe_groups(
        &self,
        broker: BrokerId,
        groups: Vec<GroupId>,
    ) -> Result<Vec<Result<DescribedGroup, Error>>, Error>;

    /// The groups that `broker` coordinates, by name. Those of a cluster are those of all its brokers.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS`, and when the broker cannot be reached or is closed.
    async fn list_groups(&self, broker: BrokerId, request: ListGroups) -> Result<Vec<ListedGroup>, Error>;

    /// Deletes groups with their offsets: one answer each, in order.
    ///
    /// # Errors
    /// When the broker cannot be reached or is closed. Of one group: `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`, and
    /// those of the trait.
    async fn delete_groups(&self, broker: BrokerId, groups: Vec<GroupId>) -> Result<Vec<Result<(), Error>>, Error>;
}
