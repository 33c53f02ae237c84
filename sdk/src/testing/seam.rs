//! The cluster as its clients see it: each request meets the faults.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::group::{
    DescribedGroup, FetchedOffset, GroupId, Heartbeat, JoinGroup, JoinRefused, JoinedGroup, LeaveGroup, LeftMember,
    ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, SyncedGroup,
};
use ottla_broker_core::api::{
    AlterConfig, BrokerMetadata, ConfigEntry, ConfigResource, CreateTopic, CreatedTopic, DeletedRecords, Error,
    ErrorCode, FetchPartition, FetchRequest, FetchResponse, Fetched, InitProducerId, IsolationLevel, ListedOffset,
    Metadata, MetadataRequest, OffsetSpec, ProducePartition, ProduceRequest, ProduceResponse, ProducerIdentity,
    TopicMetadata,
};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::{BrokerId, Offset, ProducerId, TopicName, TopicPartition};

use super::cluster::{Inner, TestCluster, Written, lost};
use super::faults::{Call, Fault};
use super::running::Running;
use crate::cluster::{Cluster, ClusterAdmin, ClusterGroups};

/// An error of a request.
trait Refusal {
    fn code(&self) -> ErrorCode;
}

impl Refusal for Error {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

impl Refusal for JoinRefused {
    fn code(&self) -> ErrorCode {
        self.error.code
    }
}

impl Inner {
    /// The fault of a request, unless the request ends with it.
    fn meet(&self, call: Call) -> Result<Option<Fault>, Error> {
        match self.faults.decide(call) {
            Some(Fault::Fail(code)) => {
                self.count(|counts| counts.failed += 1);
                Err(Error::new(code, format!("injected fault: {call:?} fails as {}", code.name())))
            }
            other => Ok(other),
        }
    }

    /// What becomes of the answer.
    async fn answer<T, E: From<Error> + Refusal>(
        &self,
        call: Call,
        fault: Option<Fault>,
        running: &Running,
        answer: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let Some(answer) = running.unless_dead(answer).await else {
            self.count(|counts| counts.cut_off += 1);
            return Err(lost("the broker died").into());
        };
        if let Err(error) = &answer {
            self.refused(call, error.code());
        }
        match fault {
            None | Some(Fault::Fail(_)) => answer,
            Some(Fault::LoseAnswer) => {
                self.count(|counts| counts.lost_answers += 1);
                Err(lost("injected fault: the answer was lost").into())
            }
            Some(Fault::Delay(by)) => {
                self.count(|counts| counts.delayed_answers += 1);
                self.env.sleep(by).await;
                answer
            }
            Some(Fault::Silence) => {
                self.count(|counts| counts.silences += 1);
                std::future::pending().await
            }
        }
    }
}

impl TestCluster {
    async fn call<T, E: From<Error> + Refusal, F: Future<Output = Result<T, E>> + Send>(
        &self,
        call: Call,
        ask: impl FnOnce(Arc<Running>) -> F + Send,
    ) -> Result<T, E> {
        let fault = self.inner.meet(call)?;
        let running = self.inner.route(call)?;
        let answer = ask(Arc::clone(&running));
        self.inner.answer(call, fault, &running, answer).await
    }

    /// Refuses what is led elsewhere. Returns the rest, and where in the answer each refusal belongs.
    fn split<T>(
        &self,
        asked: BrokerId,
        partitions: Vec<T>,
        name: impl Fn(&T) -> &TopicPartition,
    ) -> (Vec<T>, Vec<(usize, Error)>) {
        let mut refused = Vec::new();
        let mut kept = Vec::new();
        for (at, partition) in partitions.into_iter().enumerate() {
            if self.inner.is_elsewhere(name(&partition), asked) {
                self.inner.count(|counts| counts.not_leader += 1);
                let message = format!("broker {asked} does not lead {}", name(&partition));
                refused.push((at, Error::new(ErrorCode::NotLeaderOrFollower, message)));
            } else {
                kept.push(partition);
            }
        }
        (kept, refused)
    }

