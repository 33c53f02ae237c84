//! When which group must be looked at.
//!
//! One ordered set for all, with at most one entry a group. Deadlines mostly move away (each heartbeat
//! moves one), so an entry is replaced only by an earlier one; when it comes up early, the group
//! says when to look again. A heartbeat thus costs the set nothing.

use std::collections::BTreeSet;

use crate::api::group::GroupId;
use crate::env::Moment;

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Moment, GroupId)>);

impl Timers {
    /// Sees to it that `id` comes up by `deadline`. Takes and returns when it does.
    pub(super) fn arm(&mut self, id: &GroupId, armed: Option<Moment>, deadline: Option<Moment>) -> Option<Moment> {
        match (armed, deadline) {
            (Some(armed), Some(deadline)) if deadline >= armed => Some(armed),
            (_, Some(deadline)) => {
                self.disarm(id, armed);
                self.0.insert((deadline, id.clone()));
                Some(deadline)
            }
            // It comes up once for nothing.
            (armed, None) => armed,
        }
    }

    pub(super) fn disarm(&mut self, id: &GroupId, armed: Option<Moment>) {
        if let Some(armed) = armed {
            self.0.remove(&(armed, id.clone()));
        }
    }

    pub(super) fn earliest(&self) -> Option<Moment> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Moment) -> Option<GroupId> {
        if self.earliest()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, id)| id)
    }
}
