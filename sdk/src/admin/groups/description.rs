//! A group, for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::group::{
    Assignment, CONSUMER, DescribedGroup, DescribedMember, Generation, GroupId, GroupState, InstanceId, MemberId,
    Subscription,
};
use ottla_broker_core::api::{self, ErrorCode};

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: GroupId,
    /// Where it stands.
    pub state: GroupState,
    /// Its generation.
    pub generation: Generation,
    /// What kind of group it is: `consumer` for consumers; empty for one that only has offsets.
    pub protocol_type: Arc<str>,
    /// The assignor that its members chose; empty unless it is [`Stable`](GroupState::Stable).
    pub assignor: Arc<str>,
    /// Its members, by name.
    pub members: Vec<MemberDescription>,
}

/// A member as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its name.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// The client's own name of itself.
    pub client_id: Arc<str>,
    /// Where it calls from.
    pub client_host: Arc<str>,
    /// What it wants; `None` unless the group is stable and of consumers.
    pub subscription: Option<Subscription>,
    /// The partitions that are its, sorted; empty unless the group is stable and of consumers.
    pub partitions: Vec<TopicPartition>,
}

impl GroupDescription {
    /// # Errors
    /// `INCONSISTENT_GROUP_PROTOCOL` for consumers that say what no consumer should.
    pub(super) fn new(described: DescribedGroup) -> Result<Self, api::Error> {
        let readable = described.state == GroupState::Stable && &*described.protocol_type == CONSUMER;
        let members = described.members.into_iter().map(|member| MemberDescription::new(member, readable));
        Ok(Self {
            members: members.collect::<Result<_, _>>()?,
            group: described.group,
            state: described.state,
            generation: described.generation,
            protocol_type: described.protocol_type,
            assignor: described.protocol,
        })
    }

    /// Who reads which partition, in a group of consumers that is stable.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<TopicPartition, MemberId> {
        let owned = |member: &MemberDescription| {
            let name = member.member.clone();
            member.partitions.clone().into_iter().map(move |partition| (partition, name.clone()))
        };
        self.members.iter().flat_map(owned).collect()
    }
}

impl MemberDescription {
    fn new(described: DescribedMember, readable: bool) -> Result<Self, api::Error> {
        let unreadable = |what: &str, error: &dyn std::fmt::Display| {
            let message = format!("the {what} of member {} cannot be read: {error}", described.member);
            api::Error::new(ErrorCode::InconsistentGroupProtocol, message)
        };
        let (mut subscription, mut partitions) = (None, Vec::new());
        if readable && !described.metadata.is_empty() {
            let read = Subscription::decode(&described.metadata);
            subscription = Some(read.map_err(|error| unreadable("subscription", &error))?);
        }
        if readable && !described.assignment.is_empty() {
            let read = Assignment::decode(&described.assignment).map_err(|error| unreadable("assignment", &error))?;
            partitions = read
                .partitions
                .into_iter()
                .flat_map(|of| of.partitions.into_iter().map(move |p| TopicPartition::new(of.topic.clone(), p)))
                .collect();
            partitions.sort();
        }
        Ok(Self {
            member: described.member,
            instance: described.instance,
            client_id: described.client_id,
            client_host: described.client_host,
            subscription,
            partitions,
        })
    }
}
