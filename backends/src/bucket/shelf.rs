//! The objects that the index knows, and reading from them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Error;

use super::gather::Gather;
use super::keys::Keys;
use super::store::Store;
use crate::engine::{Medium, Piece, Stretch};

#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) store: Arc<Store>,
    pub(super) keys: Keys,
    gather: Arc<Gather>,
    files: Mutex<BTreeMap<u64, About>>,
}

/// What is known of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) bytes: u64,
    /// A journal object that stays as it is: it is sorted well enough.
    pub(super) adopted: bool,
}

impl Shelf {
    pub(super) fn new(store: Arc<Store>, keys: Keys, env: Env) -> Self {
        let gather = Arc::new(Gather::new(Arc::clone(&store), keys.clone(), env));
        Self { store, keys, gather, files: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, About>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, file: u64, bytes: u64) {
        self.lock().insert(file, About { bytes, adopted: false });
    }

    pub(super) fn adopt(&self, file: u64) {
        if let Some(about) = self.lock().get_mut(&file) {
            about.adopted = true;
        }
    }

    pub(super) fn remove(&self, files: &[u64]) {
        let mut known = self.lock();
        for file in files {
            known.remove(file);
        }
    }

    /// All of them, in the order of their numbers: journals first, the oldest first.
    pub(super) fn all(&self) -> Vec<(u64, About)> {
        self.lock().iter().map(|(file, about)| (*file, *about)).collect()
    }
}

#[async_trait]
impl Medium for Shelf {
    async fn read(&self, stretch: Stretch) -> Result<Option<Piece>, Error> {
        self.gather.read(stretch).await
    }
}
