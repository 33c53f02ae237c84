//! A broker in this process as a [`Cluster`].

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::group::{
    DescribedGroup, FetchedOffset, FindCoordinator, GroupId, Heartbeat, JoinGroup, JoinRefused, JoinedGroup,
    LeaveGroup, LeftMember, ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, SyncedGroup,
};
use ottla_broker_core::api::{
    AlterConfig, ConfigEntry, ConfigResource, CreateTopic, CreatedTopic, DeletedRecords, Error, ErrorCode,
    FetchRequest, FetchResponse, InitProducerId, IsolationLevel, ListedOffset, Metadata, MetadataRequest, OffsetSpec,
    ProduceRequest, ProduceResponse, ProducerIdentity,
};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::env::{BoxFuture, Env, Task};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition};

use super::{Cluster, ClusterAdmin, ClusterGroups};
use crate::connect::Storage;

/// A broker that clients share; the last to close closes it.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) broker: Arc<Broker>,
    /// What lies under it, if it counts.
    pub(crate) storage: Storage,
}

impl Owner {
    /// Over a storage that counts nothing.
    #[cfg(feature = "testing")]
    pub(crate) const fn uncounted(broker: Arc<Broker>) -> Self {
        Self { broker, storage: Storage::Uncounted }
    }
}

/// One client's view of a broker in this process. It leads every partition, so there is nothing to route.
///
/// Each client brings one task, which looks after the broker while its turn lasts; when the client or its
/// runtime goes away, another client's takes over. So a broker that several runtimes share is tied to none.
pub(crate) struct Embedded {
    broker: Arc<Broker>,
    /// This client's share, unless somebody else owns the broker.
    owner: Mutex<Option<Arc<Owner>>>,
    closed: AtomicBool,
    /// Whether its clients can reach no other broker.
    alone: bool,
    keeper: Task,
}

impl Embedded {
    /// A share of a broker, or a look at one that somebody else owns. In a tokio runtime.
    pub(crate) fn new(broker: Arc<Broker>, owner: Option<Arc<Owner>>, env: &Env) -> Self {
        let kept = Arc::clone(&broker);
        let keeper = env.spawn("ottla-keeper", async move { kept.run_housekeeping().await });
        Self { broker, owner: Mutex::new(owner), closed: AtomicBool::new(false), alone: true, keeper }
    }

    /// As one of the ways to a cluster: what a replaced broker answers goes to the client, who looks for the other.
    #[cfg(feature = "testing")]
    pub(crate) const fn among_others(mut self) -> Self {
        self.alone = false;
        self
    }

    #[inline]
    fn broker(&self) -> Result<&Arc<Broker>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        if self.alone && self.broker.is_superseded() && !is_planted("replaced-broker-asked-for-ever") {
            return Err(self.replaced());
        }
        Ok(&self.broker)
    }

    /// The broker's own answers say: look for the one that took over. From here there is none to be found, and a
    /// consumer would look for ever.
    fn replaced(&self) -> Error {
        let id = self.broker.id();
        let message = format!(
            "broker {id} of this process was replaced: it was started again on the same storage elsewhere; connect again to \
             take it back, or to a cluster to share it"
        );
        Error::new(ErrorCode::BrokerNotAvailable, message)
    }
}

