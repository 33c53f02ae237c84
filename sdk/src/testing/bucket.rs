//! A cluster in a bucket whose answers get lost.

use super::{Builder, TestCluster};
use crate::config;
use crate::connect::BucketOptions;
use crate::connect::bucket::Objects;
use crate::connect::crashable::{BucketTrouble, Kind};

impl Builder {
    /// Runs it on the bucket backend, over a bucket in memory that answers as slowly as the
    /// [commit delay](Self::commit_delay) says. Each broker is a process of its own: of a broker that
    /// [`crash`](TestCluster::crash)es the requests under way may have their effect yet, even after the next one has begun,
    /// as far as [`Survives`](super::Survives) lets them; what it had not sent is lost. The next one waits until the lease
    /// of the dead one is stale, unless `options` say that it takes the bucket over; who
    /// [`supersede`](TestCluster::supersede)s takes it over in any case. The `owner` of the options is not used.
    pub fn on_bucket(mut self, options: BucketOptions) -> Self {
        self.kind = Kind::Bucket(Box::new(options), None);
        self
    }

    /// The same over a bucket that is yours, instead of one in memory. It has to be empty, and whatever it does has to be
    /// done on the clock of the test.
    pub fn on_bucket_in(mut self, objects: Objects, options: BucketOptions) -> Self {
        self.kind = Kind::Bucket(Box::new(options), Some(objects));
        self
    }
}

impl TestCluster {
    /// Of a thousand requests to the [bucket](Builder::on_bucket) so many go wrong from now on, until
    /// [`heal`](Self::heal): they are refused, conflict with another, are never answered, or have an effect, at once or
    /// some time later, of which nobody is told. Without a bucket nothing happens.
    pub fn requests_by_chance(&self, in_thousand: u32) {
        self.inner.storage.requests_by_chance(in_thousand);
    }

    /// What was met on the way to the [bucket](Builder::on_bucket).
    #[must_use]
    pub fn bucket_trouble(&self) -> BucketTrouble {
        self.inner.storage.trouble()
    }

    /// Opens the [bucket](Builder::on_bucket) once more after [`shutdown`](Self::shutdown), lets the storage clean up, and
    /// says what is wrong with the objects that are there: one is missing or damaged, or is of no use.
    ///
    /// # Errors
    /// It cannot be opened, or looked at.
    pub async fn audit_bucket(&self) -> Result<Vec<String>, crate::Error> {
        let found = self.inner.storage.audit(&self.inner.env).await;
        found.map_err(|source| crate::Error::cluster("look at the bucket of the test", source.into()))
    }
}

/// # Errors
/// [`Config`](crate::Error::Config).
pub(super) fn check(kind: &Kind, capacity_bytes: Option<usize>) -> Result<(), crate::Error> {
    match kind {
        Kind::Bucket(..) if capacity_bytes.is_some() => {
            let message = "`capacity_bytes`: a bucket has no bound".to_owned();
            Err(config::Error::Broker { message }.into())
        }
        _ => Ok(()),
    }
}
