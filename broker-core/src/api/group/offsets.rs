//! OffsetCommit, OffsetFetch, OffsetDelete (Kafka's APIs 8, 9, 47).

use std::sync::Arc;

use super::ids::{Generation, GroupId, InstanceId, MemberId};
use crate::error::Error;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};

/// Stores how far a group has come. Each partition is accepted or refused on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The group.
    pub group: GroupId,
    /// The generation in which the records were handled; [`Generation::NONE`] without membership,
    /// which only a group without members takes.
    pub generation: Generation,
    /// Who commits; `None` without membership.
    pub member: Option<MemberId>,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// What; a partition at most once.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// One partition of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitPartition {
    /// Which.
    pub partition: TopicPartition,
    /// The next offset to read; below 0 there is none, and the group begins where its members are told to.
    pub offset: Offset,
    /// The epoch of the last record that was handled (KIP-320).
    pub leader_epoch: Option<LeaderEpoch>,
    /// The application's note; at most `offset.metadata.max.bytes`.
    pub metadata: Arc<str>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read; below 0 there is none, as if nothing were committed.
    pub offset: Offset,
    /// The epoch of the last record that was handled, if it was told.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The application's note.
    pub metadata: Arc<str>,
}

/// Which offsets are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetsWanted {
    /// All that the group has.
    All,
    /// These; one answer each, in order.
    Partitions(Vec<TopicPartition>),
}

/// Asks how far one group has come. Requests for several groups are several of these (v8 and later
/// put them into one message; each is answered on its own there too).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetch {
    /// The group.
    pub group: GroupId,
    /// Which.
    pub wanted: OffsetsWanted,
    /// Whether an offset that an open transaction would change is an error
    /// (`UNSTABLE_OFFSET_COMMIT`, KIP-447) rather than the old value.
    pub require_stable: bool,
}

/// One partition's answer: `None` if nothing is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// Which.
    pub partition: TopicPartition,
    /// What is committed.
    pub committed: Result<Option<CommittedOffset>, Error>,
}

/// Forgets how far a group has come. Refused for topics that the group is subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDelete {
    /// The group.
    pub group: GroupId,
    /// Which.
    pub partitions: Vec<TopicPartition>,
}
