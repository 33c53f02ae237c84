//! The client: one per service, cloned freely.

mod builder;
mod registry;

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::log::Backend;

pub use builder::Builder;
pub(crate) use registry::Registry;

use crate::admin::Admin;
use crate::context::Context;
use crate::error::Error;
use crate::reader;

/// A way to a cluster: from it come producers, readers and the administration of topics.
///
/// Cheap to clone; all clones are one client. [`close`](Client::close) ends it with an answer about what
/// was left. Dropping every clone, with all that was made of it, ends it too: no task stays behind and
/// nothing blocks, but nobody is told of records that were not delivered.
#[derive(Clone, Debug)]
pub struct Client {
    opened: Opened,
    reader: reader::Settings,
}

/// A client's insides, as what is made of it needs them.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) context: Context,
    pub(crate) registry: Arc<Registry>,
}

impl Opened {
    /// What a new reader shares with the client, which ends it when it closes.
    pub(crate) fn new_reader(&self) -> Result<Arc<reader::Shared>, Error> {
        self.registry.new_reader()
    }
}

impl Client {
    /// Connects to what answers at `url`: `memory://` for a broker of its own in this process's memory,
    /// `memory://name` for one that the process shares.
    ///
    /// # Errors
    /// [`Error::Connect`]: an unknown scheme, a feature that is off, a malformed name, or what the broker said.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, Error> {
        Self::builder().url(url.as_ref()).connect().await
    }

    /// Says more than a URL.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Connects as a TOML document says.
    ///
    /// ```toml
    /// url = "memory://orders"
    /// client_id = "billing"
    ///
    /// [broker]                     # Kafka's names, quoted
    /// "num.partitions" = 3
    ///
    /// [reader]                     # the builder's methods
    /// max_buffered_bytes = 1048576
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown setting, with the one that was meant, or a value that cannot be;
    /// and as [`connect`](Self::connect).
    pub async fn from_config(toml: &str) -> Result<Self, Error> {
        Builder::from_config(toml)?.connect().await
    }

    /// A client of a broker that runs in this process. Closing the client leaves the broker open.
    ///
    /// # Errors
    /// None today; a broker that closes answers so.
    pub async fn embedded(broker: &Arc<Broker>) -> Result<Self, Error> {
        Self::builder().broker(broker).connect().await
    }

    /// Starts a broker over a storage, yours or a third party's, and connects to it.
    /// Closing the client closes both.
    ///
    /// # Errors
    /// What the broker or the storage said.
    pub async fn over(storage: Backend) -> Result<Self, Error> {
        Self::builder().storage(storage).connect().await
    }

    pub(crate) fn new(context: Context, reader: reader::Settings) -> Self {
        Self { opened: Opened { context, registry: Arc::default() }, reader }
    }

    fn opened(&self, doing: &str) -> Result<Opened, Error> {
        self.opened.registry.check(doing).map(|()| self.opened.clone())
    }

    /// The client's name, in logs and metrics.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.opened.context.client_id
    }

    /// Topics and configs.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.opened.clone())
    }

    /// A producer.
    pub fn producer(&self) -> crate::producer::ProducerBuilder {
        crate::producer::ProducerBuilder::new(self.opened.context.clone())
    }

    /// A reader without a group.
    pub fn reader(&self) -> reader::Builder {
        reader::Builder::new(self.opened("read"), self.reader.clone())
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.opened.registry.is_closed()
    }

    /// Ends the client within `limit`: readers end, and the share in an embedded broker is given up; the
    /// last client of a broker that `connect` started closes it. Later calls fail with
    /// [`Error::Closed`]; closing again does nothing.
    ///
    /// # Errors
    /// What could not be made durable or was left when the limit passed.
    pub async fn close(&self, limit: Duration) -> Result<(), Error> {
        if !self.opened.registry.close() {
            return Ok(());
        }
        let context = &self.opened.context;
        match context.env.timeout(limit, context.cluster.close(limit)).await {
            Ok(closed) => closed.map_err(|source| Error::cluster("close the client", source)),
            Err(_) => Err(Error::NotClosed { limit, left: "the broker had not closed".to_owned() }),
        }
    }
}