    /// The metadata with leaders where they moved.
    fn moved(&self, mut metadata: Metadata) -> Metadata {
        if !self.inner.anything_moved() {
            return metadata;
        }
        let other = |broker: &BrokerMetadata| BrokerMetadata { id: BrokerId(broker.id.0 + 1), ..broker.clone() };
        let others: Vec<_> = metadata.brokers.iter().map(other).collect();
        metadata.brokers = metadata.brokers.iter().cloned().chain(others).collect();
        for topic in metadata.topics.iter_mut().filter_map(|topic| topic.as_mut().ok()) {
            let partitions = topic.partitions.iter().cloned().map(|mut partition| {
                let name = TopicPartition::new(topic.name.clone(), partition.partition);
                partition.leader = partition.leader.map(|_| self.inner.leader(&name));
                partition
            });
            *topic = Arc::new(TopicMetadata { partitions: partitions.collect(), ..TopicMetadata::clone(topic) });
        }
        metadata
    }
}

/// The answers of one request, with the refusals at their places.
fn merge<T>(answers: Vec<Result<T, Error>>, refused: Vec<(usize, Error)>) -> Vec<Result<T, Error>> {
    let mut merged = answers;
    for (at, error) in refused {
        merged.insert(at.min(merged.len()), Err(error));
    }
    merged
}

/// What makes a batch recognisable, if its producer is idempotent.
fn sequenced(one: &ProducePartition) -> Option<Written> {
    let header = one.batch.header();
    let known = header.producer_id != ProducerId::NONE;
    known.then(|| (one.partition.clone(), header.producer_id.0, header.producer_epoch.0, header.base_sequence))
}

#[async_trait]
impl Cluster for TestCluster {
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        let asked = self.call(Call::Metadata, |to: Arc<Running>| async move { to.cluster.metadata(request).await });
        asked.await.map(|metadata| self.moved(metadata))
    }

    async fn ready(&self, broker: BrokerId, bytes: usize) -> Result<(), Error> {
        let running = self.inner.route(Call::Metadata)?;
        match running.unless_dead(running.cluster.ready(broker, bytes)).await {
            Some(ready) => ready,
            None => Err(lost("the broker died")),
        }
    }

    fn next_write_in(&self, _broker: BrokerId) -> Option<Duration> {
        self.broker()?.next_write_in()
    }

    fn produce(&self, broker: BrokerId, request: ProduceRequest) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        let refuse =
            |error| -> BoxFuture<'static, Result<ProduceResponse, Error>> { Box::pin(std::future::ready(Err(error))) };
        let fault = match self.inner.meet(Call::Produce) {
            Ok(fault) => fault,
            Err(error) => return refuse(error),
        };
        let running = match self.inner.route(Call::Produce) {
            Ok(running) => running,
            Err(error) => return refuse(error),
        };
        let ProduceRequest { acks, timeout, partitions } = request;
        let (partitions, refused) = self.split(broker, partitions, |one: &ProducePartition| &one.partition);
        let batches: Vec<_> = partitions.iter().map(sequenced).collect();
        // Taken here, in the order of the calls.
        let taken = running.cluster.produce(broker, ProduceRequest { acks, timeout, partitions });
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let spied = async {
                let answers = taken.await?;
                for (answer, batch) in answers.iter().zip(batches) {
                    match (answer, batch) {
                        (Ok(_), Some(batch)) => inner.wrote(batch),
                        (Ok(_), None) => {}
                        (Err(error), _) => inner.refused(Call::Produce, error.code),
                    }
                }
                Ok::<_, Error>(answers)
            };
            let answers = inner.answer(Call::Produce, fault, &running, spied).await?;
            Ok(merge(answers, refused))
        })
    }

    async fn fetch(&self, broker: BrokerId, mut request: FetchRequest) -> Result<FetchResponse, Error> {
        let wanted = std::mem::take(&mut request.partitions);
        let (partitions, refused) = self.split(broker, wanted, |one: &FetchPartition| &one.partition);
        if !refused.is_empty() {
            // Nobody waits for records when there is news.
            request.max_wait = Duration::ZERO;
        }
        request.partitions = partitions;
        let asked = self.call(Call::Fetch, |to: Arc<Running>| async move { to.cluster.fetch(broker, request).await });
        let answers: Vec<Result<Fetched, Error>> = asked.await?;
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            self.inner.refused(Call::Fetch, error.code);
        }
        Ok(merge(answers, refused))
    }

    async fn list_offsets(
        &self,
        broker: BrokerId,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        let (wanted, refused) = self.split(broker, wanted, |(partition, _)| partition);
        let asked = self.call(Call::ListOffsets, |to: Arc<Running>| async move {
            to.cluster.list_offsets(broker, isolation, wanted).await
        });
        Ok(merge(asked.await?, refused))
    }

    async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        let bumps = request.current.is_some();
        let asked = self
            .call(Call::InitProducerId, |to: Arc<Running>| async move { to.cluster.init_producer_id(request).await });
        let identity = asked.await?;
        self.inner.count(|counts| counts.epoch_bumps += u64::from(bumps));
        Ok(identity)
    }

    /// A client goes, and the cluster stays: [`TestCluster::shutdown`] ends it.
    async fn close(&self, _limit: Duration) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl ClusterAdmin for TestCluster {
    async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.create_topics(topics, validate_only).await })
            .await
    }

    async fn delete_topics(&self, names: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.delete_topics(names).await }).await
    }

    async fn create_partitions(
        &self,
        totals: Vec<(TopicName, i32)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(
            Call::Admin,
            |to: Arc<Running>| async move { to.cluster.create_partitions(totals, validate_only).await },
        )
        .await
    }

    async fn delete_records(
        &self,
        before: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<Result<DeletedRecords, Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.delete_records(before).await }).await
    }

    async fn describe_configs(
        &self,
        resources: Vec<ConfigResource>,
    ) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.describe_configs(resources).await }).await
    }

    async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.alter_configs(changes, validate_only).await })
            .await
    }
}

