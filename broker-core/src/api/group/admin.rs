//! DescribeGroups, ListGroups, DeleteGroups, FindCoordinator (Kafka's APIs 15, 16, 42, 10).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::ids::{Generation, GroupId, InstanceId, MemberId};
use crate::ids::BrokerId;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; offsets may be there.
    Empty,
    /// The coordinator waits for the members to join.
    PreparingRebalance,
    /// All have joined; the coordinator waits for the leader's assignment.
    CompletingRebalance,
    /// All have their shares.
    Stable,
    /// There is no such group.
    Dead,
}

impl GroupState {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no state of a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no group state; there are Empty, PreparingRebalance, CompletingRebalance, Stable and Dead")]
pub struct UnknownGroupState(pub String);

impl FromStr for GroupState {
    type Err = UnknownGroupState;

    /// Takes Kafka's names, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Empty, Self::PreparingRebalance, Self::CompletingRebalance, Self::Stable, Self::Dead]
            .into_iter()
            .find(|state| state.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownGroupState(text.chars().take(64).collect()))
    }
}

/// A group as it stands. One that is not there is [`Dead`](GroupState::Dead), not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its name.
    pub group: GroupId,
    /// Where it stands.
    pub state: GroupState,
    /// Its generation.
    pub generation: Generation,
    /// What kind of group it is; empty for one that only has offsets.
    pub protocol_type: Arc<str>,
    /// The chosen protocol; empty unless it is [`Stable`](GroupState::Stable).
    pub protocol: Arc<str>,
    /// Its members, by name.
    pub members: Vec<DescribedMember>,
}

/// A member as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its name.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// The client's own name of itself.
    pub client_id: Arc<str>,
    /// Where it calls from.
    pub client_host: Arc<str>,
    /// What it said under the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// Its share; empty unless the group is stable.
    pub assignment: Bytes,
}

/// Asks for groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroups {
    /// Only those in one of these states; empty for all.
    pub states: Vec<GroupState>,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub group: GroupId,
    /// What kind of group it is; empty for one that only has offsets.
    pub protocol_type: Arc<str>,
    /// Where it stands.
    pub state: GroupState,
}

/// Asks who coordinates. Any broker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindCoordinator {
    /// A group.
    Group(GroupId),
    /// A transactional id.
    Transaction(Arc<str>),
}

/// Who coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCoordinator {
    /// The broker.
    pub broker: BrokerId,
    /// Its advertised host; empty for a broker in this process.
    pub host: String,
    /// Its advertised port; 0 for a broker in this process.
    pub port: u16,
}
