//! Verifying a log that nobody has open: every byte is read, nothing is written.
//!
//! ```
//! # #[cfg(feature = "disk")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::time::Duration;
//! # use ottla::{Client, NewTopic, Record};
//! # let directory = std::env::temp_dir().join(format!("ottla-check-doc-{}", std::process::id()));
//! # let url = format!("file://{}", directory.display());
//! # let client = Client::connect(&url).await?;
//! # client.admin().ensure_topic(NewTopic::new("orders").partitions(1)).await?;
//! # client.producer().build().await?.send(Record::to("orders").value("paid")).await?;
//! # client.close(Duration::from_secs(5)).await?;
//! let report = ottla::check::Check::new(&url).run().await?;
//! assert!(report.is_sound(), "{report}");
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "disk"))]
//! # fn main() {}
//! ```
//!
//! A directory that somebody has open is refused. A bucket can be looked at while its owner works: objects come and go
//! meanwhile, and what nothing refers to yet may be about to count.

use std::fmt;

use ottla_broker_core::env::Env;

use crate::connect;
pub use crate::connect::CheckReport as Report;

/// Verifies what lies at a URL. Begins with [`run`](Self::run).
#[must_use = "nothing is checked before `run`"]
pub struct Check {
    url: String,
    backends: connect::Settings,
    env: Option<Env>,
}

/// A password is in no log.
impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, backends, .. } = self;
        let url = connect::without_credentials(url);
        f.debug_struct("Check").field("url", &url).field("backends", backends).finish_non_exhaustive()
    }
}

impl Check {
    /// Of a `file` URL's directory, or the prefix of a bucket.
    pub fn new(url: impl AsRef<str>) -> Self {
        Self { url: url.as_ref().to_owned(), backends: connect::Settings::default(), env: None }
    }

    /// Takes how a store is reached from the table `[object-store]` of a client's TOML document, as
    /// [`Client::from_config`](crate::Client::from_config) describes it. All else that may be in it is left in peace.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an unknown setting or a value that cannot be.
    pub fn settings(mut self, toml: &str) -> Result<Self, crate::Error> {
        self.backends = connect::Settings::of_client(toml)?;
        Ok(self)
    }

    /// How `s3`, `gs` and `az` URLs' stores are reached.
    #[cfg(feature = "object-store")]
    pub fn object_store(mut self, options: connect::ObjectStoreOptions) -> Self {
        self.backends.object_store = options;
        self
    }

    /// Where time, chance and tasks come from; [`Env::system`] by default.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Reads all that is there. Damage is no error: it is in the report.
    ///
    /// # Errors
    /// [`Error::Connect`](crate::Error::Connect): the URL cannot be, it names no stored log, the directory is not there
    /// or somebody has it open, or the store does not answer.
    pub async fn run(self) -> Result<Report, crate::Error> {
        let env = self.env.unwrap_or_else(Env::system);
        connect::check(&self.url, &self.backends, &env).await.map_err(crate::Error::from)
    }
}
