//! Kafka's `RoundRobinAssignor`.

use ottla_broker_core::TopicPartition;

use super::subscribers::{by_topic, in_order};
use super::{Assignments, Assignor, MemberSubscription, TopicCounts};

/// All partitions of all topics in order, dealt out in turn; a member that does not want a topic is skipped.
///
/// Shares differ by one at most where all want the same; where they do not, the turn may favour some.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Assignor for RoundRobin {
    fn name(&self) -> &'static str {
        "roundrobin"
    }

    fn assign(&self, members: &[MemberSubscription], topics: &TopicCounts) -> Assignments {
        let members = in_order(members);
        let mut shares: Vec<Vec<TopicPartition>> = vec![Vec::new(); members.len()];
        // Whose turn it is. Those who want a topic are sorted, so that the next of them is found by
        // bisection once a topic, not by asking everybody for each partition.
        let mut turn = 0;
        for (topic, (partitions, wanting)) in by_topic(&members, topics) {
            let mut at = wanting.partition_point(|place| *place < turn);
            for partition in 0..partitions {
                let Some(&place) = wanting.get(at).or_else(|| wanting.first()) else { break };
                at = if at < wanting.len() { at + 1 } else { 1 };
                turn = place + 1;
                if let Some(share) = shares.get_mut(place as usize) {
                    share.push(TopicPartition::new(topic.clone(), partition));
                }
            }
        }
        members.into_iter().map(|member| member.member.clone()).zip(shares).collect()
    }
}
