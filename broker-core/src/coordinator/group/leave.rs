//! LeaveGroup.

use super::Group;
use super::context::{Context, Effects};
use crate::api::Error;
use crate::api::group::{LeaveGroup, LeavingMember, LeftMember};

impl Group {
    pub(crate) fn leave(&mut self, cx: &Context<'_>, request: &LeaveGroup, effects: &mut Effects) -> Vec<LeftMember> {
        let left = request
            .members
            .iter()
            .map(|member| LeftMember { member: member.clone(), result: self.leave_one(cx, member, effects) })
            .collect();
        self.advance(cx, effects);
        left
    }

    fn leave_one(&mut self, cx: &Context<'_>, leaving: &LeavingMember, effects: &mut Effects) -> Result<(), Error> {
        let id = match (&leaving.member, &leaving.instance) {
            (Some(id), _) => id.clone(),
            (None, Some(instance)) => {
                self.statics.get(instance).cloned().ok_or_else(|| super::unknown_member(&self.id))?
            }
            (None, None) => return Err(super::unknown_member(&self.id)),
        };
        if leaving.instance.is_none() && self.pending.remove(&id).is_some() {
            return Ok(());
        }
        self.check_member(&id, leaving.instance.as_ref())?;
        self.remove(&id, cx, effects);
        Ok(())
    }
}
