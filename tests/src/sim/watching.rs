//! The seam as one consumer has it, with somebody who listens to what the coordinator says.
//!
//! A commit's note is its number in the history, so that a look-up says which one it found (invariant 8).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla::{Cluster, ClusterAdmin, ClusterGroups};
use ottla_broker_core::api::group::{
    Assignment, DescribedGroup, FetchedOffset, GroupId, Heartbeat, JoinGroup, JoinRefused, JoinedGroup, LeaveGroup,
    LeftMember, ListGroups, ListedGroup, MemberId, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, SyncedGroup,
};
use ottla_broker_core::api::{
    AlterConfig, ConfigEntry, ConfigResource, CreateTopic, CreatedTopic, DeletedRecords, Error, FetchRequest,
    FetchResponse, InitProducerId, IsolationLevel, ListedOffset, Metadata, MetadataRequest, OffsetSpec, ProduceRequest,
    ProduceResponse, ProducerIdentity,
};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition};

use super::consumed::Consumed;
use super::groups::is_certain;
use super::run::Shared;

/// One consumer's view.
#[derive(Clone, Debug)]
pub(super) struct Watching {
    pub(super) inner: Arc<dyn Cluster>,
    pub(super) shared: Shared,
    /// The group's place in the cast.
    pub(super) group: usize,
    pub(super) consumer: u32,
}

impl Watching {
    fn note<T>(&self, change: impl FnOnce(&mut Consumed) -> Result<T, String>) -> Option<T> {
        self.shared.history.consumed(self.group, change)
    }

    fn event(&self, what: std::fmt::Arguments<'_>) {
        self.shared.history.event(format_args!("consumer {}: {what}", self.consumer));
    }

    fn place(&self, partition: &TopicPartition) -> usize {
        self.shared.place(partition.topic.as_str(), partition.partition)
    }

    /// What it is known by for as long as it is one owner.
    fn owner(request: &SyncGroup) -> String {
        request.instance.as_ref().map_or_else(|| request.member.to_string(), |instance| format!("static {instance}"))
    }

    fn joined(&self, joined: &JoinedGroup) {
        let generation = joined.generation.0;
        self.event(format_args!("joined generation {generation} of {} as {}", joined.members.len(), joined.member));
        let rejoined = self.note(|consumed| {
            let is_new = consumed.groups.generation(generation);
            Ok((is_new, consumed.joined(self.consumer, joined.member.as_str(), generation, is_new)))
        });
        let (is_new, is_static) = rejoined.unwrap_or_default();
        if is_new {
            self.shared.history.count("consumer rebalance");
        }
        if is_static {
            self.shared.history.count("static rejoin");
        }
    }

    fn synced(&self, generation: i32, owner: &str, synced: &SyncedGroup) {
        let Ok(assignment) = Assignment::decode(&synced.assignment) else {
            self.shared.history.violation(format!("consumer {} was told a share that cannot be read", self.consumer));
            return;
        };
        let share = assignment.partitions.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| self.shared.place(topic.topic.as_str(), *partition))
        });
        let share: Vec<_> = share.map(|at| i32::try_from(at).unwrap()).collect();
        self.event(format_args!("is told {share:?} in generation {generation}"));
        self.note(|consumed| consumed.groups.owns(generation, owner, &share));
    }
}

#[async_trait]
impl ClusterGroups for Watching {
    async fn find_coordinator(&self, group: &GroupId) -> Result<BrokerId, Error> {
        self.inner.find_coordinator(group).await
    }

    async fn join_group(&self, broker: BrokerId, request: JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        let answer = self.inner.join_group(broker, request).await;
        match &answer {
            Ok(joined) => self.joined(joined),
            Err(refused) => self.event(format_args!("not joined: {}", refused.error)),
        }
        answer
    }

    async fn sync_group(&self, broker: BrokerId, request: SyncGroup) -> Result<SyncedGroup, Error> {
        let (generation, owner) = (request.generation.0, Self::owner(&request));
        let answer = self.inner.sync_group(broker, request).await;
        match &answer {
            Ok(synced) => self.synced(generation, &owner, synced),
            Err(error) => self.event(format_args!("not synced: {error}")),
        }
        answer
    }

    async fn heartbeat(&self, broker: BrokerId, request: Heartbeat) -> Result<(), Error> {
        self.inner.heartbeat(broker, request).await
    }

    async fn leave_group(&self, broker: BrokerId, request: LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        let answer = self.inner.leave_group(broker, request).await;
        self.event(format_args!("leaves: {answer:?}"));
        answer
    }

