//! What clients may ask.

use super::GroupCoordinator;
use super::handle::{Answer, ShardHandle};
use crate::api::group::{
    DescribedGroup, FetchedOffset, GroupId, Heartbeat, JoinGroup, JoinRefused, JoinedGroup, LeaveGroup, LeftMember,
    ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, SyncedGroup,
};
use crate::api::{Error, ErrorCode};
use crate::coordinator::group::{Context, Effects, Reply};
use crate::coordinator::shard::Shard;
use crate::ids::TopicPartition;

/// Each answers when what it says is committed. `NOT_COORDINATOR`, `COORDINATOR_NOT_AVAILABLE` and
/// `COORDINATOR_LOAD_IN_PROGRESS` mean that the effect is unknown or none: look for the coordinator and ask again.
impl GroupCoordinator {
    /// Becomes, or stays, a member. Waits for the others. Dropping the future does not take the join back.
    ///
    /// # Errors
    /// `MEMBER_ID_REQUIRED` (with the name to join again with), `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`,
    /// `INCONSISTENT_GROUP_PROTOCOL`, `INVALID_SESSION_TIMEOUT`, `INVALID_GROUP_ID`, `INVALID_REQUEST`,
    /// `GROUP_MAX_SIZE_REACHED`, `REBALANCE_IN_PROGRESS` (the member has asked again), and the above.
    pub async fn join(&self, request: JoinGroup) -> Result<JoinedGroup, JoinRefused> {
        let shard = self.shard_of(&request.group)?;
        let unique = self.env.uuid();
        let (answer, era) = shard.ask(|core, cx, to, effects| core.join(cx, &request, unique, to, effects))?;
        match shard.answered(answer, era).await? {
            Reply::Join(result) => result,
            Reply::Sync(_) => Err(shard.forgotten().into()),
        }
    }

    /// Brings or takes the shares. Waits for the leader.
    ///
    /// # Errors
    /// `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `REBALANCE_IN_PROGRESS`,
    /// `INCONSISTENT_GROUP_PROTOCOL`, `UNKNOWN_SERVER_ERROR` (the shares are too large to be stored), and the above.
    pub async fn sync(&self, request: SyncGroup) -> Result<SyncedGroup, Error> {
        let shard = self.shard_of(&request.group)?;
        let (answer, era) =
            shard.ask(|core, cx, to, effects| core.sync(cx, &request, to, effects)).map_err(|error| {
                match error.code {
                    // A rebalance does not outlive its coordinator: as Kafka, send the member back to its join at once.
                    ErrorCode::CoordinatorLoadInProgress => Error::new(ErrorCode::RebalanceInProgress, error.message),
                    _ => error,
                }
            })?;
        match shard.answered(answer, era).await? {
            Reply::Sync(result) => result,
            Reply::Join(_) => Err(shard.forgotten()),
        }
    }

    /// Says that a member lives.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` (rejoin), `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, and
    /// the above but for the load: members' sessions start anew after it, so all is well.
    #[allow(clippy::unused_async, reason = "all calls are alike")]
    pub async fn heartbeat(&self, request: Heartbeat) -> Result<(), Error> {
        let shard = self.shard_of(&request.group)?;
        // It reveals nothing that must be committed.
        match shard.decide(|core, cx, effects| core.heartbeat(cx, &request, effects)) {
            Ok(decided) => decided.answer,
            Err(error) if error.code == ErrorCode::CoordinatorLoadInProgress => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes members out: an answer each, in order.
    ///
    /// # Errors
    /// The above; those of a member are in its answer.
    pub async fn leave(&self, request: LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        self.call(&request.group, |core, cx, effects| core.leave(cx, &request, effects)).await
    }

    /// Stores offsets: an answer each, in order.
    ///
    /// # Errors
    /// `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `REBALANCE_IN_PROGRESS`,
    /// `INVALID_GROUP_ID`, and the above. Of one partition: `OFFSET_METADATA_TOO_LARGE`, `INVALID_REQUEST`,
    /// `INVALID_COMMIT_OFFSET_SIZE`, `POLICY_VIOLATION` (the group has too many).
    pub async fn commit(&self, request: OffsetCommit) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(&request.group, |core, cx, effects| core.commit(cx, &request, effects)).await?
    }

    /// Reads committed offsets. A group that is not there has none.
    ///
    /// # Errors
    /// The above.
    pub async fn fetch(&self, request: OffsetFetch) -> Result<Vec<FetchedOffset>, Error> {
        self.call(&request.group, |core, _, _| core.fetch(&request)).await
    }

    /// Forgets offsets: an answer each, in order.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`, and the above. Of one partition: `GROUP_SUBSCRIBED_TO_TOPIC`.
    pub async fn delete_offsets(&self, request: OffsetDelete) -> Result<Vec<Result<(), Error>>, Error> {
        self.call(&request.group, |core, _, effects| core.delete_offsets(&request, effects)).await?
    }

    /// Describes a group.
    ///
    /// # Errors
    /// The above; a group that is not there is `Dead`.
    pub async fn describe(&self, group: GroupId) -> Result<DescribedGroup, Error> {
        self.call(&group, |core, _, _| core.describe(&group)).await
    }

    /// Deletes a group with its offsets.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`, and the above.
    pub async fn delete(&self, group: GroupId) -> Result<(), Error> {
        self.call(&group, |core, _, effects| core.delete(&group, effects)).await?
    }

    /// The groups that this broker coordinates, by name.
    ///
    /// # Errors
    /// While a shard is being replayed the list would lack its groups: `COORDINATOR_LOAD_IN_PROGRESS`.
    pub async fn list(&self, request: ListGroups) -> Result<Vec<ListedGroup>, Error> {
        let mut groups = Vec::new();
        for shard in self.all_shards() {
            groups.extend(shard.call(|core, _, _| core.list(&request)).await?);
        }
        groups.sort_by(|one, other| one.group.cmp(&other.group));
        Ok(groups)
    }

    /// Forgets the offsets of partitions that are `gone`, in every group that is coordinated here, members or not.
    ///
    /// # Errors
    /// The first of a shard that could not do it; the others have.
    pub async fn forget_offsets(&self, gone: impl Fn(&TopicPartition) -> bool + Sync) -> Result<(), Error> {
        let mut outcome = Ok(());
        for shard in self.all_shards() {
            outcome = outcome.and(shard.forget_offsets(&gone).await);
        }
        outcome
    }

    async fn call<T: Send>(
        &self,
        group: &GroupId,
        act: impl FnOnce(&mut Shard, &Context<'_>, &mut Effects) -> T + Send,
    ) -> Result<T, Error> {
        self.shard_of(group)?.call(act).await
    }
}

impl ShardHandle {
    async fn forget_offsets(&self, gone: &(impl Fn(&TopicPartition) -> bool + Sync)) -> Result<(), Error> {
        let mut from = None;
        loop {
            // Some groups at a time, so that others get their turn.
            from = self.call(|core, _, effects| core.forget_offsets(from.as_ref(), gone, effects)).await?;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    async fn call<T: Send>(
        &self,
        act: impl FnOnce(&mut Shard, &Context<'_>, &mut Effects) -> T + Send,
    ) -> Result<T, Error> {
        let decided = self.decide(act)?;
        self.wait(decided.commit, decided.era).await?;
        Ok(decided.answer)
    }

    async fn answered(&self, answer: tokio::sync::oneshot::Receiver<Answer>, era: u64) -> Result<Reply, Error> {
        let Ok((reply, commit)) = answer.await else { return Err(self.forgotten()) };
        self.wait(commit, era).await?;
        Ok(reply)
    }
}
