//! From one generation to the next.

use super::context::{Context, Effects};
use super::{Group, JoinPhase};
use crate::api::group::{GroupState, MemberId};

impl Group {
    /// Starts a rebalance unless one is at the stage where members still join.
    pub(super) fn prepare_if_idle(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        if self.state != GroupState::PreparingRebalance {
            self.prepare(cx, effects);
        }
    }

    pub(super) fn prepare(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        if self.state == GroupState::CompletingRebalance {
            self.break_off_sync(&self.rebalancing(), cx, effects);
        }
        self.sync_deadline = None;
        let timeout = self.rebalance_timeout();
        self.joining = Some(if self.state == GroupState::Empty {
            let delay = cx.config.initial_rebalance_delay;
            JoinPhase { deadline: cx.now + delay, initial_until: Some(cx.now + timeout.max(delay)), grown: false }
        } else {
            JoinPhase { deadline: cx.now + timeout, initial_until: None, grown: false }
        });
        self.transition(GroupState::PreparingRebalance, cx);
    }

    /// Who waits for a share gets none, and nothing is left of what was to be divided.
    pub(super) fn break_off_sync(&mut self, error: &crate::api::Error, cx: &Context<'_>, effects: &mut Effects) {
        for member in self.members.values_mut() {
            member.assignment = bytes::Bytes::new();
            if let Some(waiting) = member.syncing.take() {
                member.touch(cx.now);
                effects.synced(waiting, Err(error.clone()));
            }
        }
    }

    /// Completes the join if it can be: called after everything that may be what it waited for.
    pub(super) fn advance(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        let Some(phase) = self.joining else { return };
        let due = phase.deadline <= cx.now;
        let all_here = phase.initial_until.is_none()
            && self.pending.is_empty()
            && self.members.values().all(|member| member.joining.is_some());
        if !due && !all_here {
            return;
        }
        if let (Some(until), true) = (phase.initial_until, phase.grown)
            && cx.now < until
            && !self.generation_has_begun()
        {
            let deadline = (cx.now + cx.config.initial_rebalance_delay).min(until);
            if deadline > cx.now {
                self.joining = Some(JoinPhase { deadline, grown: false, ..phase });
                return;
            }
        }
        self.complete_join(cx, effects);
    }

    fn generation_has_begun(&self) -> bool {
        self.generation > crate::api::group::Generation::ZERO
    }

    fn complete_join(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        // Static members keep their place until their session ends; others had their time to come back.
        let gone: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.instance.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.forget(&id);
        }
        if self.members.is_empty() {
            self.become_empty(cx, effects);
            return;
        }
        if !self.elect_leader() {
            // Only static members, none of which came: wait on, their sessions decide.
            let deadline = cx.now + self.rebalance_timeout().max(MIN_WAIT);
            self.joining = Some(JoinPhase { deadline, initial_until: None, grown: false });
            return;
        }
        self.joining = None;
        self.generation = self.generation.next();
        self.protocol = self.choose_protocol();
        self.subscribed = self.topics_of_members();
        self.sync_deadline = Some(cx.now + self.rebalance_timeout());
        self.transition(GroupState::CompletingRebalance, cx);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            member.synced = false;
            member.touch(cx.now);
            if let Some(waiting) = member.joining.take() {
                effects.joined(waiting, joined);
            }
        }
    }

    /// Keeps the leader if it has come back, else takes the first that has. False if none has.
    fn elect_leader(&mut self) -> bool {
        let has_come = |id: &MemberId| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(has_come) {
            return true;
        }
        match self.members.iter().find(|(_, member)| member.joining.is_some()) {
            Some((id, _)) => {
                self.leader = Some(id.clone());
                true
            }
            None => false,
        }
    }

    /// Takes a member out of the books, without any consequence.
    pub(super) fn forget(&mut self, id: &MemberId) -> Option<super::Member> {
        let member = self.members.remove(id)?;
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// A member is gone: whoever waits in its name is told, and the others divide its share.
    pub(super) fn remove(&mut self, id: &MemberId, cx: &Context<'_>, effects: &mut Effects) {
        let Some(mut member) = self.forget(id) else { return };
        if let Some(waiting) = member.joining.take() {
            effects.join_refused(waiting, super::unknown_member(&self.id));
        }
        if let Some(waiting) = member.syncing.take() {
            effects.synced(waiting, Err(super::unknown_member(&self.id)));
        }
        if matches!(self.state, GroupState::Stable | GroupState::CompletingRebalance) {
            self.prepare(cx, effects);
        }
    }
}

/// A rebalance time-out of zero must not make the wait for static members spin.
const MIN_WAIT: std::time::Duration = std::time::Duration::from_secs(1);
