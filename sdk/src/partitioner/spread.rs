//! Partitioners that do not look at the key.

use super::{Choice, Partitioner};

/// Any available partition, by chance, for each record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Random;

impl Partitioner for Random {
    fn partition(&self, choice: &Choice<'_>) -> i32 {
        let available = choice.available();
        available.get(choice.random_below(available.len())).copied().unwrap_or(0)
    }
}

/// The available partitions in turn, for each topic from its first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundRobin;

impl Partitioner for RoundRobin {
    fn partition(&self, choice: &Choice<'_>) -> i32 {
        let available = choice.available();
        let turn = choice.ordinal() % available.len().max(1) as u64;
        usize::try_from(turn).ok().and_then(|turn| available.get(turn)).copied().unwrap_or(0)
    }
}

/// A batch goes to one partition, the next to another at random (KIP-480): even over time, with the
/// largest batches. Keys are not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sticky;

impl Partitioner for Sticky {
    fn partition(&self, choice: &Choice<'_>) -> i32 {
        choice.sticky()
    }
}

/// Every record names its partition itself ([`Record::partition`](crate::Record::partition)); one that
/// does not is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explicit;

impl Partitioner for Explicit {
    /// −1, which is no partition: the producer reports it.
    fn partition(&self, _choice: &Choice<'_>) -> i32 {
        -1
    }
}
