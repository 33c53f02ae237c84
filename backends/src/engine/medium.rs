//! Where chunks lie.

use std::fmt;

use async_trait::async_trait;
use ottla_broker_core::log::Error;

use super::cold::{Piece, Stretch};

/// Reads back what a backend wrote.
#[async_trait]
pub(crate) trait Medium: fmt::Debug + Send + Sync + 'static {
    /// Reads a stretch of a file (or object) and [takes it apart](Stretch::take_apart). `None` if there is no such file
    /// any more: what it held was moved, and the index says where to. A file that ends too soon is told by the piece.
    ///
    /// Once polled it MUST go on by itself, polled or not: what is read ahead has nobody who waits for it. Many are
    /// under way at a time. Taking apart goes through all bytes: it belongs where they arrive, not on the thread of who
    /// asks.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn read(&self, stretch: Stretch) -> Result<Option<Piece>, Error>;
}
