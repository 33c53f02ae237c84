//! Which members want a topic.

use std::collections::BTreeMap;

use ottla_broker_core::TopicName;
use rustc_hash::FxHashMap;

use super::{MemberSubscription, TopicCounts};

/// Members in Kafka's order, whatever order they came in.
pub(super) fn in_order(members: &[MemberSubscription]) -> Vec<&MemberSubscription> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|one, two| one.order(two));
    sorted
}

/// For each topic that exists, in order of names, the places in `members` of those who want it.
pub(super) fn by_topic<'a>(
    members: &[&MemberSubscription],
    topics: &'a TopicCounts,
) -> BTreeMap<&'a TopicName, (i32, Vec<u32>)> {
    let mut places: FxHashMap<&str, usize> = FxHashMap::default();
    let mut found: Vec<(&'a TopicName, i32, Vec<u32>)> = Vec::with_capacity(topics.len());
    for (topic, &partitions) in topics.iter().filter(|(_, partitions)| **partitions > 0) {
        places.insert(topic.as_str(), found.len());
        found.push((topic, partitions, Vec::new()));
    }
    for (place, member) in (0_u32..).zip(members) {
        for topic in &member.topics {
            let Some((_, _, wanting)) = places.get(topic.as_str()).and_then(|at| found.get_mut(*at)) else { continue };
            // A topic that a member names twice counts once.
            if wanting.last() != Some(&place) {
                wanting.push(place);
            }
        }
    }
    found
        .into_iter()
        .filter(|(_, _, wanting)| !wanting.is_empty())
        .map(|(topic, partitions, wanting)| (topic, (partitions, wanting)))
        .collect()
}
