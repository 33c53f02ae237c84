//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup (Kafka's APIs 11, 14, 12, 13).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::ids::{Generation, GroupId, InstanceId, MemberId};
use crate::error::Error;

/// A way to divide the work that a member can take part in, and what it says to whoever divides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupProtocol {
    /// The assignor's name.
    pub name: Arc<str>,
    /// For protocol type `consumer` a [`Subscription`](super::Subscription); else what the members agree on.
    pub metadata: Bytes,
}

/// Asks to become, or to stay, a member. The answer comes when the whole group has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroup {
    /// The group.
    pub group: GroupId,
    /// The name that the coordinator gave; `None` at first.
    pub member: Option<MemberId>,
    /// The name of a static member (KIP-345).
    pub instance: Option<InstanceId>,
    /// The client's own name of itself, for people.
    pub client_id: Arc<str>,
    /// Where it calls from, for people.
    pub client_host: Arc<str>,
    /// Without a heartbeat for so long, the member is taken for dead.
    pub session_timeout: Duration,
    /// How long the group waits for this member in a rebalance.
    pub rebalance_timeout: Duration,
    /// What kind of group: `consumer`, `connect`, …; the same for all members.
    pub protocol_type: Arc<str>,
    /// The assignors that it can take part in, the favourite first.
    pub protocols: Vec<GroupProtocol>,
    /// Whether a first join is answered with a name to join again with (KIP-394; JoinGroup v4 and later).
    pub requires_known_member: bool,
    /// Whether a static leader that comes back understands
    /// [`skip_assignment`](JoinedGroup::skip_assignment) (KIP-814; v9 and later).
    pub can_skip_assignment: bool,
}

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its name.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// What it said under the chosen protocol.
    pub metadata: Bytes,
}

/// The group has a new generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedGroup {
    /// Which.
    pub generation: Generation,
    /// What kind of group it is.
    pub protocol_type: Arc<str>,
    /// The protocol that most members voted for.
    pub protocol: Arc<str>,
    /// Who divides the work.
    pub leader: MemberId,
    /// The asking member's own name.
    pub member: MemberId,
    /// Whether the leader has nothing to divide: it came back, and the assignment stands (KIP-814).
    pub skip_assignment: bool,
    /// All members, by name; for the leader only.
    pub members: Vec<GroupMember>,
}

/// Why a member may not join.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct JoinRefused {
    /// The reason.
    pub error: Error,
    /// With `MEMBER_ID_REQUIRED`, the name to join again with.
    pub member: Option<MemberId>,
}

/// Brings the leader's assignment, and takes the member's own share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    /// The group.
    pub group: GroupId,
    /// Of the join.
    pub generation: Generation,
    /// Who asks.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// The kind of group that the member believes in; `None` (v4 and earlier) is not checked.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that it believes was chosen; `None` (v4 and earlier) is not checked.
    pub protocol: Option<Arc<str>>,
    /// Who gets what, from the leader; empty from others. A member that is left out gets nothing.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// The member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedGroup {
    /// What kind of group it is.
    pub protocol_type: Arc<str>,
    /// The chosen protocol.
    pub protocol: Arc<str>,
    /// For protocol type `consumer` an [`Assignment`](super::Assignment); empty if the leader left it out.
    pub assignment: Bytes,
}

/// Says that a member lives. The answer says whether it must rejoin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The group.
    pub group: GroupId,
    /// The generation it works in.
    pub generation: Generation,
    /// Who.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
}

/// Members go. Each is answered on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroup {
    /// The group.
    pub group: GroupId,
    /// Who goes.
    pub members: Vec<LeavingMember>,
}

/// One that goes, by its own name, by its static one, or by both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Its name; `None` leaves it to the static one (an administrator removes a static member).
    pub member: Option<MemberId>,
    /// Its static name.
    pub instance: Option<InstanceId>,
}

/// What became of one that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As it was asked for.
    pub member: LeavingMember,
    /// Whether it is gone.
    pub result: Result<(), Error>,
}