    async fn offset_commit(
        &self,
        broker: BrokerId,
        mut request: OffsetCommit,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let generation = request.generation.0;
        let mut commits = Vec::with_capacity(request.partitions.len());
        let mut newest = 0;
        for partition in &mut request.partitions {
            let (at, offset) = (self.place(&partition.partition), partition.offset.0);
            let number = self.note(|consumed| {
                newest = consumed.groups.newest();
                Ok(consumed.groups.commit(i32::try_from(at).unwrap(), offset))
            });
            partition.metadata = number.unwrap_or_default().to_string().into();
            commits.push((number.unwrap_or_default(), at, offset));
        }
        let member = request.member.as_ref().map_or("", MemberId::as_str).to_owned();
        let replaced = request.instance.as_ref().is_some_and(|instance| {
            self.note(|consumed| Ok(consumed.is_replaced(instance.as_str(), &member))) == Some(true)
        });
        self.event(format_args!("commits {commits:?} in generation {generation}"));
        let answers = self.inner.offset_commit(broker, request).await;
        self.event(format_args!("committed {commits:?}: {answers:?}"));
        let each = match &answers {
            Ok(answers) => answers.clone(),
            Err(error) => vec![Err(error.clone()); commits.len()],
        };
        for ((number, at, offset), answer) in commits.into_iter().zip(each) {
            self.note(|consumed| match answer {
                Ok(()) => {
                    consumed.committed(at, offset);
                    consumed.groups.committed(number, generation, newest)?;
                    if replaced {
                        return Err(format!("invariant 7: static member {member} committed after it was replaced"));
                    }
                    Ok(())
                }
                Err(error) => {
                    if is_certain(error.code) {
                        consumed.groups.refused(number);
                    }
                    Ok(())
                }
            });
        }
        answers
    }

    async fn offset_fetch(&self, broker: BrokerId, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        let asked = self.note(|consumed| Ok(consumed.groups.ask())).unwrap_or_default();
        let answers = self.inner.offset_fetch(broker, request).await;
        for answer in answers.iter().flatten() {
            let Ok(committed) = &answer.committed else { continue };
            let at = self.place(&answer.partition);
            let found = committed.as_ref().map(|found| (found.metadata.parse().unwrap_or(u64::MAX), found.offset.0));
            self.event(format_args!("found {found:?} for {at}"));
            self.note(|consumed| {
                consumed.fetched(self.consumer, at, found.map(|(_, offset)| offset));
                consumed.groups.found(asked, i32::try_from(at).unwrap(), found)
            });
            if found.is_some() {
                self.shared.history.count("consumer took over an offset");
            }
        }
        answers
    }

    async fn offset_delete(&self, broker: BrokerId, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error> {
        self.inner.offset_delete(broker, request).await
    }

    async fn describe_groups(
        &self,
        broker: BrokerId,
        groups: Vec<GroupId>,
    ) -> Result<Vec<Result<DescribedGroup, Error>>, Error> {
        self.inner.describe_groups(broker, groups).await
    }

    async fn list_groups(&self, broker: BrokerId, request: ListGroups) -> Result<Vec<ListedGroup>, Error> {
        self.inner.list_groups(broker, request).await
    }

    async fn delete_groups(&self, broker: BrokerId, groups: Vec<GroupId>) -> Result<Vec<Result<(), Error>>, Error> {
        self.inner.delete_groups(broker, groups).await
    }
}

#[async_trait]
impl Cluster for Watching {
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        self.inner.metadata(request).await
    }

    async fn ready(&self, broker: BrokerId, bytes: usize) -> Result<(), Error> {
        self.inner.ready(broker, bytes).await
    }

    fn next_write_in(&self, broker: BrokerId) -> Option<Duration> {
        self.inner.next_write_in(broker)
    }

    fn produce(&self, broker: BrokerId, request: ProduceRequest) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        self.inner.produce(broker, request)
    }

    async fn fetch(&self, broker: BrokerId, request: FetchRequest) -> Result<FetchResponse, Error> {
        self.inner.fetch(broker, request).await
    }

    async fn list_offsets(
        &self,
        broker: BrokerId,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        self.inner.list_offsets(broker, isolation, wanted).await
    }

    async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        self.inner.init_producer_id(request).await
    }

    async fn close(&self, limit: Duration) -> Result<(), Error> {
        self.inner.close(limit).await
    }
}

#[async_trait]
impl ClusterAdmin for Watching {
    async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        self.inner.create_topics(topics, validate_only).await
    }

    async fn delete_topics(&self, names: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error> {
        self.inner.delete_topics(names).await
    }

    async fn create_partitions(
        &self,
        totals: Vec<(TopicName, i32)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.inner.create_partitions(totals, validate_only).await
    }

    async fn delete_records(
        &self,
        before: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<Result<DeletedRecords, Error>>, Error> {
        self.inner.delete_records(before).await
    }

    async fn describe_configs(
        &self,
        resources: Vec<ConfigResource>,
    ) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error> {
        self.inner.describe_configs(resources).await
    }

    async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.inner.alter_configs(changes, validate_only).await
    }
}
