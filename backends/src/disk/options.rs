//! How a disk backend behaves.

use ottla_broker_core::log::Durability;

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// On the medium (`fdatasync`): it survives the loss of power.
    #[default]
    Fsync,
    /// In the operating system's page cache, as with Kafka's defaults: it survives the process, not the machine.
    Os,
}

/// Options of a disk backend. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// What an acknowledgement means.
    pub level: Level,
    /// How much of the log may lie in the journal, in the order in which it was written, before it is sorted into
    /// segments. Writers wait when the compactor cannot keep up with so much.
    pub journal_bytes: u64,
    /// The size of one file of the journal: an eighth of `journal_bytes` by default.
    pub file_bytes: u64,
    /// The newest batches that stay in memory, over all partitions.
    pub tail_bytes: usize,
    /// What was read from disk and is kept for readers that come soon, and what is read ahead of readers that go on
    /// where they were, over all partitions. With 0 nothing is read ahead. What readers hold does not count.
    pub cold_bytes: usize,
    /// What may wait to become durable, over all partitions; beyond it producers wait.
    pub pending_bytes: usize,
    /// What is written and synced together at most, unless one batch alone is larger.
    pub group_bytes: usize,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            level: Level::default(),
            journal_bytes: 512 << 20,
            file_bytes: 64 << 20,
            tail_bytes: 64 << 20,
            cold_bytes: 16 << 20,
            pending_bytes: 32 << 20,
            group_bytes: 4 << 20,
        }
    }
}

impl Level {
    pub(crate) const fn durability(self) -> Durability {
        match self {
            Self::Fsync => Durability::Fsync,
            Self::Os => Durability::OsBuffer,
        }
    }
}
