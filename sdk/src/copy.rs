//! Moving a log: everything at one URL goes to another.
//!
//! ```
//! # #[cfg(all(feature = "memory", feature = "disk"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::time::Duration;
//! # use ottla::{At, Client, NewTopic, Record};
//! # let directory = std::env::temp_dir().join(format!("ottla-copy-doc-{}", std::process::id()));
//! # let from = format!("file://{}/old", directory.display());
//! # let to = format!("file://{}/new", directory.display());
//! # let client = Client::connect(&from).await?;
//! # client.admin().ensure_topic(NewTopic::new("orders").partitions(1)).await?;
//! # client.producer().build().await?.send(Record::to("orders").value("paid")).await?;
//! # client.close(Duration::from_secs(5)).await?;
//! // Nobody has either of them open.
//! let copied = ottla::copy::Copy::new(&from, &to)
//!     .verify(true)
//!     .progress(|progress| eprintln!("{:.0} %", 100.0 * progress.fraction()))
//!     .run()
//!     .await?;
//! println!("{} records of {} topics", copied.report().records, copied.report().topics);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "memory", feature = "disk")))]
//! # fn main() {}
//! ```
//!
//! What goes over, and what a copy that was stopped comes to, is told by [`ottla_broker_core::copy`]: topics with their ids
//! and configs, records with their offsets, timestamps and bytes, consumer groups' offsets, and the state of idempotent
//! producers. Run the same copy again to finish it; until then no client can connect there.

use std::fmt;

use ottla_broker_core::copy as core;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Backend;

pub use ottla_broker_core::copy::{Error, Progress, Report, Side, Stage};

use crate::connect::{self, Held, Source};

type Tell = Box<dyn Fn(Progress) + Send + Sync>;

/// Copies all of one log to an empty place. Begins with [`run`](Self::run).
#[must_use = "nothing is copied before `run`"]
pub struct Copy {
    from: Source,
    to: Source,
    backends: connect::Settings,
    env: Option<Env>,
    options: core::Options,
    tell: Tell,
}

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, options, .. } = self;
        f.debug_struct("Copy").field("from", from).field("to", to).field("options", options).finish_non_exhaustive()
    }
}

/// A finished copy. A destination in memory (`memory://name`) lives as long as this value or a client of it.
#[derive(Debug)]
#[must_use = "a copy in memory is gone with it"]
pub struct Copied {
    report: Report,
    _kept: connect::Kept,
}

impl Copied {
    /// What was copied.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

/// Copies all that is at one URL to another, as [`struct@Copy`] does without further ado.
///
/// # Errors
/// As [`Copy::run`].
pub async fn copy(from: impl AsRef<str>, to: impl AsRef<str>) -> Result<Copied, crate::Error> {
    Copy::new(from, to).run().await
}

impl Copy {
    /// From one URL to another, as [`Client::connect`](crate::Client::connect) takes them.
    pub fn new(from: impl AsRef<str>, to: impl AsRef<str>) -> Self {
        Self::of(Source::Url(from.as_ref().to_owned()), Source::Url(to.as_ref().to_owned()))
    }

    /// From one storage to another, that nobody else has open. Both stay open.
    pub fn over(from: Backend, to: Backend) -> Self {
        Self::of(Source::Storage(from), Source::Storage(to))
    }

    fn of(from: Source, to: Source) -> Self {
        Self {
            from,
            to,
            backends: connect::Settings::default(),
            env: None,
            options: core::Options::default(),
            tell: Box::new(|_| ()),
        }
    }

    /// The storage to copy from, in the place of a URL.
    pub fn from_storage(mut self, from: Backend) -> Self {
        self.from = Source::Storage(from);
        self
    }

    /// The storage to copy to, in the place of a URL.
    pub fn to_storage(mut self, to: Backend) -> Self {
        self.to = Source::Storage(to);
        self
    }

    /// Takes the tables of the backends (`[disk]`, `[object-store]`) from a client's TOML document, as
    /// [`Client::from_config`](crate::Client::from_config) describes it. They hold on both sides; all else that may be in
    /// it is left in peace.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an unknown setting or a value that cannot be.
    pub fn settings(mut self, toml: &str) -> Result<Self, crate::Error> {
        self.backends = connect::Settings::of_client(toml)?;
        Ok(self)
    }

    /// How `file` URLs' directories are written.
    #[cfg(feature = "disk")]
    pub fn disk(mut self, options: connect::DiskOptions) -> Self {
        self.backends.disk = options;
        self
    }

    /// How `s3`, `gs` and `az` URLs' stores are reached: one endpoint and one key for both sides.
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

    /// Whether both sides are read again at the end and compared, start, end, counts and bytes. Off by default: every
    /// batch's checksum is checked as it goes over in any case.
    pub const fn verify(mut self, verify: bool) -> Self {
        self.options.verify = verify;
        self
    }

    /// Called often, with how far it is. Must not block.
    pub fn progress(mut self, tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.tell = Box::new(tell);
        self
    }

    /// Copies. Both places are this copy's alone meanwhile: a client that connects to one from this process waits.
    ///
    /// Dropping the future leaves an unfinished copy, and so does an error: run the same copy again to go on.
    ///
    /// # Errors
    /// [`Error::Connect`](crate::Error::Connect): a place cannot be opened, somebody has it open, or the two are one.
    /// [`Error::Copy`](crate::Error::Copy): what the copy itself says.
    pub async fn run(self) -> Result<Copied, crate::Error> {
        let Self { from, to, backends, env, options, tell } = self;
        let env = env.unwrap_or_else(Env::system);
        let (from, to) = connect::hold_both(from, to, &backends, &env).await?;
        let copied = core::copy(from.backend(), to.backend(), &env, options, tell.as_ref()).await;
        // Also after an error: what was appended is worth keeping, and files are let go of.
        let closed = to.close().await;
        // Nothing was written there.
        let _ = from.close().await;
        let report = copied?;
        closed.map_err(|source| Error::Storage { side: Side::Destination, doing: "close", source })?;
        Ok(Copied { report, _kept: Held::into_kept(to) })
    }
}