fn closed() -> Error {
    Error::new(ErrorCode::BrokerNotAvailable, "the client is closed: connect a new one")
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("broker", &self.broker.id()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cluster for Embedded {
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        self.broker()?.metadata(request).await
    }

    async fn ready(&self, _broker: BrokerId, bytes: usize) -> Result<(), Error> {
        self.broker()?.ready(bytes).await
    }

    fn next_write_in(&self, _broker: BrokerId) -> Option<Duration> {
        self.broker.next_write_in()
    }

    fn produce(
        &self,
        _broker: BrokerId,
        request: ProduceRequest,
    ) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        match self.broker() {
            Ok(broker) => broker.produce(request),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    async fn fetch(&self, _broker: BrokerId, request: FetchRequest) -> Result<FetchResponse, Error> {
        self.broker()?.fetch(request).await
    }

    async fn list_offsets(
        &self,
        _broker: BrokerId,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        self.broker()?.list_offsets(isolation, wanted).await
    }

    async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        self.broker()?.init_producer_id(request).await
    }

    async fn close(&self, limit: Duration) -> Result<(), Error> {
        self.closed.store(true, Ordering::Release);
        self.keeper.abort();
        let share = self.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Of two that close at once exactly one is the last.
        match share.and_then(Arc::into_inner) {
            Some(Owner { broker, .. }) => broker.close(limit).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ClusterAdmin for Embedded {
    async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        self.broker()?.create_topics(topics, validate_only).await
    }

    async fn delete_topics(&self, names: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error> {
        self.broker()?.delete_topics(names).await
    }

    async fn create_partitions(
        &self,
        totals: Vec<(TopicName, i32)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.broker()?.create_partitions(totals, validate_only).await
    }

    async fn delete_records(
        &self,
        before: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<Result<DeletedRecords, Error>>, Error> {
        self.broker()?.delete_records(before).await
    }

    async fn describe_configs(
        &self,
        resources: Vec<ConfigResource>,
    ) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error> {
        self.broker()?.describe_configs(resources).await
    }

    async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.broker()?.alter_configs(changes, validate_only).await
    }
}

#[async_trait]
impl ClusterGroups for Embedded {
    async fn find_coordinator(&self, group: &GroupId) -> Result<BrokerId, Error> {
        let found = self.broker()?.find_coordinator(FindCoordinator::Group(group.clone())).await?;
        Ok(found.broker)
    }

    async fn join_group(&self, _broker: BrokerId, request: JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        self.broker()?.join_group(request).await
    }

    async fn sync_group(&self, _broker: BrokerId, request: SyncGroup) -> Result<SyncedGroup, Error> {
        self.broker()?.sync_group(request).await
    }

    async fn heartbeat(&self, _broker: BrokerId, request: Heartbeat) -> Result<(), Error> {
        self.broker()?.heartbeat(request).await
    }

    async fn leave_group(&self, _broker: BrokerId, request: LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        self.broker()?.leave_group(request).await
    }

    async fn offset_commit(&self, _broker: BrokerId, request: OffsetCommit) -> Result<Vec<Result<(), Error>>, Error> {
        self.broker()?.offset_commit(request).await
    }

    async fn offset_fetch(&self, _broker: BrokerId, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        let mut found = self.broker()?.offset_fetch(request).await?;
        // Over the network a committed offset below 0 is none, and here too.
        for one in found.iter_mut().filter(|_| !is_planted("no-offset-told")) {
            if let Ok(committed) = &mut one.committed {
                committed.take_if(|committed| committed.offset < Offset::ZERO);
            }
        }
        Ok(found)
    }

    async fn offset_delete(&self, _broker: BrokerId, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error> {
        self.broker()?.offset_delete(request).await
    }

    async fn describe_groups(
        &self,
        _broker: BrokerId,
        groups: Vec<GroupId>,
    ) -> Result<Vec<Result<DescribedGroup, Error>>, Error> {
        self.broker()?.describe_groups(groups).await
    }

    async fn list_groups(&self, _broker: BrokerId, request: ListGroups) -> Result<Vec<ListedGroup>, Error> {
        self.broker()?.list_groups(request).await
    }

    async fn delete_groups(&self, _broker: BrokerId, groups: Vec<GroupId>) -> Result<Vec<Result<(), Error>>, Error> {
        self.broker()?.delete_groups(groups).await
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use ottla_broker_core::api::group::{Generation, OffsetCommitPartition};

    use super::*;
    use crate::{Client, NewTopic};

    #[tokio::test]
    async fn a_committed_offset_below_0_is_none() {
        let client = Client::connect("memory://").await.unwrap();
        let admin = client.admin();
        admin.create_topic(NewTopic::new("t").partitions(2)).await.unwrap();
        let of = |partition| TopicPartition::new(TopicName::new("t").unwrap(), partition);
        admin.alter_group_offsets("g", [(of(0), Offset(1)), (of(1), Offset(3))]).await.unwrap();
        // As clients of another make may.
        let reset =
            OffsetCommitPartition { partition: of(0), offset: Offset(-2), leader_epoch: None, metadata: "".into() };
        let commit = OffsetCommit {
            group: GroupId::from("g"),
            generation: Generation::NONE,
            member: None,
            instance: None,
            partitions: vec![reset],
        };
        assert_eq!(client.broker().unwrap().offset_commit(commit).await.unwrap(), [Ok(())]);
        let left: Vec<_> =
            admin.group_offsets("g").await.unwrap().into_iter().map(|(at, is)| (at, is.offset)).collect();
        assert_eq!(left, [(of(1), Offset(3))]);
    }
}
