//! What every part of a client needs.

use std::sync::Arc;

use ottla_broker_core::env::Env;

use crate::cluster::Cluster;
use crate::metadata::MetadataCache;

/// What every part of a client needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The brokers.
    pub cluster: Arc<dyn Cluster>,
    /// Time, chance and tasks.
    pub env: Env,
    /// Who leads what, shared by all of the client.
    pub metadata: Arc<MetadataCache>,
    /// The client's name, in logs and metrics.
    pub client_id: Arc<str>,
}

impl Context {
    /// A context with a metadata cache of its own.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, env: Env, client_id: impl Into<Arc<str>>) -> Self {
        let metadata = Arc::new(MetadataCache::new(Arc::clone(&cluster), env.clone()));
        Self { cluster, env, metadata, client_id: client_id.into() }
    }
}
