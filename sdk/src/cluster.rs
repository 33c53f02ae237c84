//! What the SDK sees of a cluster: one trait, whatever answers.
//!
//! Batching, retries, leader look-up and group membership sit above it once, so that an embedded broker
//! and brokers behind sockets pass the same tests. Values are those of [`ottla_broker_core::api`].

pub(crate) mod embedded;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
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
pub trait Cluster: ClusterAdmin + fmt::Debug + Send + Sync + 'static {
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
