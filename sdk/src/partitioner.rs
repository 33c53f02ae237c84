//! Which partition a record goes to.

mod crc32;
mod key_hash;
mod murmur2;
mod spread;

use std::fmt;

use ottla_broker_core::TopicName;
use ottla_broker_core::env::Env;

pub use key_hash::KeyHash;
pub use spread::{Explicit, Random, RoundRobin, Sticky};

/// Chooses partitions. A closure `Fn(&Choice<'_>) -> i32` is one too.
///
/// It is called once per record that did not name its partition, under the producer's lock: it MUST
/// be quick and MUST NOT block.
pub trait Partitioner: Send + Sync + 'static {
    /// The partition, in `0..choice.partitions()`. Any other number is refused with an error that names it.
    fn partition(&self, choice: &Choice<'_>) -> i32;
}

impl<F> Partitioner for F
where
    F: Fn(&Choice<'_>) -> i32 + Send + Sync + 'static,
{
    fn partition(&self, choice: &Choice<'_>) -> i32 {
        self(choice)
    }
}

/// What a [`Partitioner`] chooses from. Everything is borrowed.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    pub(crate) topic: &'a TopicName,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value_size: usize,
    pub(crate) partitions: i32,
    pub(crate) available: &'a [i32],
    pub(crate) sticky: i32,
    pub(crate) ordinal: u64,
    pub(crate) env: &'a Env,
}

impl Choice<'_> {
    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &TopicName {
        self.topic
    }

    /// The record's key; `None` if it has none.
    #[must_use]
    pub const fn key(&self) -> Option<&[u8]> {
        self.key
    }

    /// The size of the record's value in bytes; 0 for null.
    #[must_use]
    pub const fn value_size(&self) -> usize {
        self.value_size
    }

    /// How many partitions the topic has; at least 1.
    #[must_use]
    pub const fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The partitions that have a leader, in order. All of them when none has.
    #[must_use]
    pub const fn available(&self) -> &[i32] {
        self.available
    }

    /// An available partition that stays the same until its batch goes, then another at random.
    #[must_use]
    pub const fn sticky(&self) -> i32 {
        self.sticky
    }

    /// How many records of the topic this producer was given before this one.
    #[must_use]
    pub const fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// A uniform number below `bound`; 0 if that is 0. Follows from the seed in a simulation.
    #[must_use]
    pub fn random_below(&self, bound: usize) -> usize {
        usize::try_from(self.env.random_below(bound as u64)).unwrap_or(0)
    }
}

impl fmt::Debug for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice")
            .field("topic", self.topic)
            .field("key", &self.key)
            .field("value_size", &self.value_size)
            .field("partitions", &self.partitions)
            .field("available", &self.available)
            .field("sticky", &self.sticky)
            .field("ordinal", &self.ordinal)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
