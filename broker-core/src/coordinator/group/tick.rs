//! What time alone does to a group.

use super::Group;
use super::context::{Context, Effects};
use crate::api::group::{GroupState, MemberId};
use crate::env::Moment;

impl Group {
    /// Does what is due. Early calls do nothing.
    pub(crate) fn tick(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        self.pending.retain(|_, lapses| *lapses > cx.now);
        for id in self.members_where(|member| member.expires().is_some_and(|at| at <= cx.now)) {
            tracing::debug!(group = %self.id, member = %id, "the member's session has ended");
            self.remove(&id, cx, effects);
        }
        if self.sync_deadline.is_some_and(|deadline| deadline <= cx.now) {
            self.sync_deadline = None;
            if matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
                for id in self.members_where(|member| !member.synced) {
                    tracing::debug!(group = %self.id, member = %id, "the member has not taken its share in time");
                    self.remove(&id, cx, effects);
                }
            }
        }
        self.advance(cx, effects);
    }

    fn members_where(&self, is: impl Fn(&super::Member) -> bool) -> Vec<MemberId> {
        self.members.iter().filter(|(_, member)| is(member)).map(|(id, _)| id.clone()).collect()
    }

    /// When [`Group::tick`] has something to do next, unless something happens before.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let members = self.members.values().filter_map(super::Member::expires);
        let pending = self.pending.values().copied();
        let phase = self.joining.map(|phase| phase.deadline);
        members.chain(pending).chain(phase).chain(self.sync_deadline).min()
    }
}
