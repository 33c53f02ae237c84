//! A place for oneself, without a broker: what a copy reads and writes.

use std::fmt;

use ottla_broker_core::env::Env;
use ottla_broker_core::log::{self, Backend};

use super::error::Error;
use super::url::{Scheme, Url};
use super::{Settings, Source};

/// What keeps a memory alive when nobody has it open.
pub(crate) type Kept = Option<std::sync::Arc<dyn fmt::Debug + Send + Sync>>;

/// A place that nobody else of this process has open, and no other process either where it is on disk.
#[derive(Debug)]
pub(crate) struct Held {
    // Before the reservation: it is given back when the storage is gone.
    backend: Backend,
    pub(super) kept: Kept,
    /// Keeps clients of this process waiting; `None` where the storage was given.
    reserved: Option<Box<dyn fmt::Debug + Send + Sync>>,
}

impl Held {
    #[cfg(any(feature = "memory", feature = "disk", feature = "object-store"))]
    pub(super) fn new(backend: Backend, kept: Kept, reserved: impl fmt::Debug + Send + Sync + 'static) -> Self {
        Self { backend, kept, reserved: Some(Box::new(reserved)) }
    }

    pub(crate) const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Closes what was opened here.
    pub(crate) async fn close(&self) -> Result<(), log::Error> {
        match &self.reserved {
            Some(_) => self.backend.logs.close().await,
            None => Ok(()),
        }
    }

    pub(crate) fn into_kept(self) -> Kept {
        self.kept
    }
}

/// Where a URL points to; two that point to one place are equal.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "memory", feature = "disk", feature = "object-store")),
    allow(dead_code, reason = "each is of a feature")
)]
enum Place {
    Memory(String),
    Disk(std::path::PathBuf),
    #[cfg(feature = "object-store")]
    Bucket(super::bucket::Site),
}

/// Takes both places, or neither.
///
/// # Errors
/// Malformed URLs, features that are off, one place twice, and places that somebody has open.
pub(crate) async fn hold_both(
    from: Source,
    to: Source,
    settings: &Settings,
    env: &Env,
) -> Result<(Held, Held), crate::Error> {
    #[cfg(feature = "disk")]
    super::disk::check(&settings.disk)?;
    #[cfg(feature = "object-store")]
    super::bucket::check(&settings.object_store)?;
    let source = locate(from, true, settings).await?;
    let destination = locate(to, false, settings).await?;
    if let (Located::At(url, from), Located::At(_, to)) = (&source, &destination)
        && from == to
    {
        return Err(Error::OnePlace { url: url.shown.clone() }.into());
    }
    let source = hold(source, true, settings, env).await?;
    Ok((source, hold(destination, false, settings, env).await?))
}

#[cfg_attr(
    not(any(feature = "memory", feature = "disk", feature = "object-store")),
    allow(dead_code, reason = "no URL is served")
)]
enum Located {
    At(Url, Place),
    Given(Backend),
}

#[cfg_attr(
    not(all(feature = "disk", feature = "object-store")),
    allow(unused_variables, reason = "each is of a feature")
)]
async fn locate(source: Source, exists: bool, settings: &Settings) -> Result<Located, crate::Error> {
    let url = match source {
        Source::Url(url) => Url::parse(&url)?,
        Source::Storage(backend) => return Ok(Located::Given(backend)),
        // A copy is made of URLs and storages only.
        Source::Broker(_) | Source::Cluster(_) => return Err(Error::NoUrl.into()),
    };
    match url.scheme {
        #[cfg(feature = "memory")]
        Scheme::Memory => {
            let name = super::memory::name(&url)?;
            Ok(Located::At(url, Place::Memory(name)))
        }
        #[cfg(feature = "disk")]
        Scheme::File => {
            let directory = super::disk::locate(&url, exists).await?;
            Ok(Located::At(url, Place::Disk(directory)))
        }
        #[cfg(feature = "object-store")]
        Scheme::S3 | Scheme::Gs | Scheme::Az => {
            let site = super::bucket::locate(&url, &settings.object_store)?;
            Ok(Located::At(url, Place::Bucket(site)))
        }
        Scheme::Kafka => {
            let available = "the URL of the log, such as `file:///path` or `s3://bucket/prefix`";
            Err(Error::NoLog { url: url.shown, available }.into())
        }
        #[cfg(not(all(feature = "memory", feature = "disk", feature = "object-store")))]
        _ => Err(super::not_served(&url)),
    }
}

#[cfg_attr(
    not(all(feature = "disk", feature = "object-store")),
    allow(unused_variables, reason = "each is of a feature")
)]
async fn hold(located: Located, exists: bool, settings: &Settings, env: &Env) -> Result<Held, crate::Error> {
    match located {
        Located::Given(backend) => Ok(Held { backend, kept: None, reserved: None }),
        #[cfg(feature = "memory")]
        Located::At(url, Place::Memory(name)) => Ok(super::memory::hold(&url, name, env).await?),
        #[cfg(feature = "disk")]
        Located::At(url, Place::Disk(directory)) => Ok(super::disk::hold(&url, directory, settings.disk, env).await?),
        #[cfg(feature = "object-store")]
        Located::At(url, Place::Bucket(site)) => {
            super::bucket::hold(&url, site, exists, settings.object_store.clone(), env).await
        }
        // `locate` has refused what is of a feature that is off.
        #[cfg(not(all(feature = "memory", feature = "disk")))]
        Located::At(url, _) => Err(super::not_served(&url)),
    }
}