#[async_trait]
impl ClusterGroups for TestCluster {
    async fn find_coordinator(&self, group: &GroupId) -> Result<BrokerId, Error> {
        self.call(Call::FindCoordinator, |to: Arc<Running>| async move { to.cluster.find_coordinator(group).await })
            .await
    }

    async fn join_group(&self, broker: BrokerId, request: JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        self.call(Call::Join, |to: Arc<Running>| async move { to.cluster.join_group(broker, request).await }).await
    }

    async fn sync_group(&self, broker: BrokerId, request: SyncGroup) -> Result<SyncedGroup, Error> {
        self.call(Call::Sync, |to: Arc<Running>| async move { to.cluster.sync_group(broker, request).await }).await
    }

    async fn heartbeat(&self, broker: BrokerId, request: Heartbeat) -> Result<(), Error> {
        self.call(Call::Heartbeat, |to: Arc<Running>| async move { to.cluster.heartbeat(broker, request).await }).await
    }

    async fn leave_group(&self, broker: BrokerId, request: LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        self.call(Call::Leave, |to: Arc<Running>| async move { to.cluster.leave_group(broker, request).await }).await
    }

    async fn offset_commit(&self, broker: BrokerId, request: OffsetCommit) -> Result<Vec<Result<(), Error>>, Error> {
        let asked =
            self.call(
                Call::OffsetCommit,
                |to: Arc<Running>| async move { to.cluster.offset_commit(broker, request).await },
            );
        let answers: Vec<Result<(), Error>> = asked.await?;
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            self.inner.refused(Call::OffsetCommit, error.code);
        }
        Ok(answers)
    }

    async fn offset_fetch(&self, broker: BrokerId, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        self.call(Call::OffsetFetch, |to: Arc<Running>| async move { to.cluster.offset_fetch(broker, request).await })
            .await
    }

    async fn offset_delete(&self, broker: BrokerId, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.offset_delete(broker, request).await }).await
    }

    async fn describe_groups(
        &self,
        broker: BrokerId,
        groups: Vec<GroupId>,
    ) -> Result<Vec<Result<DescribedGroup, Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.describe_groups(broker, groups).await }).await
    }

    async fn list_groups(&self, broker: BrokerId, request: ListGroups) -> Result<Vec<ListedGroup>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.list_groups(broker, request).await }).await
    }

    async fn delete_groups(&self, broker: BrokerId, groups: Vec<GroupId>) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(Call::Admin, |to: Arc<Running>| async move { to.cluster.delete_groups(broker, groups).await }).await
    }
}
