//! From a name to a partition: what the hot path looks up.

use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use crate::api::{Error, ErrorCode, TopicMetadata};
use crate::config::TopicConfig;
use crate::ids::{LeaderEpoch, PartitionId, TopicId, TopicName, TopicPartition};
use crate::metadata::Image;
use crate::partition::Partition;

/// Every topic with what this broker has of it. Immutable and swapped whole; the slots within are shared
/// from one to the next, so that a partition may change its state without a new map.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// The image that this was made from.
    pub(super) image: Arc<Image>,
    pub(super) topics: FxHashMap<TopicName, Arc<TopicRoute>>,
}

#[derive(Debug)]
pub(super) struct TopicRoute {
    pub(super) metadata: Arc<TopicMetadata>,
    pub(super) config: Arc<TopicConfig>,
    pub(super) slots: Vec<Arc<Slot>>,
}

/// The place of one partition.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: PartitionId,
    state: RwLock<State>,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    /// Led by another broker, or not opened yet.
    Idle,
    /// Led here. The partition knows whether its storage failed; one whose storage is poisoned stays here to be read.
    Leading(Arc<Partition>),
    /// Opening it at `epoch` failed. The next try is at a higher one.
    Failed { epoch: LeaderEpoch, error: Error },
}

impl Slot {
    pub(super) const fn new(topic: TopicId, partition: i32) -> Self {
        Self { id: PartitionId { topic, partition }, state: RwLock::new(State::Idle) }
    }

    pub(super) fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts it in another state and returns the one before.
    pub(super) fn replace(&self, state: State) -> State {
        std::mem::replace(&mut *self.state.write().unwrap_or_else(PoisonError::into_inner), state)
    }

    pub(super) fn leading(&self) -> Option<Arc<Partition>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Leading(partition) => Some(Arc::clone(partition)),
            State::Idle | State::Failed { .. } => None,
        }
    }

    /// Whether it was opened at `epoch`, or that was tried.
    pub(super) fn was_opened_at(&self, epoch: LeaderEpoch) -> bool {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Idle => false,
            State::Leading(partition) => partition.elected() >= epoch,
            State::Failed { epoch: tried, .. } => *tried >= epoch,
        }
    }

    /// Whether it must be opened at a new epoch to serve again.
    pub(super) fn is_failed(&self) -> bool {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Idle => false,
            State::Leading(partition) => partition.is_failed(),
            State::Failed { .. } => true,
        }
    }
}

impl Routes {
    /// The topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` with the remedy.
    pub(super) fn topic(&self, name: &TopicName) -> Result<&Arc<TopicRoute>, Error> {
        self.topics.get(name).ok_or_else(|| unknown_topic(name))
    }

    /// The place of `partition`, with its topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` with what there is.
    pub(super) fn slot(&self, partition: &TopicPartition) -> Result<(&Arc<TopicRoute>, &Arc<Slot>), Error> {
        let topic = self.topic(&partition.topic)?;
        let slot = usize::try_from(partition.partition).ok().and_then(|at| topic.slots.get(at)).ok_or_else(|| {
            Error::new(
                ErrorCode::UnknownTopicOrPartition,
                format!(
                    "there is no partition {partition}: topic `{}` has {} of them, numbered from 0",
                    partition.topic,
                    topic.slots.len()
                ),
            )
        })?;
        Ok((topic, slot))
    }

    /// Some partition that is led here and has not failed.
    pub(super) fn any_open(&self) -> Option<Arc<Partition>> {
        let slots = self.topics.values().flat_map(|topic| &topic.slots);
        slots.filter_map(|slot| slot.leading()).find(|partition| !partition.is_failed())
    }

    /// Every slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        // By name, so that one seed gives one order of effects.
        self.image.topics().filter_map(|topic| self.topics.get(&topic.metadata.name)).flat_map(|topic| &topic.slots)
    }
}

/// A topic that nobody created.
pub(super) fn unknown_topic(name: &TopicName) -> Error {
    Error::new(
        ErrorCode::UnknownTopicOrPartition,
        format!(
            "there is no topic `{name}`: create it with `admin().ensure_topic`, or start the broker with \
             `auto.create.topics.enable=true`"
        ),
    )
}
