//! Who of a group gets which partitions.

mod adjust;
pub(in crate::consumer) mod divide;
mod range;
mod round_robin;
mod sticky;
mod subscribers;
pub(in crate::consumer) mod unfinished;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{Generation, InstanceId, MemberId, Subscription};
use ottla_broker_core::{TopicName, TopicPartition};

pub use divide::{DivideError, Division, common_protocol, divide, protocols};
pub use range::Range;
pub use round_robin::RoundRobin;
pub use sticky::CooperativeSticky;

/// How many partitions each topic has. A topic that does not exist is absent, or has 0.
pub type TopicCounts = BTreeMap<TopicName, i32>;

/// Each member's share.
pub type Assignments = BTreeMap<MemberId, Vec<TopicPartition>>;

/// How a group changes hands (KIP-429).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebalanceProtocol {
    /// Everybody gives up everything before joining, and gets its new share afterwards.
    Eager,
    /// Members keep working on what they have. A partition that moves is given up first, and handed
    /// out by a second rebalance.
    Cooperative,
}

/// What the leader knows of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSubscription {
    /// Its name.
    pub member: MemberId,
    /// Its static name (KIP-345).
    pub instance: Option<InstanceId>,
    /// The topics that it wants.
    pub topics: Vec<TopicName>,
    /// What it has.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it got that; [`Generation::NONE`] if it does not say.
    pub generation: Generation,
    /// What its assignor added, from [`Assignor::user_data`].
    pub user_data: Option<Bytes>,
    /// Where it stands.
    pub rack: Option<Arc<str>>,
}

impl MemberSubscription {
    /// The order in which Kafka's assignors serve members (`AbstractPartitionAssignor.MemberInfo`): static
    /// members first, by static name, so that a restart under a new member id changes nothing; then the
    /// others by member id.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        match (&self.instance, &other.instance) {
            (Some(one), Some(two)) => one.cmp(two).then_with(|| self.member.cmp(&other.member)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.member.cmp(&other.member),
        }
    }
}

/// A way to divide partitions among members.
///
/// Every member of a group runs the same assignor, and the one that the coordinator names leader
/// calls [`assign`](Self::assign) for all.
///
/// # Contract
/// - `assign` MUST be a function of its arguments: the order of `members` must not matter.
/// - It MUST give a partition to at most one member, only to one that wants the topic, and only
///   partitions that `topics` has; the leader checks this and refuses a division that breaks it.
/// - A partition left out is owned by nobody until the next rebalance.
/// - With [`RebalanceProtocol::Cooperative`] a partition that another member still has is taken out
///   of the division afterwards; `assign` need not care, but should leave partitions where they are.
pub trait Assignor: fmt::Debug + Send + Sync + 'static {
    /// The name on the wire. All members of a group must have one in common.
    fn name(&self) -> &str;

    /// How the group changes hands under this assignor.
    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    /// What a member tells the leader beside its subscription.
    fn user_data(&self, subscription: &Subscription) -> Option<Bytes> {
        let _ = subscription;
        None
    }

    /// The generation in which `member` got what it says that it has. The cooperative adjustment believes
    /// the newest of several who claim one partition.
    fn claimed_in(&self, member: &MemberSubscription) -> Generation {
        member.generation
    }

    /// Divides. Members that get nothing may be absent.
    fn assign(&self, members: &[MemberSubscription], topics: &TopicCounts) -> Assignments;

    /// What the leader tells `member` beside its share. With [`RebalanceProtocol::Cooperative`], a mark of 17 bytes is put
    /// behind it for a member that has something to give up, and taken off before [`assigned`](Self::assigned).
    fn share_data(&self, member: &MemberSubscription, share: &[TopicPartition]) -> Option<Bytes> {
        let _ = (member, share);
        None
    }

    /// Called on each member with its share and with what the leader said beside it.
    fn assigned(&self, generation: Generation, share: &[TopicPartition], data: Option<&Bytes>) {
        let _ = (generation, share, data);
    }
}

#[cfg(test)]
mod tests;
