//! What clients ask of groups.

use super::{Broker, topic};
use crate::api::group::{
    DescribedGroup, FetchedOffset, FindCoordinator, FoundCoordinator, GroupId, Heartbeat, JoinGroup, JoinRefused,
    JoinedGroup, LeaveGroup, LeftMember, ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup,
    SyncedGroup,
};
use crate::api::{Error, ErrorCode};
use crate::coordinator::partition_for;
use crate::ids::BrokerId;

/// Requests of groups. `NOT_COORDINATOR` and `COORDINATOR_NOT_AVAILABLE` mean: find the coordinator again;
/// `COORDINATOR_LOAD_IN_PROGRESS`: ask again after a pause. With each of them the effect is unknown or none. Further
/// outer errors of all: `BROKER_NOT_AVAILABLE` once closed. Once superseded the answer is `NOT_COORDINATOR`, and to who
/// looks for the coordinator or lists groups here `COORDINATOR_NOT_AVAILABLE`.
///
/// Dropping a future gives up the answer only. Somebody must [keep house](Self::run_housekeeping): sessions
/// end, and what a restart found is replayed, only then.
impl Broker {
    /// Who coordinates a group. The first time, makes `__consumer_offsets`.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID`, `COORDINATOR_NOT_AVAILABLE`; `UNSUPPORTED_VERSION` for transactions.
    pub async fn find_coordinator(&self, wanted: FindCoordinator) -> Result<FoundCoordinator, Error> {
        self.check_serving(ErrorCode::CoordinatorNotAvailable)?;
        let group = match wanted {
            FindCoordinator::Group(group) => group,
            FindCoordinator::Transaction(id) => {
                let message = format!("transactions are not built yet, so `{id}` has no coordinator");
                return Err(Error::new(ErrorCode::UnsupportedVersion, message));
            }
        };
        if group.as_str().is_empty() {
            return Err(Error::new(ErrorCode::InvalidGroupId, "a group's name is not empty"));
        }
        self.ensure_group_log().await?;
        let unavailable = |why: String| Error::new(ErrorCode::CoordinatorNotAvailable, format!("group {group}: {why}"));
        let routes = self.routes();
        let route =
            routes.topics.get(topic::NAME).ok_or_else(|| unavailable(format!("{} is not there yet", topic::NAME)))?;
        let partition = partition_for(&group, i32::try_from(route.slots.len()).unwrap_or(i32::MAX));
        let at = usize::try_from(partition).unwrap_or(0);
        let leader = route.metadata.partitions.get(at).and_then(|known| known.leader);
        let leader = leader.ok_or_else(|| unavailable(format!("{}-{partition} has no leader", topic::NAME)))?;
        if leader == self.id()
            && let Some(slot) = route.slots.get(at).filter(|slot| slot.leading().is_none() || slot.is_failed())
        {
            if slot.is_failed() {
                self.repair_soon();
            }
            return Err(unavailable(format!("{}-{partition} is being opened", topic::NAME)));
        }
        let place = |id: BrokerId| routes.image.brokers().iter().find(|broker| broker.id == id);
        let (host, port) = place(leader).map_or_else(Default::default, |broker| (broker.host.clone(), broker.port));
        Ok(FoundCoordinator { broker: leader, host, port })
    }

    /// Becomes, or stays, a member. Waits until the whole group has joined.
    ///
    /// # Errors
    /// As [`GroupCoordinator::join`](crate::coordinator::GroupCoordinator::join).
    pub async fn join_group(&self, request: JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let answer = coordinator.join(request).await;
        answer.inspect_err(|refused| self.look_after_group(&group, &coordinator, &refused.error))
    }

