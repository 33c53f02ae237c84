//! JoinGroup.

use super::Group;
use super::context::{Context, Effects, Reply, ReplyTo};
use super::member::Member;
use crate::api::group::{GroupMember, GroupState, JoinGroup, JoinRefused, JoinedGroup, MemberId};
use crate::api::{Error, ErrorCode};

impl Group {
    /// A join, checked by the shard as far as it does not depend on the group. `fresh` is the name for
    /// a member that has none.
    pub(crate) fn join(
        &mut self,
        cx: &Context<'_>,
        request: &JoinGroup,
        fresh: MemberId,
        reply: ReplyTo,
        effects: &mut Effects,
    ) {
        if let Err(refused) = self.try_join(cx, request, fresh, reply, effects) {
            effects.replies.push((reply, Reply::Join(Err(refused))));
        }
        self.advance(cx, effects);
    }

    fn try_join(
        &mut self,
        cx: &Context<'_>,
        request: &JoinGroup,
        fresh: MemberId,
        reply: ReplyTo,
        effects: &mut Effects,
    ) -> Result<(), JoinRefused> {
        if !self.has_room_for(request.member.as_ref(), cx.config.max_size) {
            // As Kafka: whoever is told that there is no room holds no place either.
            if let Some(member) = &request.member {
                self.pending.remove(member);
                self.remove(member, cx, effects);
            }
            let why = format!("group {} has {} members, as many as group.max.size allows", self.id, self.members.len());
            return Err(Error::new(ErrorCode::GroupMaxSizeReached, why).into());
        }
        self.check_protocols(request)?;
        match &request.member {
            Some(member) => self.join_known(cx, request, member, reply, effects),
            None => self.join_new(cx, request, fresh, reply, effects),
        }
    }

    fn has_room_for(&self, member: Option<&MemberId>, max_size: usize) -> bool {
        let known = member.and_then(|member| self.members.get(member));
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            // Those who have not come back yet may find the group full of those who have.
            GroupState::PreparingRebalance => {
                known.is_some_and(|member| member.joining.is_some())
                    || self.members.values().filter(|member| member.joining.is_some()).count() < max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => known.is_some() || self.members.len() < max_size,
        }
    }

    fn join_new(
        &mut self,
        cx: &Context<'_>,
        request: &JoinGroup,
        fresh: MemberId,
        reply: ReplyTo,
        effects: &mut Effects,
    ) -> Result<(), JoinRefused> {
        if let Some(instance) = &request.instance {
            if let Some(old) = self.statics.get(instance).cloned() {
                self.replace_static(cx, request, &old, fresh, reply, effects);
                return Ok(());
            }
        } else if request.requires_known_member {
            // A client that gives up waiting and comes back would otherwise leave a member behind each time (KIP-394).
            self.pending.insert(fresh.clone(), cx.now + request.session_timeout);
            let why = format!("join group {} again as {fresh}", self.id);
            let error = Error::new(ErrorCode::MemberIdRequired, why);
            return Err(JoinRefused { error, member: Some(fresh) });
        }
        self.add(cx, request, fresh, reply, effects);
        Ok(())
    }

    fn join_known(
        &mut self,
        cx: &Context<'_>,
        request: &JoinGroup,
        id: &MemberId,
        reply: ReplyTo,
        effects: &mut Effects,
    ) -> Result<(), JoinRefused> {
        if request.instance.is_none() && self.pending.contains_key(id) {
            self.add(cx, request, id.clone(), reply, effects);
            return Ok(());
        }
        self.check_member(id, request.instance.as_ref())?;
        let is_leader = self.leader.as_ref() == Some(id);
        let Some(member) = self.members.get_mut(id) else { return Err(super::unknown_member(&self.id).into()) };
        let as_before = member.protocols == request.protocols;
        let rejoins = match self.state {
            GroupState::PreparingRebalance => true,
            // It missed our answer: its protocols are what the leader was told.
            GroupState::CompletingRebalance => !as_before,
            // A leader that joins again asks for a new division: its view of the topics has changed.
            GroupState::Stable => is_leader || !as_before,
            GroupState::Empty | GroupState::Dead => return Err(super::unknown_member(&self.id).into()),
        };
        if rejoins {
            member.update(request);
            self.wait_for_join(id, reply, effects);
            self.prepare_if_idle(cx, effects);
        } else {
            member.touch(cx.now);
            let joined = self.joined(id);
            effects.joined(reply, joined);
        }
        Ok(())
    }

    fn add(&mut self, cx: &Context<'_>, request: &JoinGroup, id: MemberId, reply: ReplyTo, effects: &mut Effects) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        self.pending.remove(&id);
        if let Some(instance) = &request.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id.clone(), Member::new(request, cx.now));
        self.wait_for_join(&id, reply, effects);
        if let Some(phase) = &mut self.joining {
            phase.grown = true;
        }
        self.prepare_if_idle(cx, effects);
    }

    /// Has the answer to a join wait for the group. A member that asks twice has given up on its first question.
    pub(super) fn wait_for_join(&mut self, id: &MemberId, reply: ReplyTo, effects: &mut Effects) {
        let again = self.rebalancing();
        if let Some(earlier) = self.members.get_mut(id).and_then(|member| member.joining.replace(reply)) {
            effects.join_refused(earlier, again);
        }
    }

    /// The answer to a join, for one member.
    pub(super) fn joined(&self, id: &MemberId) -> JoinedGroup {
        let protocol = self.protocol.clone().unwrap_or_default();
        let leads = self.leader.as_ref() == Some(id);
        JoinedGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            leader: self.leader.clone().unwrap_or_else(|| id.clone()),
            member: id.clone(),
            skip_assignment: false,
            members: if leads { self.members_for_leader(&protocol) } else { Vec::new() },
            protocol,
        }
    }

    pub(super) fn members_for_leader(&self, protocol: &str) -> Vec<GroupMember> {
        self.members
            .iter()
            .map(|(id, member)| GroupMember {
                member: id.clone(),
                instance: member.instance.clone(),
                metadata: member.metadata(protocol),
            })
            .collect()
    }
}

impl From<Error> for JoinRefused {
    fn from(error: Error) -> Self {
        Self { error, member: None }
    }
}
