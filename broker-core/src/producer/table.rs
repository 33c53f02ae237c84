//! The producers of one partition.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::{Decision, Producer, Sequenced};
use crate::ids::{Offset, ProducerId};

/// Every producer that a partition remembers, in the order of their ids.
///
/// Boxed: a node of the tree has room for eleven, and most partitions have one producer or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers(BTreeMap<ProducerId, Box<Producer>>);

impl Producers {
    /// What to do with `batch`. With no state left for its producer any sequence is accepted: the state
    /// expired, or the records were deleted, and who still knows better is the producer.
    #[must_use]
    pub fn decide(&self, batch: &Sequenced) -> Decision {
        self.0.get(&batch.producer).map_or(Decision::Accept, |producer| producer.decide(batch))
    }

    /// Remembers `batch`, which is in the log at its offset now, seen at `now_ms`. For replays too: it
    /// checks nothing, because what is in the log was checked when it was appended.
    pub fn record(&mut self, batch: &Sequenced, now_ms: i64) {
        match self.0.get_mut(&batch.producer) {
            Some(producer) => producer.record(batch, now_ms),
            None => self.insert(batch.producer, Producer::new(batch, now_ms)),
        }
    }

    pub(super) fn insert(&mut self, id: ProducerId, producer: Producer) {
        self.0.insert(id, Box::new(producer));
    }

    /// Forgets producers that have not written for `expiration` (`producer.id.expiration.ms`). Returns
    /// how many.
    pub fn expire(&mut self, now_ms: i64, expiration: Duration) -> usize {
        let before = self.0.len();
        let expiration = i64::try_from(expiration.as_millis()).unwrap_or(i64::MAX);
        self.0.retain(|_, producer| now_ms.saturating_sub(producer.last_seen_ms()) < expiration);
        before - self.0.len()
    }

    /// Forgets the eighth, at least one, that has not written for longest.
    pub fn shed(&mut self) {
        let mut by_age: Vec<_> = self.0.iter().map(|(&id, producer)| (producer.last_seen_ms(), id)).collect();
        by_age.sort_unstable();
        let count = by_age.len().div_ceil(8);
        for (_, id) in by_age.into_iter().take(count) {
            self.0.remove(&id);
        }
    }

    /// The state as a replay of the log before `end` would need it as its base: batches from `end` on
    /// are left out, because the log itself may yet lose them, and tells them when it does not.
    #[must_use]
    pub fn up_to(&self, end: Offset) -> Self {
        let producers = self.0.iter().filter_map(|(&id, producer)| Some((id, Box::new(producer.up_to(end)?))));
        Self(producers.collect())
    }

    /// One producer's state.
    #[must_use]
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.0.get(&id).map(AsRef::as_ref)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.0.iter().map(|(&id, producer)| (id, producer.as_ref()))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
