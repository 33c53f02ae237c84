//! `memory://` and `memory://name`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ottla_broker_core::TopicName;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;

use super::error::Error;
use super::url::Url;
use crate::cluster::embedded::Owner;

/// The instances that have a name. Each has a lock of its own that is held while it starts, so that of
/// two connects at once one waits for the other's broker, and other names do not.
static NAMED: Mutex<BTreeMap<String, Arc<Slot>>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
struct Slot(tokio::sync::Mutex<Option<Instance>>);

#[derive(Debug)]
struct Instance {
    owner: Weak<Owner>,
    config: BrokerConfig,
}

/// A broker of its own, or a share of the one of that name, which lives as long as a client of it does.
pub(super) async fn open(url: &Url, config: BrokerConfig, env: &Env) -> Result<Arc<Owner>, Error> {
    let backend = ottla_backends::memory::backend;
    if url.rest.is_empty() {
        return Ok(Arc::new(super::start(backend(), config, env, &url.shown).await?));
    }
    // The rule of topic names serves: it keeps paths, spaces and typing errors out.
    TopicName::new(&url.rest).map_err(|error| Error::Malformed {
        url: url.shown.clone(),
        reason: format!("the name `{}` cannot be: {}; write for example `memory://orders`", error.name, error.reason),
    })?;
    let slot = slot(&url.rest);
    let mut instance = slot.0.lock().await;
    if let Some(running) = instance.as_ref()
        && let Some(owner) = running.owner.upgrade().filter(|owner| !owner.0.is_closed())
    {
        return match difference(&running.config, &config) {
            None => Ok(owner),
            Some(difference) => Err(Error::OtherOptions { url: url.shown.clone(), difference }),
        };
    }
    let owner = Arc::new(super::start(backend(), config.clone(), env, &url.shown).await?);
    *instance = Some(Instance { owner: Arc::downgrade(&owner), config });
    Ok(owner)
}

fn slot(name: &str) -> Arc<Slot> {
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    // Names come and go (one for each test, perhaps): what nobody has or waits for is forgotten.
    named.retain(|_, slot| {
        Arc::strong_count(slot) > 1
            || slot
                .0
                .try_lock()
                .is_ok_and(|instance| instance.as_ref().is_some_and(|instance| instance.owner.strong_count() > 0))
    });
    Arc::clone(named.entry(name.to_owned()).or_default())
}

/// The first config that differs, in words.
fn difference(running: &BrokerConfig, wanted: &BrokerConfig) -> Option<String> {
    let names = running.entries().keys().chain(wanted.entries().keys());
    let differs = names.into_iter().find(|name| running.entries().get(*name) != wanted.entries().get(*name))?;
    let shown = |config: &BrokerConfig| {
        config.entries().get(differs).map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"))
    };
    Some(format!("`{differs}` is {} there and {} here", shown(running), shown(wanted)))
}
