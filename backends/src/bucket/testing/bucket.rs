//! The bucket, which outlives everyone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutResult, Result};
use ottla_broker_core::env::{Env, Watched};
use ottla_broker_core::log::LogStorage;

use super::counts::BucketTrouble;
use super::flights::Write;
use super::way::Way;
use crate::bucket::marks::Tombstone;
use crate::bucket::{BucketBackend, BucketOptions, OpenError, Report, check};

/// Longer than an owner takes to collect what was left behind: one more checkpoint, and a chunk after it.
const SWEEP: Duration = Duration::from_secs(30);

/// A bucket, and the network before it.
#[derive(Debug)]
pub struct FaultyBucket {
    objects: Arc<dyn ObjectStore>,
    pub(super) env: Env,
    pub(super) travel: Duration,
    /// Nothing that is sent arrives.
    held: Watched<bool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_thousand: u64,
    trouble: BucketTrouble,
}

impl FaultyBucket {
    /// An empty one in memory, of which every request takes up to twice `travel`: there, and back. `env` is that of the network:
    /// what was sent goes on in tasks of it, whoever ends; its chance decides what goes wrong.
    #[must_use]
    pub fn new(env: Env, travel: Duration) -> Arc<Self> {
        Self::over(Arc::new(InMemory::new()), env, travel)
    }

    /// The same for a bucket that is elsewhere, and has its own trouble.
    #[must_use]
    pub fn over(objects: Arc<dyn ObjectStore>, env: Env, travel: Duration) -> Arc<Self> {
        Arc::new(Self { objects, env, travel, held: Watched::default(), state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more process' way to it.
    #[must_use]
    pub fn way(self: &Arc<Self>) -> Arc<Way> {
        Arc::new(Way::new(Arc::clone(self), self.env.random_u64()))
    }

    /// Its objects, as they are: nothing goes wrong on this way, and nothing takes time.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// Of a thousand requests so many go wrong from now on.
    pub fn go_wrong(&self, in_thousand: u32) {
        self.lock().in_thousand = u64::from(in_thousand);
    }

    /// While `held`, writes that are sent do not arrive.
    pub fn hold(&self, held: bool) {
        self.held.set(held);
    }

    /// What was met until now.
    #[must_use]
    pub fn trouble(&self) -> BucketTrouble {
        self.lock().trouble
    }

    /// Opens what is under `prefix` once more, gives it back when it was cleaned up, and looks at all that is there: then
    /// every object is to be of use. Nobody may be at work there, and nothing go wrong.
    ///
    /// # Errors
    /// What cannot be opened, or looked at.
    pub async fn audit(&self, prefix: &str, env: &Env) -> std::result::Result<Report, OpenError> {
        let options = BucketOptions { take_over: true, ..BucketOptions::default() };
        let backend = BucketBackend::open(self.objects(), prefix, options, env).await?;
        env.sleep(SWEEP).await;
        let closed = backend.logs().close().await;
        closed.map_err(|source| OpenError::Log { prefix: prefix.to_owned(), source })?;
        check(self.objects(), prefix, env).await
    }

    pub(super) fn in_thousand(&self) -> u64 {
        self.lock().in_thousand
    }

    pub(super) fn met(&self, count: impl FnOnce(&mut BucketTrouble)) {
        count(&mut self.lock().trouble);
    }

    /// Returns once what is sent arrives.
    pub(super) async fn reached(&self) {
        self.held.wait_for(|held| !*held).await;
    }

    /// A write takes effect. What a PUT is answered; nothing for a DELETE.
    pub(super) async fn land(&self, write: Write, from_the_dead: bool) -> Result<Option<PutResult>> {
        let landed = match write {
            Write::Put(path, payload, options) => {
                let creates = matches!(options.mode, PutMode::Create);
                let put = self.objects.put_opts(&path, payload, options).await;
                match &put {
                    Ok(_) => self.met(|trouble| written(trouble, &path)),
                    Err(Error::AlreadyExists { .. }) if creates => {
                        let fenced = self.is_fenced(&path).await;
                        self.met(|trouble| {
                            trouble.exists += 1;
                            trouble.fenced += u64::from(fenced);
                        });
                    }
                    Err(_) => {}
                }
                put.map(Some)
            }
            Write::Delete(paths) => self.delete(&paths).await.map(|()| None),
        };
        if from_the_dead && landed.is_ok() {
            self.met(|trouble| trouble.from_the_dead += 1);
        }
        landed
    }

    async fn delete(&self, paths: &[Path]) -> Result<()> {
        for path in paths {
            match self.objects.delete(path).await {
                Ok(()) => self.met(|trouble| trouble.deleted += 1),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn is_fenced(&self, path: &Path) -> bool {
        let Ok(found) = self.objects.get_opts(path, GetOptions::default()).await else { return false };
        found.bytes().await.is_ok_and(|body| room(path) == Some("journal") && Tombstone::is_one(&body))
    }
}

fn written(trouble: &mut BucketTrouble, path: &Path) {
    match room(path) {
        Some("claims") => trouble.claims += 1,
        Some("segments") => trouble.segments += 1,
        Some("checkpoints") => trouble.checkpoints += 1,
        _ => {}
    }
}

/// Which of a storage's rooms an object is in.
fn room(path: &Path) -> Option<&'static str> {
    ["claims", "segments", "checkpoints", "journal"]
        .into_iter()
        .find(|room| path.parts().any(|part| part.as_ref() == *room))
}
