//! Which protocol a group takes, and which topics that means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Group;
use super::member::Member;
use crate::api::group::{CONSUMER, GroupState, JoinGroup, Subscription};
use crate::api::{Error, ErrorCode};
use crate::ids::TopicName;

impl Group {
    /// Whether the group can go on with a member that joins like this: of the same kind, and with one
    /// protocol at least that all the others have too.
    pub(super) fn check_protocols(&self, request: &JoinGroup) -> Result<(), Error> {
        let fits = if self.state == GroupState::Empty {
            !request.protocol_type.is_empty() && !request.protocols.is_empty()
        } else {
            self.protocol_type.as_deref() == Some(&*request.protocol_type)
                && request.protocols.iter().any(|p| self.members.values().all(|member| member.supports(&p.name)))
        };
        if fits {
            return Ok(());
        }
        let offered: Vec<&str> = request.protocols.iter().map(|p| &*p.name).collect();
        Err(Error::new(
            ErrorCode::InconsistentGroupProtocol,
            format!(
                "group {} is of type `{}`; a join of type `{}` with protocols {offered:?} has none in common with \
                 all members",
                self.id,
                self.protocol_type.as_deref().unwrap_or_default(),
                request.protocol_type,
            ),
        ))
    }

    /// The protocol that most members like best among those that all have. Of two with as many votes, the
    /// first by name.
    pub(super) fn choose_protocol(&self) -> Option<Arc<str>> {
        let common = self.common_protocols();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let favourite = member.protocols.iter().find(|p| common.contains(&*p.name))?;
            *votes.entry(&favourite.name).or_default() += 1;
        }
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(name, _)| Arc::clone(name))
    }

    /// The protocols that all members have: one look at each member, as a group may have thousands.
    fn common_protocols(&self) -> BTreeSet<&str> {
        let mut members = self.members.values();
        let first = members.next().into_iter().flat_map(|member| &member.protocols).map(|p| &*p.name);
        members.fold(first.collect(), |mut common: BTreeSet<&str>, member| {
            common.retain(|name| member.supports(name));
            common
        })
    }

    /// The topics that the members want under the chosen protocol; `None` if it is not the consumers' protocol or
    /// a member's subscription cannot be read.
    pub(super) fn topics_of_members(&self) -> Option<BTreeSet<TopicName>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(topics_of(member, protocol)?);
        }
        Some(topics)
    }

    /// Whether the group takes records of the topic. If the coordinator cannot tell what a consumer group
    /// wants, it wants everything.
    pub(super) fn is_subscribed(&self, topic: &TopicName) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.protocol_type.as_deref() == Some(CONSUMER) && !self.members.is_empty(),
        }
    }
}

fn topics_of(member: &Member, protocol: &str) -> Option<Vec<TopicName>> {
    Subscription::decode(&member.metadata(protocol)).ok().map(|subscription| subscription.topics)
}

/// Whether two joins of a static member want the same under `protocol`. Of a consumer only the topics
/// count: what it owned and when differs with each restart.
pub(super) fn want_the_same(old: &Member, new: &Member, protocol: &str) -> bool {
    match (topics_of(old, protocol), topics_of(new, protocol)) {
        (Some(old), Some(new)) => old.into_iter().collect::<BTreeSet<_>>() == new.into_iter().collect::<BTreeSet<_>>(),
        _ => old.metadata(protocol) == new.metadata(protocol),
    }
}
