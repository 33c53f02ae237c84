//! From a URL to a [`Cluster`]: the only room that knows the backends.

#[cfg(feature = "object-store")]
pub(crate) mod bucket;
mod check;
#[cfg(feature = "testing")]
pub(crate) mod crashable;
#[cfg(feature = "disk")]
mod disk;
mod error;
mod hold;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "memory")]
mod memory;
#[cfg(any(feature = "disk", feature = "memory", feature = "object-store"))]
mod shared;
mod stats;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Backend;

#[cfg(feature = "object-store")]
pub use bucket::{Addressing, ObjectStoreOptions, Secret};
pub use check::CheckReport;
pub(crate) use check::check;
pub use error::Error;
pub(crate) use hold::{Held, Kept, hold_both};
#[cfg(feature = "kafka-tls")]
pub use kafka::{ClientCertificate, Pem, TlsOptions};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaOptions, Login, Mechanism};
#[cfg(feature = "object-store")]
pub use ottla_backends::bucket::{
    BucketOptions, BucketStats, LogReport as BucketLogReport, Report as BucketReport, Requests,
};
#[cfg(feature = "disk")]
pub use ottla_backends::disk::check::Report as DiskReport;
#[cfg(feature = "disk")]
pub use ottla_backends::disk::{DiskOptions, DiskStats, Level};
pub use stats::StorageStats;
pub(crate) use stats::{Counted, Storage};
pub use url::without_credentials;
use url::{Scheme, Url};

use crate::cluster::Cluster;
use crate::cluster::embedded::{Embedded, Owner};
use crate::config::{self, Section};

/// What answers a client.
#[derive(Clone)]
pub(crate) enum Source {
    Url(String),
    Storage(Backend),
    Broker(Arc<Broker>),
    Cluster(Arc<dyn Cluster>),
}

/// A password is in no log.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(&without_credentials(url)).finish(),
            Self::Storage(backend) => f.debug_tuple("Storage").field(backend).finish(),
            Self::Broker(broker) => f.debug_tuple("Broker").field(broker).finish(),
            Self::Cluster(cluster) => f.debug_tuple("Cluster").field(cluster).finish(),
        }
    }
}

/// Settings of backends. They hold wherever their backend is used, so that one configuration serves several URLs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    #[cfg(feature = "disk")]
    pub(crate) disk: DiskOptions,
    #[cfg(feature = "object-store")]
    pub(crate) object_store: ObjectStoreOptions,
    #[cfg(feature = "kafka")]
    pub(crate) kafka: KafkaOptions,
}

impl Settings {
    /// Those of a client's TOML document; all else that a client may have in it is left in peace.
    pub(crate) fn of_client(toml: &str) -> Result<Self, config::Error> {
        let mut top = Section::parse(toml)?;
        let settings = Self::read(&mut top)?;
        top.finish_client()?;
        Ok(settings)
    }

    /// Takes the tables of the backends.
    pub(crate) fn read(top: &mut Section) -> Result<Self, config::Error> {
        #[cfg(not(feature = "disk"))]
        absent(top, "disk")?;
        #[cfg(not(feature = "object-store"))]
        absent(top, "object-store")?;
        #[cfg(not(feature = "kafka"))]
        absent(top, "kafka")?;
        Ok(Self {
            #[cfg(feature = "disk")]
            disk: disk::read(top.section("disk")?)?,
            #[cfg(feature = "object-store")]
            object_store: bucket::read(top.section("object-store")?)?,
            #[cfg(feature = "kafka")]
            kafka: kafka::read(top.section("kafka")?)?,
        })
    }
}

/// Refuses the table of a backend that is not there, which has the feature's name.
#[cfg(not(all(feature = "disk", feature = "object-store", feature = "kafka")))]
fn absent(top: &mut Section, feature: &'static str) -> Result<(), config::Error> {
    top.section(feature)?.finish().map_err(|_| {
        config::Error::bad_value(feature, "set", format!("it needs the feature `{feature}` of the crate `ottla`"))
    })
}

/// What a client has got.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) cluster: Arc<dyn Cluster>,
    /// What lies under it, if it counts.
    pub(crate) storage: Storage,
    /// The broker, if it is one of this process. The cluster keeps it open, and this does not.
    pub(crate) broker: Option<Weak<Broker>>,
}

