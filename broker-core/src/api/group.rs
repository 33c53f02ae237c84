//! Consumer groups (Kafka's APIs 8 to 16, 42 and 47), and the bytes that groups are made of.
//!
//! - Requests and answers, one file a family: membership, offsets, administration.
//! - [`Subscription`] and [`Assignment`]: what members of protocol type [`CONSUMER`] say to each other
//!   through the coordinator, which does not read more of it than the topics' names.
//! - [`OffsetsKey`], [`OffsetValue`], [`GroupValue`]: the records of `__consumer_offsets`.
//!
//! All encodings are Kafka's own, byte for byte, so that members of one group may be of any client.

mod admin;
mod codec;
mod consumer_protocol;
mod ids;
mod membership;
mod offsets;
mod records;

pub use admin::{
    DescribedGroup, DescribedMember, FindCoordinator, FoundCoordinator, GroupState, ListGroups, ListedGroup,
    UnknownGroupState,
};
pub use codec::{DecodeError, FieldTooLong};
pub use consumer_protocol::{Assignment, CONSUMER, Subscription, TopicPartitions};
pub use ids::{Generation, GroupId, InstanceId, MemberId};
pub use membership::{
    GroupMember, GroupProtocol, Heartbeat, JoinGroup, JoinRefused, JoinedGroup, LeaveGroup, LeavingMember, LeftMember,
    SyncGroup, SyncedGroup,
};
pub use offsets::{
    CommittedOffset, FetchedOffset, OffsetCommit, OffsetCommitPartition, OffsetDelete, OffsetFetch, OffsetsWanted,
};
pub use records::{GroupMemberValue, GroupValue, OffsetValue, OffsetsKey, SnapshotMark};

#[cfg(test)]
mod tests;
