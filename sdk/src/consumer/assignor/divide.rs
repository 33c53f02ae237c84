//! What a member tells of itself before a rebalance, and what the leader does with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    Assignment, DecodeError, FieldTooLong, GroupMember, GroupProtocol, MemberId, Subscription, TopicPartitions,
};
use ottla_broker_core::{TopicName, TopicPartition};
use rustc_hash::{FxHashMap, FxHashSet};

use super::adjust::withhold_moving;
use super::{Assignments, Assignor, MemberSubscription, RebalanceProtocol, TopicCounts, unfinished};

/// Why a group cannot be divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DivideError {
    /// A member's subscription is not Kafka's.
    #[error("the subscription of member `{member}` cannot be read")]
    Subscription {
        /// Whose.
        member: MemberId,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// A share is too long for the protocol's length fields.
    #[error("the share of member `{member}` does not fit the protocol's length fields")]
    Share {
        /// Whose.
        member: MemberId,
        /// Which field.
        #[source]
        source: FieldTooLong,
    },
    /// The assignor gave a partition to two.
    #[error("assignor `{assignor}` gave {partition} to `{first}` and to `{second}`: each may have one owner")]
    OwnedTwice {
        /// The assignor's name.
        assignor: String,
        /// What it gave twice.
        partition: TopicPartition,
        /// To whom.
        first: MemberId,
        /// And to whom else.
        second: MemberId,
    },
    /// The assignor gave away what it may not.
    #[error("assignor `{assignor}` gave {partition} to `{member}`: {reason}")]
    NotTheirs {
        /// The assignor's name.
        assignor: String,
        /// What it gave.
        partition: TopicPartition,
        /// To whom.
        member: MemberId,
        /// What is wrong with that.
        reason: &'static str,
    },
}

/// A group, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Who gets what, after the cooperative adjustment.
    pub shares: Assignments,
    /// The same, encoded for SyncGroup: one entry a member.
    pub encoded: Vec<(MemberId, Bytes)>,
    /// Every topic that any member wants, with the number of partitions that was divided (0: it does not
    /// exist). When one changes, the leader asks for a rebalance.
    pub topics: TopicCounts,
}

/// The protocols that a member offers, the favourite first, with `subscription` encoded for each.
///
/// # Errors
/// [`FieldTooLong`] when it does not fit the protocol's length fields.
pub fn protocols(
    assignors: &[Arc<dyn Assignor>],
    subscription: &Subscription,
) -> Result<Vec<GroupProtocol>, FieldTooLong> {
    assignors
        .iter()
        .map(|assignor| {
            let subscription = Subscription { user_data: assignor.user_data(subscription), ..subscription.clone() };
            Ok(GroupProtocol { name: Arc::from(assignor.name()), metadata: subscription.encode()? })
        })
        .collect()
}

/// The protocol that a member with these assignors follows: cooperative only if all of them are, since
/// the group may settle on any of them.
#[must_use]
pub fn common_protocol(assignors: &[Arc<dyn Assignor>]) -> RebalanceProtocol {
    assignors.iter().map(|assignor| assignor.protocol()).min().unwrap_or(RebalanceProtocol::Eager)
}

/// Divides as the leader: reads the subscriptions, lets `assignor` decide, checks what it decided,
/// withholds what others still have (cooperative protocol only) and encodes.
///
/// `topics` must have every topic that any member wants and that exists.
///
/// # Errors
/// [`DivideError`]: a subscription that cannot be read, or an assignor that broke its contract.
pub fn divide(assignor: &dyn Assignor, members: &[GroupMember], topics: &TopicCounts) -> Result<Division, DivideError> {
    let members = members.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut shares = assignor.assign(&members, topics);
    check(assignor, &members, topics, &shares)?;
    let withheld = match assignor.protocol() {
        RebalanceProtocol::Cooperative => withhold_moving(assignor, &members, &mut shares),
        RebalanceProtocol::Eager => FxHashSet::default(),
    };
    let mut encoded = Vec::with_capacity(members.len());
    for member in &members {
        let share = shares.entry(member.member.clone()).or_default();
        let data = assignor.share_data(member, share);
        let gives_up = member.owned.iter().any(|partition| withheld.contains(partition));
        let user_data = if gives_up { Some(unfinished::mark(data)) } else { data };
        let bytes = Assignment { partitions: grouped(&*share), user_data }
            .encode()
            .map_err(|source| DivideError::Share { member: member.member.clone(), source })?;
        encoded.push((member.member.clone(), bytes));
    }
    let wanted = members.iter().flat_map(|member| &member.topics);
    let topics = wanted.map(|topic| (topic.clone(), topics.get(topic).copied().unwrap_or(0))).collect();
    Ok(Division { shares, encoded, topics })
}

fn read(member: &GroupMember) -> Result<MemberSubscription, DivideError> {
    let said = Subscription::decode(&member.metadata)
        .map_err(|source| DivideError::Subscription { member: member.member.clone(), source })?;
    Ok(MemberSubscription {
        member: member.member.clone(),
        instance: member.instance.clone(),
        topics: said.topics,
        owned: flat(&said.owned),
        generation: said.generation,
        user_data: said.user_data,
        rack: said.rack,
    })
}

fn check(
    assignor: &dyn Assignor,
    members: &[MemberSubscription],
    topics: &TopicCounts,
    shares: &Assignments,
) -> Result<(), DivideError> {
    let wanted: FxHashMap<&MemberId, FxHashSet<&TopicName>> =
        members.iter().map(|member| (&member.member, member.topics.iter().collect())).collect();
    let mut owners: FxHashMap<&TopicPartition, &MemberId> = FxHashMap::default();
    for (member, share) in shares {
        for partition in share {
            let count = topics.get(&partition.topic).copied().unwrap_or(0);
            let reason = match wanted.get(member) {
                None => Some("it is not a member"),
                Some(wanted) if !wanted.contains(&partition.topic) => Some("it does not want the topic"),
                Some(_) if !(0..count).contains(&partition.partition) => Some("there is no such partition"),
                Some(_) => None,
            };
            let assignor = || assignor.name().to_owned();
            if let Some(reason) = reason {
                let (partition, member) = (partition.clone(), member.clone());
                return Err(DivideError::NotTheirs { assignor: assignor(), partition, member, reason });
            }
            if let Some(first) = owners.insert(partition, member) {
                let (first, second) = (first.clone(), member.clone());
                let partition = partition.clone();
                return Err(DivideError::OwnedTwice { assignor: assignor(), partition, first, second });
            }
        }
    }
    Ok(())
}

/// One entry a topic, each sorted, as the wire has it.
pub(in crate::consumer) fn grouped<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> Vec<TopicPartitions> {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    topics
        .into_iter()
        .map(|(topic, mut partitions)| {
            partitions.sort_unstable();
            TopicPartitions { topic: topic.clone(), partitions }
        })
        .collect()
}

/// The reverse of [`grouped`].
pub(in crate::consumer) fn flat(topics: &[TopicPartitions]) -> Vec<TopicPartition> {
    topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|number| TopicPartition::new(topic.topic.clone(), *number)))
        .collect()
}
