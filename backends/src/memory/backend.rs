//! All three stores together.

use std::sync::Arc;

use ottla_broker_core::log::Backend;

use super::{MemoryMetadataLog, MemoryOptions, MemorySnapshots, MemoryStorage};

/// A new, empty backend in memory with the default options.
#[must_use]
pub fn backend() -> Backend {
    MemoryBackend::new(MemoryOptions::default()).backend()
}

/// The memory behind a [`Backend`]: it outlives the brokers that use it, and is where a test commits,
/// crashes and looks.
#[derive(Clone, Debug)]
pub struct MemoryBackend {
    /// Partitions' logs.
    pub logs: Arc<MemoryStorage>,
    /// The cluster's metadata.
    pub metadata: Arc<MemoryMetadataLog>,
    /// Snapshots.
    pub snapshots: Arc<MemorySnapshots>,
}

impl MemoryBackend {
    /// An empty one.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self { logs: Arc::new(MemoryStorage::new(options)), metadata: Arc::default(), snapshots: Arc::default() }
    }

    /// As a broker takes it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend {
            logs: Arc::clone(&self.logs) as _,
            metadata: Arc::clone(&self.metadata) as _,
            snapshots: Arc::clone(&self.snapshots) as _,
        }
    }

    /// The same memory for the next broker, after this one's was closed or crashed.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { logs: Arc::new(self.logs.reopen()), ..self.clone() }
    }
}
