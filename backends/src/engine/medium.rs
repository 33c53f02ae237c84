//! Where chunks lie.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::log::Error;

/// Reads back what a backend wrote.
#[async_trait]
pub(crate) trait Medium: fmt::Debug + Send + Sync + 'static {
    /// Bytes of a file (or object) by its number. `None` if there is no such file any more: what it held was
    /// moved, and the index says where to. Fewer bytes than asked for if it ends there.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn read(&self, file: u64, position: u64, bytes: usize) -> Result<Option<Bytes>, Error>;
}
