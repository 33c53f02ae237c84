//! Which topics and partitions a reader reads.

use std::collections::{BTreeMap, BTreeSet};

use ottla_broker_core::TopicName;

/// Topics, each with the partitions chosen or all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    chosen: BTreeMap<TopicName, Option<BTreeSet<i32>>>,
    /// Whether there is an end.
    bounded: bool,
}

impl Selection {
    pub(crate) fn add_topic(&mut self, topic: TopicName) {
        self.chosen.insert(topic, None);
    }

    pub(crate) fn add_partition(&mut self, topic: TopicName, partition: i32) {
        if let Some(partitions) = self.chosen.entry(topic).or_insert_with(|| Some(BTreeSet::new())) {
            partitions.insert(partition);
        }
    }

    /// The reverse of [`add_partition`](Self::add_partition).
    pub(crate) fn remove_partition(&mut self, topic: &TopicName, partition: i32) {
        if let Some(Some(partitions)) = self.chosen.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.chosen.remove(topic);
            }
        }
    }

    pub(crate) const fn bound(&mut self) {
        self.bounded = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Sorted by name.
    pub(crate) fn topics(&self) -> Vec<TopicName> {
        self.chosen.keys().cloned().collect()
    }

    /// The partitions chosen of a topic; `None` for all.
    pub(crate) fn partitions(&self, topic: &TopicName) -> Option<&BTreeSet<i32>> {
        self.chosen.get(topic).and_then(Option::as_ref)
    }

    /// Whether the reader goes on for ever.
    pub(crate) const fn follows(&self) -> bool {
        !self.bounded
    }

    /// Whether new partitions of a topic are read as well.
    pub(crate) fn discovers(&self, topic: &TopicName) -> bool {
        self.follows() && matches!(self.chosen.get(topic), Some(None))
    }
}
