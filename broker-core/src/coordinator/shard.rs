//! All groups of one partition of `__consumer_offsets`: pure, as its groups are.

mod calls;
mod replay;
mod snapshot;
mod timers;

use std::collections::BTreeMap;
use std::ops::Bound;

pub(crate) use snapshot::SnapshotStep;

use self::snapshot::Progress;
use self::timers::Timers;
use super::group::{Context, Effects, Group};
use crate::api::group::GroupId;
use crate::api::{Error, ErrorCode};
use crate::env::Moment;
use crate::ids::TopicPartition;

/// The groups, when each must be looked at, and what has been written of them.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    groups: BTreeMap<GroupId, Group>,
    timers: Timers,
    /// When the offsets are next looked through for old ones, and from which group on.
    sweep: Option<(Moment, Option<GroupId>)>,
    /// Records in the log since the begin of the last snapshot.
    records_since_snapshot: u64,
    /// The last begin of a snapshot that was replayed: its number, and how many records preceded it.
    replayed_begin: Option<(u64, u64)>,
    /// Records that say something still.
    live_records: u64,
    snapshot: Option<Progress>,
}

/// How many groups one look for old offsets takes at most, so that no decision takes long.
const SWEEP_GROUPS: usize = 256;

impl Shard {
    /// Has `act` decide about a group that is there, and keeps the books: timers, counts, and groups
    /// of which nothing is left. `None` if there is no such group.
    fn with<T>(
        &mut self,
        id: &GroupId,
        effects: &mut Effects,
        act: impl FnOnce(&mut Group, &mut Effects) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let live_before = group.live_records();
        let answer = act(group, effects);
        self.live_records = (self.live_records + group.live_records()).saturating_sub(live_before);
        if group.is_vacant() {
            self.timers.disarm(id, group.armed);
            self.groups.remove(id);
        } else {
            group.armed = self.timers.arm(id, group.armed, group.deadline());
        }
        Some(answer)
    }

    /// As [`Shard::with`] for what brings no deadline closer and takes nobody away: it does not look for the
    /// earliest deadline among all members, which would make a group's heartbeats cost the square of its size. The
    /// deadline that is armed may then be too early, and the look that it causes sets it right.
    fn with_unhurried<T>(
        &mut self,
        id: &GroupId,
        effects: &mut Effects,
        act: impl FnOnce(&mut Group, &mut Effects) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let live_before = group.live_records();
        let answer = act(group, effects);
        self.live_records = (self.live_records + group.live_records()).saturating_sub(live_before);
        Some(answer)
    }

    /// As [`Shard::with`], making the group first if it is not there. It goes again if nothing comes of it.
    fn with_new<T>(
        &mut self,
        cx: &Context<'_>,
        id: &GroupId,
        effects: &mut Effects,
        act: impl FnOnce(&mut Group, &mut Effects) -> T,
    ) -> Option<T> {
        self.groups.entry(id.clone()).or_insert_with(|| Group::new(id.clone(), cx.wall_ms));
        self.with(id, effects, act)
    }

    /// The next moment at which [`Shard::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let sweep = self.sweep.as_ref().map(|(at, _)| *at);
        self.timers.earliest().into_iter().chain(sweep).min()
    }

    /// Does what is due, for some groups at a time: call it again while [`Shard::deadline`] has passed.
    pub(crate) fn tick(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        for _ in 0..SWEEP_GROUPS {
            let Some(id) = self.timers.pop_due(cx.now) else { break };
            if let Some(group) = self.groups.get_mut(&id) {
                group.armed = None;
            }
            self.with(&id, effects, |group, effects| group.tick(cx, effects));
        }
        self.sweep_offsets(cx, effects);
    }

    fn sweep_offsets(&mut self, cx: &Context<'_>, effects: &mut Effects) {
        let Some((at, from)) = self.sweep.take() else {
            self.sweep = Some((cx.now + cx.config.offsets_retention_check, None));
            return;
        };
        if at > cx.now {
            self.sweep = Some((at, from));
            return;
        }
        let ids = self.some_after(from.as_ref());
        for id in &ids {
            self.with(id, effects, |group, effects| group.expire_offsets(cx, effects));
        }
        self.sweep = Some(match ids.into_iter().last() {
            // More may follow: at once.
            Some(last) => (at, Some(last)),
            None => (cx.now + cx.config.offsets_retention_check, None),
        });
    }

    /// Forgets the offsets of partitions that are `gone`, in some of the groups after `after`. Returns the last of
    /// them; `None` when all have had their turn.
    pub(crate) fn forget_offsets(
        &mut self,
        after: Option<&GroupId>,
        gone: impl Fn(&TopicPartition) -> bool,
        effects: &mut Effects,
    ) -> Option<GroupId> {
        let ids = self.some_after(after);
        for id in &ids {
            self.with(id, effects, |group, effects| group.forget_offsets(&gone, effects));
        }
        ids.into_iter().last()
    }

    fn some_after(&self, after: Option<&GroupId>) -> Vec<GroupId> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let groups = self.groups.range::<GroupId, _>((after, Bound::Unbounded));
        groups.map(|(id, _)| id.clone()).take(SWEEP_GROUPS).collect()
    }

    /// Counts what was appended, for the next snapshot.
    pub(crate) fn appended(&mut self, records: usize) {
        self.records_since_snapshot = self.records_since_snapshot.saturating_add(records as u64);
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// What is in the log, by group.
    #[cfg(test)]
    #[allow(clippy::type_complexity, reason = "compared whole")]
    pub(crate) fn durable(
        &self,
    ) -> BTreeMap<GroupId, (Option<bytes::Bytes>, Vec<(crate::ids::TopicPartition, crate::api::group::OffsetValue)>)>
    {
        self.groups
            .iter()
            .map(|(id, group)| (id.clone(), group.durable()))
            .filter(|(_, (stored, offsets))| stored.is_some() || !offsets.is_empty())
            .collect()
    }
}

/// Names and time-outs that no group could have.
fn check_group_id(group: &GroupId) -> Result<(), Error> {
    if group.as_str().is_empty() || group.as_str().len() > MAX_NAME {
        let why = format!("a group's name has 1 to {MAX_NAME} bytes, and this one has {}", group.as_str().len());
        return Err(Error::new(ErrorCode::InvalidGroupId, why));
    }
    Ok(())
}

/// What the length field of a text goes to.
const MAX_NAME: usize = i16::MAX as usize;
