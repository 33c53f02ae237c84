//! Where the suite's logs lie.

use ottla::{Client, ClientBuilder};
use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use tempfile::TempDir;

/// Somewhere to keep the log of one test.
pub(super) trait Place: Sized {
    /// An empty one.
    fn fresh() -> Self;
    /// How a service connects to it. Once more, after the first client was closed, is a restart: what was
    /// acknowledged must be there.
    fn builder(&self) -> ClientBuilder;

    /// Connects with the defaults.
    async fn connect(&self) -> Client {
        self.builder().connect().await.unwrap()
    }
}

/// Memory that outlives the broker on top of it.
pub(super) struct Memory(MemoryBackend);

impl Place for Memory {
    fn fresh() -> Self {
        Self(MemoryBackend::new(MemoryOptions::default()))
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder().storage(self.0.reopen().backend())
    }
}

/// A directory that goes with the test.
pub(super) struct Disk(TempDir);

impl Place for Disk {
    fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder().url(format!("file://{}", self.0.path().display()))
    }
}
