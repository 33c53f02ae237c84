//! How memory storage behaves.

use std::sync::Arc;

use ottla_broker_core::env::Rng;
use ottla_broker_core::log::Durability;

/// When an append counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// At once: the ticket is ready when `append` returns.
    #[default]
    Immediate,
    /// When the test says so: [`MemoryStorage::commit`](super::MemoryStorage::commit) and its kin.
    Manual,
}

/// Options of a [`MemoryStorage`](super::MemoryStorage).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// When an append counts as durable.
    pub commit: Commit,
    /// What the storage says that it reaches: a simulation may let it pass for a disk.
    pub durability: Durability,
    /// Bytes of batches over all partitions; an append beyond it fails with `Full`. `None` for no bound.
    pub capacity_bytes: Option<usize>,
    /// Bytes that were appended and are not durable yet, over all partitions, beyond which
    /// [`ready`](ottla_broker_core::log::PartitionLog::ready) waits.
    pub pending_bytes: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            commit: Commit::Immediate,
            durability: Durability::Memory,
            capacity_bytes: None,
            pending_bytes: 64 << 20,
        }
    }
}

/// Which of the batches that were not durable yet outlive a crash. Of each partition it is a prefix.
#[derive(Clone, Debug)]
pub enum Keep {
    /// None.
    Nothing,
    /// All of them: the write took effect, and only its answer was lost.
    All,
    /// A prefix for each partition, by chance.
    Random(Arc<dyn Rng>),
}

impl Keep {
    /// How many of `pending` batches survive.
    pub(super) fn choose(&self, pending: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::All => pending,
            Self::Random(rng) => {
                let choices = pending as u128 + 1;
                usize::try_from((u128::from(rng.next_u64()) * choices) >> 64).unwrap_or(pending)
            }
        }
    }
}