/// Opens what `source` names, with the broker configs of `entries` where a broker is started for it.
pub(crate) async fn open(
    source: Source,
    entries: BTreeMap<String, String>,
    settings: Settings,
    client_id: &str,
    env: &Env,
) -> Result<Found, crate::Error> {
    let given = |what: &str| {
        entries.keys().next().map(|name| {
            config::Error::bad_value(format!("broker.{name}"), "set here", format!("{what} has its own configs"))
        })
    };
    match source {
        Source::Url(url) => {
            let url = Url::parse(&url)?;
            if url.scheme == Scheme::Kafka
                && let Some(error) = given("a cluster behind `kafka://`")
            {
                return Err(error.into());
            }
            open_url(&url, &entries, &settings, client_id, env).await
        }
        Source::Storage(backend) => {
            let config = broker_config(&entries)?;
            let owner = Arc::new(start(backend, Storage::Uncounted, config, env, "the storage").await?);
            Ok(share(owner, env))
        }
        Source::Broker(broker) => match given("a broker that is running already") {
            Some(error) => Err(error.into()),
            None => Ok(Found {
                broker: Some(Arc::downgrade(&broker)),
                cluster: Arc::new(Embedded::new(broker, None, env)),
                storage: Storage::Uncounted,
            }),
        },
        Source::Cluster(cluster) => match given("a cluster that is there already") {
            Some(error) => Err(error.into()),
            None => Ok(Found { cluster, storage: Storage::Uncounted, broker: None }),
        },
    }
}

#[cfg_attr(
    not(all(feature = "disk", feature = "object-store", feature = "kafka")),
    allow(unused_variables, reason = "each backend takes what it needs")
)]
async fn open_url(
    url: &Url,
    entries: &BTreeMap<String, String>,
    settings: &Settings,
    client_id: &str,
    env: &Env,
) -> Result<Found, crate::Error> {
    match url.scheme {
        #[cfg(feature = "memory")]
        Scheme::Memory => Ok(share(Box::pin(memory::open(url, broker_config(entries)?, env)).await?, env)),
        #[cfg(feature = "disk")]
        Scheme::File => {
            disk::check(&settings.disk)?;
            Ok(share(Box::pin(disk::open(url, broker_config(entries)?, settings.disk, env)).await?, env))
        }
        #[cfg(feature = "object-store")]
        Scheme::S3 | Scheme::Gs | Scheme::Az => {
            bucket::check(&settings.object_store)?;
            let opening = bucket::open(url, broker_config(entries)?, settings.object_store.clone(), env);
            Ok(share(Box::pin(opening).await?, env))
        }
        #[cfg(not(feature = "object-store"))]
        Scheme::S3 | Scheme::Gs | Scheme::Az => Err(not_served(url)),
        #[cfg(not(feature = "memory"))]
        Scheme::Memory => Err(not_served(url)),
        #[cfg(not(feature = "disk"))]
        Scheme::File => Err(not_served(url)),
        #[cfg(feature = "kafka")]
        Scheme::Kafka => {
            let cluster = Box::pin(kafka::open(url, &settings.kafka, client_id, env)).await?;
            Ok(Found { cluster, storage: Storage::Uncounted, broker: None })
        }
        #[cfg(not(feature = "kafka"))]
        Scheme::Kafka => Err(not_served(url)),
    }
}

/// What there is to say of a URL whose backend is not here.
#[cfg_attr(
    all(feature = "memory", feature = "disk", feature = "object-store", feature = "kafka"),
    allow(dead_code, reason = "every feature is on")
)]
fn not_served(url: &Url) -> crate::Error {
    Error::FeatureOff { url: url.shown.clone(), feature: url.scheme.feature() }.into()
}

/// What a user can do instead of a URL that this version cannot open.
fn available() -> String {
    let memory = if cfg!(feature = "memory") { "`memory://`" } else { "`memory://` (feature `memory`, which is off)" };
    let file = if cfg!(feature = "disk") { "`file:///path`" } else { "`file:///path` (feature `disk`, which is off)" };
    let bucket = if cfg!(feature = "object-store") {
        "`s3://bucket/prefix`"
    } else {
        "`s3://bucket/prefix` (feature `object-store`, which is off)"
    };
    let kafka = if cfg!(feature = "kafka") {
        "`kafka://host:9092`"
    } else {
        "`kafka://host:9092` (feature `kafka`, which is off)"
    };
    format!("{memory}, {file}, {bucket}, {kafka}, or `Client::over` with a storage of your own")
}

fn broker_config(entries: &BTreeMap<String, String>) -> Result<BrokerConfig, config::Error> {
    BrokerConfig::from_entries(entries).map_err(|error| config::Error::Broker { message: error.to_string() })
}

fn share(owner: Arc<Owner>, env: &Env) -> Found {
    let (broker, storage) = (Arc::clone(&owner.broker), owner.storage.clone());
    let seen = Some(Arc::downgrade(&broker));
    Found { cluster: Arc::new(Embedded::new(broker, Some(owner), env)), storage, broker: seen }
}

async fn start(backend: Backend, storage: Storage, config: BrokerConfig, env: &Env, url: &str) -> Result<Owner, Error> {
    let broker = Broker::start(config, backend, env.clone()).await;
    broker.map(|broker| Owner { broker, storage }).map_err(|source| Error::Open { url: url.to_owned(), source })
}
