//! Groups: requests to their coordinators.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::group::{
    DescribedGroup, FetchedOffset, FindCoordinator, GroupId, GroupState, Heartbeat, JoinGroup, JoinRefused,
    JoinedGroup, LeaveGroup, LeftMember, ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch,
    OffsetsWanted, SyncGroup, SyncedGroup,
};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{BrokerId, TopicName};
use ottla_wire::messages as wire;
use ottla_wire::net::{self, Address, Answer, Ask};
use ottla_wire::{Api, NoCommonVersion, ServerVersions, TopicRef, Versions};

use super::brokers::told;
use super::calls::{Topics, newest, newest_of};
use super::remote::{Remote, no_response};
use crate::cluster::ClusterGroups;

/// Where nothing was sent to a coordinator: it is to be looked for again.
const NO_COORDINATOR: ErrorCode = ErrorCode::CoordinatorNotAvailable;
/// From this version of OffsetCommit and OffsetFetch on topics have ids: an offset of a topic that was deleted is
/// never taken for one of its namesake.
const COMMIT_IDS: i16 = 10;
/// The first version of ListGroups that tells states.
const LISTED_STATES: i16 = 4;
/// The first version of LeaveGroup for several members, and for static ones.
const SEVERAL_LEAVE: i16 = 3;
/// The coordinator waits for members that do not come; then the answer is on its way.
const BEYOND_REBALANCE: Duration = Duration::from_secs(5);

impl Remote {
    /// What is answered at once.
    async fn coordinator<A: Api>(
        &self,
        broker: BrokerId,
        prepare: impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    ) -> Result<(i16, A::Request, A::Response), Error> {
        let peer = self.brokers.broker(broker, NO_COORDINATOR)?;
        answer(peer.quick().ask(self.brokers.limits(Duration::ZERO), prepare)).await
    }

    /// What waits for others.
    async fn waiting<A: Api>(
        &self,
        broker: BrokerId,
        waits: Duration,
        prepare: impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    ) -> Result<(i16, A::Request, A::Response), Error> {
        let peer = self.brokers.broker(broker, NO_COORDINATOR)?;
        answer(peer.poll(self.brokers.limits(waits), prepare)).await
    }
}

impl Remote {
    /// A topic whose id is nobody's any more is referred to by its name until its id is heard again.
    fn forget_unknown<'a>(&self, answers: impl Iterator<Item = (&'a TopicName, Option<&'a Error>)>) {
        for (name, error) in answers {
            if error.is_some_and(|error| error.code == ErrorCode::UnknownTopicId) && !is_planted("stale-topic-id-kept")
            {
                self.brokers.known().forget(name);
            }
        }
    }
}

async fn answer<A: Api>(
    asked: impl Future<Output = Result<Answer<A>, net::Error>> + Send,
) -> Result<(i16, A::Request, A::Response), Error> {
    let Answer { version, request, response } = asked.await.map_err(|error| told(&error, NO_COORDINATOR))?;
    Ok((version, request, response.ok_or_else(no_response)?))
}

fn nothing_said() -> Error {
    Error::new(ErrorCode::UnknownServerError, "the broker said nothing about the group")
}

#[async_trait]
impl ClusterGroups for Remote {
    async fn find_coordinator(&self, group: &GroupId) -> Result<BrokerId, Error> {
        let limits = self.brokers.limits(Duration::ZERO);
        let asked = self.brokers.any(true, NO_COORDINATOR, |peer| {
            let wanted = FindCoordinator::Group(group.clone());
            let prepare = newest::<wire::FindCoordinator>(move |_| wire::FindCoordinatorRequest::from_api(&wanted));
            async move { peer.quick().ask(limits, prepare).await }
        });
        let Answer { version, response, .. } = asked.await?;
        let found = response.ok_or_else(no_response)?.into_api(version)?;
        self.brokers.known().place(found.broker, Address::new(found.host, found.port));
        Ok(found.broker)
    }

    async fn join_group(&self, broker: BrokerId, request: JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        let waits = request.rebalance_timeout.saturating_add(BEYOND_REBALANCE);
        let prepare = newest::<wire::JoinGroup>(move |_| wire::JoinGroupRequest::from_api(&request));
        match self.waiting(broker, waits, prepare).await {
            Ok((_, request, response)) => response.into_api(&request),
            Err(error) => Err(JoinRefused { error, member: None }),
        }
    }

    async fn sync_group(&self, broker: BrokerId, request: SyncGroup) -> Result<SyncedGroup, Error> {
        let prepare = newest::<wire::SyncGroup>(move |_| wire::SyncGroupRequest::from_api(&request));
        // The rebalance time-out is the coordinator's to know; a member that waits for long asks again.
        let (_, request, response) = self.waiting(broker, self.brokers.request_timeout(), prepare).await?;
        response.into_api(&request)
    }

    async fn heartbeat(&self, broker: BrokerId, request: Heartbeat) -> Result<(), Error> {
        let prepare = newest::<wire::Heartbeat>(move |_| wire::HeartbeatRequest::from_api(&request));
        let (_, request, response) = self.coordinator(broker, prepare).await?;
        response.into_api(&request)
    }

