//! `memory://` and `memory://name`.

use std::sync::Arc;

use ottla_broker_core::TopicName;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log;

use super::error::Error;
use super::shared::{Beneath, Places, Started};
use super::stats::Storage;
use super::url::Url;
use crate::cluster::embedded::Owner;

/// The instances that have a name.
static NAMED: Places<String, BrokerConfig> = Places::new();

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
    let backend = ottla_backends::memory::backend;
    if url.rest.is_empty() {
        return Ok(Arc::new(super::start(backend(), Storage::Uncounted, config, env, &url.shown).await?));
    }
    // The rule of topic names serves: it keeps paths, spaces and typing errors out.
    TopicName::new(&url.rest).map_err(|error| Error::Malformed {
        url: url.shown.clone(),
        reason: format!("the name `{}` cannot be: {}; write for example `memory://orders`", error.name, error.reason),
    })?;
    let start = async |_| {
        let owner = super::start(backend(), Storage::Uncounted, config.clone(), env, &url.shown).await?;
        Ok(Started { owner, beneath: Box::new(Sound) })
    };
    NAMED.share(url.rest.clone(), config.clone(), &url.shown, env, start).await
}
