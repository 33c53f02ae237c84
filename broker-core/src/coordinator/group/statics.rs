//! A static member that comes back under its old instance id (KIP-345).

use super::Group;
use super::context::{Context, Effects, ReplyTo};
use super::protocols::want_the_same;
use crate::api::group::{GroupState, JoinGroup, MemberId};
use crate::api::{Error, ErrorCode};

impl Group {
    /// The static member `old` has started anew: it goes on as `new`, and whoever still runs as `old` is fenced.
    ///
    /// A stable group stays stable if the member wants what it wanted. Kafka asks only whether the protocol
    /// stays the same; here a consumer that comes back with other topics has them divided, too.
    pub(super) fn replace_static(
        &mut self,
        cx: &Context<'_>,
        request: &JoinGroup,
        old: &MemberId,
        new: MemberId,
        reply: ReplyTo,
        effects: &mut Effects,
    ) {
        let Some(mut before) = self.members.remove(old) else {
            // `statics` names members only; a group that broke this rule says so by refusing.
            effects.join_refused(reply, super::unknown_member(&self.id));
            return;
        };
        let fenced = Error::new(
            ErrorCode::FencedInstanceId,
            format!("member {old} of group {} has started anew as {new}", self.id),
        );
        if let Some(waiting) = before.joining.take() {
            effects.join_refused(waiting, fenced.clone());
        }
        if let Some(waiting) = before.syncing.take() {
            effects.synced(waiting, Err(fenced));
        }
        let old_leader = self.leader.clone();
        if self.leader.as_ref() == Some(old) {
            self.leader = Some(new.clone());
        }
        if let Some(instance) = &request.instance {
            self.statics.insert(instance.clone(), new.clone());
        }
        let mut member = super::Member::new(request, cx.now);
        member.assignment = before.assignment.clone();
        member.synced = before.synced;
        member.is_new = false;
        member.touch(cx.now);
        let protocol = self.protocol.clone().unwrap_or_default();
        let unchanged = want_the_same(&before, &member, &protocol);
        self.members.insert(new.clone(), member);
        let stays = self.state == GroupState::Stable && unchanged && self.choose_protocol() == self.protocol;
        // A group that cannot be stored under the new name has no place for it: its members divide anew.
        let stays = stays && self.store(cx, effects).is_ok();
        match self.state {
            GroupState::Stable if stays => {
                let mut joined = self.joined(&new);
                if request.can_skip_assignment {
                    joined.skip_assignment = self.leader.as_ref() == Some(&new);
                } else {
                    // A client that does not know of skipping would divide anew if it took itself for the leader.
                    joined.leader = old_leader.unwrap_or(joined.leader);
                    joined.members = Vec::new();
                }
                effects.joined(reply, joined);
            }
            // While a rebalance completes, the leader may have been told the old name: start over.
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.wait_for_join(&new, reply, effects);
                self.prepare(cx, effects);
            }
            GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {
                self.wait_for_join(&new, reply, effects);
            }
        }
    }
}