    async fn leave_group(&self, broker: BrokerId, request: LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        let asked = request.clone();
        let one = matches!(request.members.as_slice(), [only] if only.member.is_some());
        let Versions { min, max } = wire::LeaveGroup::SPEC.versions;
        let versions = Versions::new(if one { min } else { SEVERAL_LEAVE }, max);
        let prepare = newest_of::<wire::LeaveGroup>(versions, move |version| {
            wire::LeaveGroupRequest::from_api(version, &request)
        });
        let (version, _, response) = self.coordinator(broker, prepare).await?;
        response.into_api(version, &asked)
    }

    async fn offset_commit(&self, broker: BrokerId, request: OffsetCommit) -> Result<Vec<Result<(), Error>>, Error> {
        let names: Vec<_> = request.partitions.iter().map(|one| one.partition.topic.clone()).collect();
        let topics = Topics::new(self.brokers.known().ids(names.iter()), COMMIT_IDS);
        let prepare = newest_of::<wire::OffsetCommit>(topics.versions::<wire::OffsetCommit>(), move |version| {
            wire::OffsetCommitRequest::from_api(&request, |name| topics.name(version, name))
        });
        let (_, request, response) = self.coordinator(broker, prepare).await?;
        let answers = response.into_api(&request);
        self.forget_unknown(names.iter().zip(answers.iter().map(|answer| answer.as_ref().err())));
        Ok(answers)
    }

    async fn offset_fetch(&self, broker: BrokerId, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        let ids = match &request.wanted {
            OffsetsWanted::Partitions(partitions) => {
                self.brokers.known().ids(partitions.iter().map(|partition| &partition.topic))
            }
            // There may be topics among them whose ids nobody has heard.
            OffsetsWanted::All => None,
        };
        let names: Vec<_> = ids.iter().flatten().map(|(name, id)| (TopicRef::Id(*id), name.clone())).collect();
        let topics = Topics::new(ids, COMMIT_IDS);
        let prepare = newest_of::<wire::OffsetFetch>(topics.versions::<wire::OffsetFetch>(), move |version| {
            wire::OffsetFetchRequest::from_api(version, &[request], |name| topics.name(version, name))
        });
        let (version, request, response) = self.coordinator(broker, prepare).await?;
        let name = |topic: &TopicRef| match topic {
            TopicRef::Name(name) => TopicName::new(name).ok(),
            TopicRef::Id(_) => names.iter().find(|(id, _)| id == topic).map(|(_, name)| name.clone()),
        };
        let answers = response.into_api(version, &request, name).pop().unwrap_or_else(|| Err(nothing_said()))?;
        self.forget_unknown(answers.iter().map(|one| (&one.partition.topic, one.committed.as_ref().err())));
        Ok(answers)
    }

    async fn offset_delete(&self, broker: BrokerId, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error> {
        let prepare = newest::<wire::OffsetDelete>(move |_| wire::OffsetDeleteRequest::from_api(&request));
        let (_, request, response) = self.coordinator(broker, prepare).await?;
        response.into_api(&request)
    }

    async fn describe_groups(
        &self,
        broker: BrokerId,
        groups: Vec<GroupId>,
    ) -> Result<Vec<Result<DescribedGroup, Error>>, Error> {
        let prepare = newest::<wire::DescribeGroups>(move |_| wire::DescribeGroupsRequest::from_api(&groups));
        let (_, request, response) = self.coordinator(broker, prepare).await?;
        Ok(response.into_api(&request))
    }

    async fn list_groups(&self, broker: BrokerId, request: ListGroups) -> Result<Vec<ListedGroup>, Error> {
        let states = request.states.clone();
        let prepare = newest::<wire::ListGroups>(move |version| {
            // Older brokers list all.
            let states = if version >= LISTED_STATES { request.states } else { Vec::new() };
            wire::ListGroupsRequest::from_api(&ListGroups { states })
        });
        let (_, _, response) = self.coordinator(broker, prepare).await?;
        let listed = response.into_groups()?;
        // Those that do not tell states are asked for each group's.
        let untold: Vec<_> = listed.iter().filter(|one| one.state().is_none()).map(|one| one.group.clone()).collect();
        let mut described = Vec::new();
        if !untold.is_empty() {
            described = self.describe_groups(broker, untold).await?;
        }
        let mut described = described.into_iter();
        let mut groups = Vec::with_capacity(listed.len());
        for one in listed {
            let state = match one.state() {
                Some(state) => state,
                None => match described.next() {
                    Some(Ok(described)) => described.state,
                    Some(Err(error)) => return Err(error),
                    None => GroupState::Dead,
                },
            };
            if states.is_empty() || states.contains(&state) {
                groups.push(one.into_api(state));
            }
        }
        Ok(groups)
    }

    async fn delete_groups(&self, broker: BrokerId, groups: Vec<GroupId>) -> Result<Vec<Result<(), Error>>, Error> {
        let prepare = newest::<wire::DeleteGroups>(move |_| wire::DeleteGroupsRequest::from_api(&groups));
        let (_, request, response) = self.coordinator(broker, prepare).await?;
        Ok(response.into_api(&request))
    }
}
