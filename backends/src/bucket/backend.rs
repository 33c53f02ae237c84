//! A prefix of a bucket as a [`Backend`].

use std::sync::Arc;

use object_store::ObjectStore;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Backend, Error, LogStorage, MetadataLog, SnapshotStore};

use tokio::sync::watch;

use super::keys::Keys;
use super::options::BucketOptions;
use super::storage::BucketStorage;
use super::store::Store;
use super::takeover::{Refused, claims};

/// All that a broker stores into, under one prefix of a bucket.
#[derive(Clone, Debug)]
pub struct BucketBackend {
    logs: Arc<BucketStorage>,
    metadata: Arc<dyn MetadataLog>,
    snapshots: Arc<dyn SnapshotStore>,
}

/// Why a prefix could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another has it open, and lives.
    #[error(
        "`{prefix}` is in use by {owner}: only one broker may write there at a time; close the other, \
             wait until it has not been heard of for a while, or take it over (`take_over`)"
    )]
    InUse {
        /// The prefix.
        prefix: String,
        /// What the other calls itself.
        owner: String,
    },
    /// The bucket does not answer, refuses, or holds what cannot be used.
    #[error("the log under `{prefix}` cannot be opened: {source}")]
    Log {
        /// The prefix.
        prefix: String,
        /// What is wrong. `Corrupt`: nothing was changed but who has the prefix.
        source: Error,
    },
}

impl BucketBackend {
    /// Opens what is under `prefix`, which may be nothing: then it begins there. An empty prefix is the whole bucket.
    ///
    /// `store` MUST honour conditional creates ([`PutMode::Create`](object_store::PutMode)), and its own retries are best
    /// switched off: every request is made again here, and one whose answer was lost is told from a rival's.
    ///
    /// Takes the prefix: whoever had it open acknowledges nothing any more. A live owner is not robbed: unless
    /// [`BucketOptions::take_over`] is set, its lease is watched first, which takes up to
    /// [`BucketOptions::stale_after`] if it ended without giving the lease back.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        options: BucketOptions,
        env: &Env,
    ) -> Result<Self, OpenError> {
        Self::open_as(store, prefix, options, env, None).await
    }

    /// As [`open`](Self::open), for who opens the same prefix again and does not want to meet itself: `hold` is
    /// dropped when the prefix was given back, or was never taken.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_held(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        options: BucketOptions,
        env: &Env,
        hold: watch::Sender<()>,
    ) -> Result<Self, OpenError> {
        Self::open_as(store, prefix, options, env, Some(hold)).await
    }

    /// Whether anybody has ever opened `prefix`. Nothing is written.
    ///
    /// # Errors
    /// [`OpenError::Log`]: the store does not answer, or refuses.
    pub async fn is_there(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        options: &BucketOptions,
        env: &Env,
    ) -> Result<bool, OpenError> {
        let store = Store::new(store, env.clone(), options);
        let found = claims(&store, &Keys::new(prefix)).await;
        let found = found.map_err(|source| OpenError::Log { prefix: prefix.to_owned(), source })?;
        Ok(!found.is_empty())
    }

    async fn open_as(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        options: BucketOptions,
        env: &Env,
        hold: Option<watch::Sender<()>>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Log { prefix: prefix.to_owned(), source };
        let opened = BucketStorage::open(store, prefix, options, env, hold).await;
        let logs = Arc::new(opened.map_err(|refused| match refused {
            Refused::InUse(owner) => OpenError::InUse { prefix: prefix.to_owned(), owner },
            Refused::Error(error) => failed(error),
        })?);
        match logs.core.open_metadata().await {
            Ok(metadata) => {
                let snapshots = Arc::new(logs.core.snapshots());
                Ok(Self { logs, metadata: Arc::new(metadata), snapshots })
            }
            Err(error) => {
                // What is wrong is told by `error`.
                let _ = logs.close().await;
                Err(failed(error))
            }
        }
    }

    /// The partitions' logs.
    #[must_use]
    pub fn logs(&self) -> &Arc<BucketStorage> {
        &self.logs
    }

    /// As a broker takes it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend {
            logs: Arc::clone(&self.logs) as _,
            metadata: Arc::clone(&self.metadata),
            snapshots: Arc::clone(&self.snapshots),
        }
    }
}