    /// Brings or takes the shares. Waits for the leader's.
    ///
    /// # Errors
    /// As [`GroupCoordinator::sync`](crate::coordinator::GroupCoordinator::sync).
    pub async fn sync_group(&self, request: SyncGroup) -> Result<SyncedGroup, Error> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let answer = coordinator.sync(request).await;
        answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error))
    }

    /// Says that a member lives.
    ///
    /// # Errors
    /// As [`GroupCoordinator::heartbeat`](crate::coordinator::GroupCoordinator::heartbeat).
    pub async fn heartbeat(&self, request: Heartbeat) -> Result<(), Error> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let answer = coordinator.heartbeat(request).await;
        answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error))
    }

    /// Takes members out: one answer each, in order.
    ///
    /// # Errors
    /// As [`GroupCoordinator::leave`](crate::coordinator::GroupCoordinator::leave).
    pub async fn leave_group(&self, request: LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let answer = coordinator.leave(request).await;
        answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error))
    }

    /// Stores how far a group has come: one answer each, in order.
    ///
    /// # Errors
    /// As [`GroupCoordinator::commit`](crate::coordinator::GroupCoordinator::commit); of one partition also
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub async fn offset_commit(&self, mut request: OffsetCommit) -> Result<Vec<Result<(), Error>>, Error> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let routes = self.routes();
        let unknown: Vec<_> = request.partitions.iter().map(|one| routes.slot(&one.partition).err()).collect();
        drop(routes);
        let mut at = unknown.iter();
        request.partitions.retain(|_| at.next().is_some_and(Option::is_none));
        let answer = coordinator.commit(request).await;
        let stored = answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error))?;
        let mut stored = stored.into_iter();
        let answer = |unknown: Option<Error>| match unknown {
            Some(error) => Err(error),
            None => stored.next().unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into())),
        };
        Ok(unknown.into_iter().map(answer).collect())
    }

    /// How far a group has come. One that is not there has no offsets.
    ///
    /// # Errors
    /// As [`GroupCoordinator::fetch`](crate::coordinator::GroupCoordinator::fetch).
    pub async fn offset_fetch(&self, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let answer = coordinator.fetch(request).await;
        answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error))
    }

    /// Forgets how far a group has come: one answer each, in order.
    ///
    /// # Errors
    /// As [`GroupCoordinator::delete_offsets`](crate::coordinator::GroupCoordinator::delete_offsets).
    pub async fn offset_delete(&self, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error> {
        let coordinator = self.coordinator()?;
        let group = request.group.clone();
        let answer = coordinator.delete_offsets(request).await;
        answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error))
    }

    /// Groups as they stand: one answer each, in order. One that is not there is
    /// [`Dead`](crate::api::group::GroupState::Dead).
    ///
    /// # Errors
    /// Those of all. Of one group: `NOT_COORDINATOR` and the like.
    pub async fn describe_groups(&self, groups: Vec<GroupId>) -> Result<Vec<Result<DescribedGroup, Error>>, Error> {
        let coordinator = self.coordinator()?;
        let mut answers = Vec::with_capacity(groups.len());
        for group in groups {
            let answer = coordinator.describe(group.clone()).await;
            answers.push(answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error)));
        }
        Ok(answers)
    }

    /// The groups that this broker coordinates, by name.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS` while the list would lack some.
    pub async fn list_groups(&self, request: ListGroups) -> Result<Vec<ListedGroup>, Error> {
        self.check_serving(ErrorCode::CoordinatorNotAvailable)?;
        match self.groups.coordinator() {
            Some(coordinator) => coordinator.list(request).await,
            None => Ok(Vec::new()),
        }
    }

    /// Deletes groups with their offsets: one answer each, in order.
    ///
    /// # Errors
    /// Those of all. Of one group: `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`, `NOT_COORDINATOR` and the like.
    pub async fn delete_groups(&self, groups: Vec<GroupId>) -> Result<Vec<Result<(), Error>>, Error> {
        let coordinator = self.coordinator()?;
        let mut answers = Vec::with_capacity(groups.len());
        for group in groups {
            let answer = coordinator.delete(group.clone()).await;
            answers.push(answer.inspect_err(|error| self.look_after_group(&group, &coordinator, error)));
        }
        Ok(answers)
    }
}
