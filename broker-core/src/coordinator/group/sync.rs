//! SyncGroup and Heartbeat.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Group;
use super::context::{Context, Effects, ReplyTo};
use crate::api::group::{GroupState, Heartbeat, MemberId, SyncGroup, SyncedGroup};
use crate::api::{Error, ErrorCode};
use crate::planted::is_planted;

impl Group {
    pub(crate) fn sync(&mut self, cx: &Context<'_>, request: &SyncGroup, reply: ReplyTo, effects: &mut Effects) {
        if let Err(error) = self.try_sync(cx, request, reply, effects) {
            effects.synced(reply, Err(error));
        }
        self.advance(cx, effects);
    }

    fn try_sync(
        &mut self,
        cx: &Context<'_>,
        request: &SyncGroup,
        reply: ReplyTo,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        self.check_member(&request.member, request.instance.as_ref())?;
        self.check_generation(request.generation)?;
        self.check_protocol_names(request)?;
        let leads = self.leader.as_ref() == Some(&request.member);
        match self.state {
            GroupState::Empty | GroupState::Dead => return Err(super::unknown_member(&self.id)),
            GroupState::PreparingRebalance => return Err(self.rebalancing()),
            GroupState::Stable => {
                if leads && !request.assignments.is_empty() && is_planted("two-owners") {
                    self.divide(&request.assignments);
                }
                let synced = self.synced(&request.member);
                if let Some(member) = self.members.get_mut(&request.member) {
                    member.synced = true;
                    member.touch(cx.now);
                }
                effects.synced(reply, Ok(synced));
            }
            GroupState::CompletingRebalance => {
                let again = self.rebalancing();
                if let Some(member) = self.members.get_mut(&request.member) {
                    member.synced = true;
                    if let Some(earlier) = member.syncing.replace(reply) {
                        effects.synced(earlier, Err(again));
                    }
                }
                if leads {
                    self.complete_sync(cx, request, effects);
                }
            }
        }
        Ok(())
    }

    fn check_protocol_names(&self, request: &SyncGroup) -> Result<(), Error> {
        let differs =
            |asked: &Option<std::sync::Arc<str>>, ours: &Option<std::sync::Arc<str>>| asked.is_some() && asked != ours;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol, &self.protocol) {
            return Err(Error::new(
                ErrorCode::InconsistentGroupProtocol,
                format!(
                    "group {} is of type {:?} with protocol {:?}, and the sync says {:?} with {:?}",
                    self.id, self.protocol_type, self.protocol, request.protocol_type, request.protocol
                ),
            ));
        }
        Ok(())
    }

    /// The leader has divided the work: the group is stable as soon as that is in the log.
    fn complete_sync(&mut self, cx: &Context<'_>, request: &SyncGroup, effects: &mut Effects) {
        self.divide(&request.assignments);
        self.transition(GroupState::Stable, cx);
        if let Err(error) = self.store(cx, effects) {
            self.break_off_sync(&error, cx, effects);
            self.prepare(cx, effects);
            return;
        }
        let waiting: Vec<MemberId> =
            self.members.iter().filter(|(_, member)| member.syncing.is_some()).map(|(id, _)| id.clone()).collect();
        for id in waiting {
            let synced = self.synced(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.touch(cx.now);
            if let Some(reply) = member.syncing.take() {
                effects.synced(reply, Ok(synced));
            }
        }
    }

    fn divide(&mut self, assignments: &[(MemberId, Bytes)]) {
        let mut shares: BTreeMap<&MemberId, &Bytes> = assignments.iter().map(|(id, share)| (id, share)).collect();
        for (id, member) in &mut self.members {
            member.assignment = shares.remove(id).cloned().unwrap_or_default();
        }
    }

    fn synced(&self, id: &MemberId) -> SyncedGroup {
        SyncedGroup {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }

    pub(crate) fn heartbeat(&mut self, cx: &Context<'_>, request: &Heartbeat) -> Result<(), Error> {
        self.check_member(&request.member, request.instance.as_ref())?;
        self.check_generation(request.generation)?;
        if let Some(member) = self.members.get_mut(&request.member) {
            member.touch(cx.now);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(super::unknown_member(&self.id)),
            GroupState::PreparingRebalance => Err(self.rebalancing()),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }
}
