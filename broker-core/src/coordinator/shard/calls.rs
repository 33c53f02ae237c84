//! What may be asked of a shard.

use super::{MAX_NAME, Shard, check_group_id};
use crate::api::group::{
    DescribedGroup, FetchedOffset, GroupId, GroupState, Heartbeat, InstanceId, JoinGroup, LeaveGroup, LeftMember,
    ListGroups, ListedGroup, MemberId, OffsetCommit, OffsetDelete, OffsetFetch, OffsetsWanted, SyncGroup,
};
use crate::api::{Error, ErrorCode};
use crate::coordinator::group::{Context, Effects, ReplyTo, dead, unknown_member};

fn no_such_group(group: &GroupId) -> Error {
    Error::new(ErrorCode::GroupIdNotFound, format!("there is no group {group}"))
}

impl Shard {
    /// `unique` makes the name of a new member: random, so that no two brokers' names meet.
    pub(crate) fn join(
        &mut self,
        cx: &Context<'_>,
        request: &JoinGroup,
        unique: uuid::Uuid,
        reply: ReplyTo,
        effects: &mut Effects,
    ) {
        if let Err(error) = check_join(cx, request) {
            effects.join_refused(reply, error);
            return;
        }
        // As Kafka: `<instance or client id>-<uuid>`.
        let stem = request.instance.as_ref().map_or(&*request.client_id, InstanceId::as_str);
        let fresh = MemberId::from(format!("{stem}-{unique}"));
        let act = |group: &mut super::Group, effects: &mut Effects| group.join(cx, request, fresh, reply, effects);
        let found = if request.member.is_none() {
            self.with_new(cx, &request.group, effects, act)
        } else {
            self.with(&request.group, effects, act)
        };
        if found.is_none() {
            effects.join_refused(reply, unknown_member(&request.group));
        }
    }

    pub(crate) fn sync(&mut self, cx: &Context<'_>, request: &SyncGroup, reply: ReplyTo, effects: &mut Effects) {
        let found = self.with(&request.group, effects, |group, effects| group.sync(cx, request, reply, effects));
        if found.is_none() {
            effects.synced(reply, Err(unknown_member(&request.group)));
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        cx: &Context<'_>,
        request: &Heartbeat,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        self.with_unhurried(&request.group, effects, |group, _| group.heartbeat(cx, request))
            .unwrap_or_else(|| Err(unknown_member(&request.group)))
    }

    pub(crate) fn leave(&mut self, cx: &Context<'_>, request: &LeaveGroup, effects: &mut Effects) -> Vec<LeftMember> {
        self.with(&request.group, effects, |group, effects| group.leave(cx, request, effects)).unwrap_or_else(|| {
            let result = Err(unknown_member(&request.group));
            request.members.iter().map(|m| LeftMember { member: m.clone(), result: result.clone() }).collect()
        })
    }

    pub(crate) fn commit(
        &mut self,
        cx: &Context<'_>,
        request: &OffsetCommit,
        effects: &mut Effects,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        check_group_id(&request.group)?;
        if self.groups.contains_key(&request.group) {
            return self
                .with_unhurried(&request.group, effects, |group, effects| group.commit(cx, request, effects))
                .unwrap_or_else(|| Err(unknown_member(&request.group)));
        }
        if request.generation.is_some() {
            return Err(Error::new(
                ErrorCode::IllegalGeneration,
                format!("group {} is not there, so it has no generation {}", request.group, request.generation),
            ));
        }
        self.with_new(cx, &request.group, effects, |group, effects| group.commit(cx, request, effects))
            .unwrap_or_else(|| Err(unknown_member(&request.group)))
    }

    pub(crate) fn fetch(&self, request: &OffsetFetch) -> Vec<FetchedOffset> {
        match (self.groups.get(&request.group), &request.wanted) {
            (Some(group), _) => group.fetch(request),
            (None, OffsetsWanted::All) => Vec::new(),
            (None, OffsetsWanted::Partitions(wanted)) => {
                wanted.iter().map(|p| FetchedOffset { partition: p.clone(), committed: Ok(None) }).collect()
            }
        }
    }

    pub(crate) fn delete_offsets(
        &mut self,
        request: &OffsetDelete,
        effects: &mut Effects,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.with(&request.group, effects, |group, effects| group.delete_offsets(request, effects))
            .unwrap_or_else(|| Err(no_such_group(&request.group)))
    }

    pub(crate) fn delete(&mut self, group: &GroupId, effects: &mut Effects) -> Result<(), Error> {
        self.with(group, effects, |group, effects| group.delete(effects)).unwrap_or_else(|| Err(no_such_group(group)))
    }

    pub(crate) fn describe(&self, group: &GroupId) -> DescribedGroup {
        self.groups.get(group).map_or_else(|| dead(group.clone()), super::Group::describe)
    }

    pub(crate) fn list(&self, request: &ListGroups) -> Vec<ListedGroup> {
        let wanted = |state: GroupState| request.states.is_empty() || request.states.contains(&state);
        self.groups.values().filter(|group| wanted(group.state())).map(super::Group::listed).collect()
    }
}

/// What can be said of a join without knowing its group.
fn check_join(cx: &Context<'_>, request: &JoinGroup) -> Result<(), Error> {
    check_group_id(&request.group)?;
    let (min, max) = (cx.config.min_session_timeout, cx.config.max_session_timeout);
    if request.session_timeout < min || request.session_timeout > max {
        return Err(Error::new(
            ErrorCode::InvalidSessionTimeout,
            format!(
                "a session time-out of {:?} is not within {min:?} (group.min.session.timeout.ms) and {max:?} \
                 (group.max.session.timeout.ms)",
                request.session_timeout
            ),
        ));
    }
    // Room for the `-<uuid>` that a member's name gets.
    let texts = [
        ("client id", request.client_id.len() + 37),
        ("client host", request.client_host.len()),
        ("protocol type", request.protocol_type.len()),
        ("group instance id", request.instance.as_ref().map_or(0, |instance| instance.as_str().len() + 37)),
    ];
    let protocols = request.protocols.iter().map(|p| ("protocol name", p.name.len()));
    for (what, len) in texts.into_iter().chain(protocols) {
        if len > MAX_NAME {
            return Err(Error::new(ErrorCode::InvalidRequest, format!("the {what} is longer than a name may be")));
        }
    }
    let metadata: usize = request.protocols.iter().map(|p| p.metadata.len()).sum();
    if metadata > cx.max_record_bytes {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("the member's metadata has {metadata} bytes, and the group's log takes {}", cx.max_record_bytes),
        ));
    }
    Ok(())
}
