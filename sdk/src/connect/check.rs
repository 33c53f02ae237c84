//! Verifying what lies at a URL, without a broker.

use std::fmt;

use ottla_broker_core::env::Env;

use super::Settings;
use super::error::Error;
use super::url::{Scheme, Url};

/// What a check of a log found. `Display` is a page for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckReport {
    /// In a directory of the local disk.
    #[cfg(feature = "disk")]
    Disk(Box<ottla_backends::disk::check::Report>),
    /// Under a prefix of a bucket.
    #[cfg(feature = "object-store")]
    Bucket(Box<ottla_backends::bucket::Report>),
}

impl CheckReport {
    /// Whether all that was acknowledged is there and whole.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match *self {
            #[cfg(feature = "disk")]
            Self::Disk(ref report) => report.is_sound(),
            #[cfg(feature = "object-store")]
            Self::Bucket(ref report) => report.is_sound(),
        }
    }

    /// Whether nothing was ever stored there: what is sound then says nothing about a log that was meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match *self {
            #[cfg(feature = "disk")]
            Self::Disk(ref report) => report.storage.is_nil() && report.files.is_empty() && report.damage.is_empty(),
            #[cfg(feature = "object-store")]
            Self::Bucket(ref report) => report.incarnation == 0 && report.objects == 0 && report.damage.is_empty(),
        }
    }
}

impl fmt::Display for CheckReport {
    #[cfg_attr(
        not(any(feature = "disk", feature = "object-store")),
        allow(unused_variables, reason = "there is no such value then")
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            #[cfg(feature = "disk")]
            Self::Disk(ref report) => report.fmt(f),
            #[cfg(feature = "object-store")]
            Self::Bucket(ref report) => report.fmt(f),
        }
    }
}

/// Reads and verifies what `url` names.
#[cfg_attr(not(feature = "object-store"), allow(unused_variables, reason = "it is the store that takes settings"))]
pub(crate) async fn check(url: &str, settings: &Settings, env: &Env) -> Result<CheckReport, Error> {
    let url = Url::parse(url)?;
    let refuse = |reason: &str| Error::NotCheckable { url: url.shown.clone(), reason: reason.to_owned() };
    match url.scheme {
        #[cfg(feature = "disk")]
        Scheme::File => Ok(CheckReport::Disk(Box::new(super::disk::verify(&url).await?))),
        #[cfg(feature = "object-store")]
        Scheme::S3 | Scheme::Gs | Scheme::Az => {
            let report = Box::pin(super::bucket::verify(&url, &settings.object_store, env)).await?;
            Ok(CheckReport::Bucket(Box::new(report)))
        }
        Scheme::Memory => Err(refuse("what is in memory is gone with its process; a check reads what is stored")),
        Scheme::Kafka => Err(refuse(
            "it names brokers, and a check reads what is stored: name the directory or the prefix of the bucket itself",
        )),
        #[cfg(not(all(feature = "disk", feature = "object-store")))]
        scheme => Err(Error::FeatureOff { url: url.shown.clone(), feature: scheme.feature() }),
    }
}
