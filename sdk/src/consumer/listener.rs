//! What an application does when partitions come and go.

use std::fmt;

use async_trait::async_trait;
use ottla_broker_core::{Offset, TopicPartition};

use super::error::Error;
use super::handle::Handle;

/// Told of partitions that come and go, by the consumer's background task: a busy handler delays none of it.
///
/// # Contract
/// - [`assigned`](Self::assigned) is awaited before the first message of these partitions is handed over. It
///   may seek in them.
/// - [`revoked`](Self::revoked) is awaited before they go to another member, for as long as
///   [`revoke_timeout`](super::Builder::revoke_timeout). No more of their messages are handed over, and acks still
///   count; after it, what was acknowledged is committed.
/// - [`lost`](Self::lost): they are somebody else's already. Commits are refused and acks count for nothing.
#[async_trait]
pub trait RebalanceListener: fmt::Debug + Send + Sync + 'static {
    /// These partitions are this consumer's too now.
    async fn assigned(&self, partitions: &[TopicPartition], handle: &Handle) {
        let _ = (partitions, handle);
    }

    /// These partitions go to somebody else.
    async fn revoked(&self, partitions: &[TopicPartition], committer: &Committer) {
        let _ = (partitions, committer);
    }

    /// These partitions are gone.
    async fn lost(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }
}

/// What a listener can do about partitions that are to be given up: they are still this consumer's.
#[derive(Clone, Debug)]
pub struct Committer(pub(super) Handle);

impl Committer {
    /// Commits what is acknowledged.
    ///
    /// # Errors
    /// As [`Handle::commit`].
    pub async fn commit(&self) -> Result<(), Error> {
        self.0.commit().await
    }

    /// Commits these offsets.
    ///
    /// # Errors
    /// As [`Handle::commit_offsets`].
    pub async fn commit_offsets(&self, offsets: Vec<(TopicPartition, Offset, String)>) -> Result<(), Error> {
        self.0.commit_offsets(offsets).await
    }
}

/// Nobody wants to know.
#[derive(Debug)]
pub(super) struct NoListener;

impl RebalanceListener for NoListener {}
