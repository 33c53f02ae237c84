//! Groups: requests to their coordinators.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::BrokerId;
use ottla_broker_core::api::group::{
    DescribedGroup, FetchedOffset, FindCoordinator, GroupId, GroupState, Heartbeat, JoinGroup, JoinRefused,
    JoinedGroup, LeaveGroup, LeftMember, ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup,
    SyncedGroup,
};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_wire::messages as wire;
use ottla_wire::net::{self, Address, Answer, Ask};
use ottla_wire::{Api, NoCommonVersion, ServerVersions, TopicRef, Versions};

use super::brokers::told;
use super::calls::{newest, newest_of};
use super::remote::{Remote, no_response};
use crate::cluster::ClusterGroups;

/// Where nothing was sent to a coordinator: it is to be looked for again.
const NO_COORDINATOR: ErrorCode = ErrorCode::CoordinatorNotAvailable;
/// The last versions in which commits name topics. An id would have to be known, and says no more about a group.
const NAMED_COMMITS: i16 = 9;
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
        let versions = Versions::new(wire::OffsetCommit::SPEC.versions.min, NAMED_COMMITS);
        let prepare = newest_of::<wire::OffsetCommit>(versions, move |_| {
            wire::OffsetCommitRequest::from_api(&request, |name| TopicRef::from(name))
        });
        let (_, request, response) = self.coordinator(broker, prepare).await?;
        Ok(response.into_api(&request))
    }

    async fn offset_fetch(&self, broker: BrokerId, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        let versions = Versions::new(wire::OffsetFetch::SPEC.versions.min, NAMED_COMMITS);
        let prepare = newest_of::<wire::OffsetFetch>(versions, move |version| {
            wire::OffsetFetchRequest::from_api(version, &[request], |name| TopicRef::from(name))
        });
        let (version, request, response) = self.coordinator(broker, prepare).await?;
        let name = |topic: &TopicRef| match topic {
            TopicRef::Name(name) => ottla_broker_core::TopicName::new(name).ok(),
            TopicRef::Id(_) => None,
        };
        response.into_api(version, &request, name).pop().unwrap_or_else(|| Err(nothing_said()))
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
