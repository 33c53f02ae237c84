//! `memory://` and `memory://name`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::TopicName;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log;

use super::error::Error;
use super::hold::Held;
use super::shared::{Beneath, Places, Started};
use super::stats::Storage;
use super::url::{Url, after_credentials};
use crate::cluster::embedded::Owner;

/// The instances that have a name.
static NAMED: Places<String, BrokerConfig> = Places::new();

/// Memories that a copy has filled, and that live as long as what it gave back.
static KEPT: Mutex<BTreeMap<String, Weak<MemoryBackend>>> = Mutex::new(BTreeMap::new());

/// Memory does not fail.
#[derive(Debug)]
struct Sound;

impl Beneath for Sound {
    fn poisoned(&self) -> Option<log::Error> {
        None
    }
}

/// A broker of its own, or a share of the one of that name.
pub(super) async fn open(url: &Url, config: BrokerConfig, env: &Env) -> Result<Arc<Owner>, Error> {
    if url.rest.is_empty() {
        let backend = ottla_backends::memory::backend();
        return Ok(Arc::new(super::start(backend, Storage::Uncounted, config, env, &url.shown).await?));
    }
    let name = checked(url)?;
    let start = async |_| {
        let backend = memory(&name).reopen().backend();
        let owner = super::start(backend, Storage::Uncounted, config.clone(), env, &url.shown).await?;
        Ok(Started { owner, beneath: Box::new(Sound) })
    };
    NAMED.share(name.clone(), config.clone(), &url.shown, env, start).await
}

/// The memory of that name, for a copy alone. Empty, unless a copy has filled it.
pub(super) async fn hold(url: &Url, name: String, env: &Env) -> Result<Held, Error> {
    let reserved = NAMED.reserve(name.clone(), &url.shown, env).await?;
    let kept = memory(&name);
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, memory| memory.strong_count() > 0);
    all.insert(name, Arc::downgrade(&kept));
    let backend = kept.reopen().backend();
    Ok(Held::new(backend, Some(kept), reserved))
}

/// What a copy has left there, or a new one.
fn memory(name: &str) -> Arc<MemoryBackend> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(Weak::upgrade);
    kept.unwrap_or_else(|| Arc::new(MemoryBackend::new(MemoryOptions::default())))
}

/// The name, for a copy: what has none cannot be found again.
pub(super) fn name(url: &Url) -> Result<String, Error> {
    if url.rest.is_empty() {
        let reason = "nobody could open it before or after the copy; give it a name, for example `memory://orders`";
        return Err(Error::Malformed { url: url.shown.clone(), reason: reason.to_owned() });
    }
    checked(url)
}

fn checked(url: &Url) -> Result<String, Error> {
    // The rule of topic names serves: it keeps paths, spaces and typing errors out.
    TopicName::new(&url.rest).map_err(|error| Error::Malformed {
        url: url.shown.clone(),
        reason: format!(
            "the name `{}` cannot be: {}; write for example `memory://orders`",
            after_credentials(&error.name),
            error.reason
        ),
    })?;
    Ok(url.rest.clone())
}
