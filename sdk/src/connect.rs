//! From a URL to a [`Cluster`]: the only room that knows the backends.

#[cfg(feature = "testing")]
pub(crate) mod crashable;
#[cfg(feature = "disk")]
mod disk;
mod error;
mod hold;
#[cfg(feature = "memory")]
mod memory;
#[cfg(any(feature = "disk", feature = "memory"))]
mod shared;
mod url;

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Backend;

pub use error::Error;
pub(crate) use hold::{Held, Kept, hold_both};
#[cfg(feature = "disk")]
pub use ottla_backends::disk::{DiskOptions, Level};
use url::{Scheme, Url};

use crate::cluster::Cluster;
use crate::cluster::embedded::{Embedded, Owner};
use crate::config::{self, Section};

/// What answers a client.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Url(String),
    Storage(Backend),
    Broker(Arc<Broker>),
    Cluster(Arc<dyn Cluster>),
}

/// Settings of backends. They hold wherever their backend is used, so that one configuration serves several URLs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    #[cfg(feature = "disk")]
    pub(crate) disk: DiskOptions,
}

impl Settings {
    /// Takes the tables of the backends.
    pub(crate) fn read(top: &mut Section) -> Result<Self, config::Error> {
        #[cfg(feature = "disk")]
        return Ok(Self { disk: disk::read(top.section("disk")?)? });
        #[cfg(not(feature = "disk"))]
        return match top.section("disk")?.finish() {
            Ok(()) => Ok(Self::default()),
            Err(_) => Err(config::Error::bad_value("disk", "set", "it needs the feature `disk` of the crate `ottla`")),
        };
    }
}

/// Opens what `source` names, with the broker configs of `entries` where a broker is started for it.
pub(crate) async fn open(
    source: Source,
    entries: BTreeMap<String, String>,
    settings: Settings,
    env: &Env,
) -> Result<Arc<dyn Cluster>, crate::Error> {
    let given = |what: &str| {
        entries.keys().next().map(|name| {
            config::Error::bad_value(format!("broker.{name}"), "set here", format!("{what} has its own configs"))
        })
    };
    match source {
        Source::Url(url) => open_url(&Url::parse(&url)?, &entries, &settings, env).await,
        Source::Storage(backend) => {
            let owner = Arc::new(start(backend, broker_config(&entries)?, env, "the storage").await?);
            Ok(share(owner, env))
        }
        Source::Broker(broker) => match given("a broker that is running already") {
            Some(error) => Err(error.into()),
            None => Ok(Arc::new(Embedded::new(broker, None, env))),
        },
        Source::Cluster(cluster) => match given("a cluster that is there already") {
            Some(error) => Err(error.into()),
            None => Ok(cluster),
        },
    }
}

#[cfg_attr(not(feature = "disk"), expect(unused_variables, reason = "only a disk has settings"))]
async fn open_url(
    url: &Url,
    entries: &BTreeMap<String, String>,
    settings: &Settings,
    env: &Env,
) -> Result<Arc<dyn Cluster>, crate::Error> {
    match url.scheme {
        #[cfg(feature = "memory")]
        Scheme::Memory => Ok(share(Box::pin(memory::open(url, broker_config(entries)?, env)).await?, env)),
        #[cfg(feature = "disk")]
        Scheme::File => {
            disk::check(&settings.disk)?;
            Ok(share(Box::pin(disk::open(url, broker_config(entries)?, settings.disk, env)).await?, env))
        }
        _ => Err(not_served(url)),
    }
}

/// What there is to say of a URL whose backend is not here.
fn not_served(url: &Url) -> crate::Error {
    let (url, scheme, feature) = (url.shown.clone(), url.scheme, url.scheme.feature());
    match scheme {
        Scheme::Memory | Scheme::File => Error::FeatureOff { url, feature },
        Scheme::S3 | Scheme::Gs | Scheme::Az | Scheme::Kafka => {
            Error::NotYet { url, scheme: scheme.name(), feature, available: available() }
        }
    }
    .into()
}

/// What a user can do instead of a URL that this version cannot open.
fn available() -> String {
    let memory = if cfg!(feature = "memory") { "`memory://`" } else { "`memory://` (feature `memory`, which is off)" };
    let file = if cfg!(feature = "disk") { "`file:///path`" } else { "`file:///path` (feature `disk`, which is off)" };
    format!("{memory}, {file}, or `Client::over` with a storage of your own")
}

fn broker_config(entries: &BTreeMap<String, String>) -> Result<BrokerConfig, config::Error> {
    BrokerConfig::from_entries(entries).map_err(|error| config::Error::Broker { message: error.to_string() })
}

fn share(owner: Arc<Owner>, env: &Env) -> Arc<dyn Cluster> {
    let broker = Arc::clone(&owner.0);
    Arc::new(Embedded::new(broker, Some(owner), env))
}

async fn start(backend: Backend, config: BrokerConfig, env: &Env, url: &str) -> Result<Owner, Error> {
    let broker = Broker::start(config, backend, env.clone()).await;
    broker.map(Owner).map_err(|source| Error::Open { url: url.to_owned(), source })
}
