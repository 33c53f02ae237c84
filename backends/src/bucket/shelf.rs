//! The objects that the index knows, and reading from them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Error, ErrorKind};
use tokio::sync::oneshot;

use super::keys::Keys;
use super::store::{Purpose, Store};
use crate::engine::{Medium, Piece, Stretch};

#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) store: Arc<Store>,
    pub(super) keys: Keys,
    env: Env,
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
        Self { store, keys, env, files: Mutex::default() }
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
        let (reply, answer) = oneshot::channel();
        let (store, path) = (Arc::clone(&self.store), self.keys.file(stretch.file()));
        let range = stretch.position()..stretch.position().saturating_add(stretch.bytes() as u64);
        // A task of its own: what is read ahead has nobody who would poll it.
        drop(self.env.spawn("ottla-bucket-read", async move {
            let read = store.get_range(Purpose::Read, &path, range).await;
            // Whoever asked may have given up.
            let _ = reply.send(read.map(|bytes| bytes.map(|bytes| stretch.take_apart(&bytes))));
        }));
        answer.await.map_err(|_| Error::new(ErrorKind::Closed, "the storage is closed: open it anew"))?
    }
}
