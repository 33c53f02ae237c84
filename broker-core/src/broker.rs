//! A broker: takes requests as values and answers them from the partitions that it leads.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{
    AlterConfig, ConfigEntry, ConfigResource, CreateTopic, CreatedTopic, DeletedRecords, EpochEnd, Error, ErrorCode,
    FetchRequest, FetchResponse, InitProducerId, IsolationLevel, ListedOffset, Metadata, MetadataRequest, OffsetSpec,
    ProduceRequest, ProduceResponse, ProducerIdentity,
};
use crate::config::BrokerConfig;
use crate::env::{BoxFuture, Env};
use crate::ids::{BrokerId, LeaderEpoch, Offset, TopicName, TopicPartition};
use crate::log;

/// A broker.
#[derive(Debug)]
pub struct Broker {
    config: BrokerConfig,
    backend: log::Backend,
    env: Env,
    cluster_id: Arc<str>,
}

fn later<T>() -> Result<T, Error> {
    Err(Error::new(ErrorCode::UnknownServerError, "under construction on branch broker"))
}

impl Broker {
    /// Starts.
    ///
    /// # Errors
    /// Start.
    pub async fn start(config: BrokerConfig, backend: log::Backend, env: Env) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self { config, backend, env, cluster_id: Arc::from("") }))
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> BrokerId {
        self.config.id()
    }

    /// The cluster's id.
    #[must_use]
    pub const fn cluster_id(&self) -> &Arc<str> {
        &self.cluster_id
    }

    /// The world it runs in.
    #[must_use]
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// What an acknowledged write has reached.
    #[must_use]
    pub fn durability(&self) -> log::Durability {
        self.backend.logs.durability()
    }

    /// Metadata.
    ///
    /// # Errors
    /// Closed.
    pub async fn metadata(&self, _request: MetadataRequest) -> Result<Metadata, Error> {
        later()
    }

    /// Waits until there is room for about `bytes`.
    ///
    /// # Errors
    /// Closed.
    pub async fn ready(&self, _bytes: usize) -> Result<(), Error> {
        later()
    }

    /// Submits batches in the order of the calls.
    pub fn produce(self: &Arc<Self>, _request: ProduceRequest) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        Box::pin(std::future::ready(later()))
    }

    /// Reads.
    ///
    /// # Errors
    /// Closed.
    pub async fn fetch(&self, _request: FetchRequest) -> Result<FetchResponse, Error> {
        later()
    }

    /// Looks offsets up.
    ///
    /// # Errors
    /// Closed.
    pub async fn list_offsets(
        &self,
        _isolation: IsolationLevel,
        _wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        later()
    }

    /// Where leader epochs end.
    ///
    /// # Errors
    /// Closed.
    pub async fn offset_for_leader_epoch(
        &self,
        _wanted: Vec<(TopicPartition, LeaderEpoch, LeaderEpoch)>,
    ) -> Result<Vec<Result<EpochEnd, Error>>, Error> {
        later()
    }

    /// A producer identity.
    ///
    /// # Errors
    /// Closed.
    pub async fn init_producer_id(&self, _request: InitProducerId) -> Result<ProducerIdentity, Error> {
        later()
    }

    /// Creates topics.
    ///
    /// # Errors
    /// Closed.
    pub async fn create_topics(
        &self,
        _topics: Vec<CreateTopic>,
        _validate_only: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        later()
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// Closed.
    pub async fn delete_topics(&self, _names: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error> {
        later()
    }

    /// Adds partitions.
    ///
    /// # Errors
    /// Closed.
    pub async fn create_partitions(
        &self,
        _totals: Vec<(TopicName, i32)>,
        _validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        later()
    }

    /// Deletes records.
    ///
    /// # Errors
    /// Closed.
    pub async fn delete_records(
        &self,
        _before: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<Result<DeletedRecords, Error>>, Error> {
        later()
    }

    /// Configs in force.
    ///
    /// # Errors
    /// Closed.
    pub async fn describe_configs(
        &self,
        _resources: Vec<ConfigResource>,
    ) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error> {
        later()
    }

    /// Changes configs.
    ///
    /// # Errors
    /// Closed.
    pub async fn alter_configs(
        &self,
        _changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        _validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        later()
    }

    /// Takes the housekeeping lock, then looks after retention, producers' expiry and failed partitions
    /// until the broker closes. Dropping the future hands the work to the next caller.
    pub async fn run_housekeeping(&self) {}

    /// Stops taking requests, waits for pending appends, closes the storage. Idempotent.
    ///
    /// # Errors
    /// What could not be made durable, or the limit passed.
    pub async fn close(&self, _limit: Duration) -> Result<(), Error> {
        Ok(())
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        false
    }
}
