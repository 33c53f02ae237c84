//! Kafka's `RangeAssignor`, without racks.

use ottla_broker_core::TopicPartition;

use super::subscribers::{by_topic, in_order};
use super::{Assignments, Assignor, MemberSubscription, TopicCounts};

/// Each topic by itself: its partitions in order, cut into one run per member.
///
/// Topics with the same number of partitions and the same subscribers are cut alike, so that partition
/// `n` of each goes to the same member (co-partitioning: joins by key need it). The price is that the
/// first members get the remainder of every topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range;

impl Assignor for Range {
    fn name(&self) -> &'static str {
        "range"
    }

    fn assign(&self, members: &[MemberSubscription], topics: &TopicCounts) -> Assignments {
        let members = in_order(members);
        let mut shares: Vec<Vec<TopicPartition>> = vec![Vec::new(); members.len()];
        for (topic, (partitions, wanting)) in by_topic(&members, topics) {
            let count = i32::try_from(wanting.len()).unwrap_or(i32::MAX);
            let (each, mut extra) = (partitions / count, partitions % count);
            let mut next = 0;
            for place in wanting {
                let run = each + i32::from(extra > 0);
                extra -= i32::from(extra > 0);
                if let Some(share) = shares.get_mut(place as usize) {
                    share.extend((next..next + run).map(|partition| TopicPartition::new(topic.clone(), partition)));
                }
                next += run;
            }
        }
        members.into_iter().map(|member| member.member.clone()).zip(shares).collect()
    }
}
