//! The client: one per service, cloned freely.

mod builder;
mod registry;

use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_broker_core::api::group::GroupId;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::log::Backend;

pub use builder::Builder;
use registry::Closing;
pub(crate) use registry::Registry;

use crate::admin::Admin;
use crate::connect::{Counted, Storage, StorageStats};
use crate::context::Context;
use crate::error::Error;
use crate::producer::ProducerBuilder;
use crate::{consumer, producer, reader};
use builder::ProducerSettings;

/// A way to a cluster: from it come producers, readers and the administration of topics.
///
/// Cheap to clone; all clones are one client. [`close`](Client::close) ends it with an answer about what
/// was left. Dropping every clone, with all that was made of it, ends it too: no task stays behind and
/// nothing blocks, but nobody is told of records that were not delivered.
#[derive(Clone, Debug)]
pub struct Client {
    opened: Opened,
    storage: Arc<Counted>,
    broker: Option<Weak<Broker>>,
    reader: reader::Settings,
    consumer: consumer::Settings,
    producer: ProducerSettings,
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
    /// `memory://name` for one that the process shares, `file:///absolute/path` for one in a directory, which the
    /// process shares too (`%20` is a space, `%25` a `%`). The directory is made where there is none; another process
    /// that has it is an error ([`connect::Error::InUse`](crate::connect::Error::InUse)). With the feature
    /// `object-store`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix` for one in an object store,
    /// under the same rules; its credentials come from the environment. With the feature `kafka`,
    /// `kafka://host:9092,host2:9092` for brokers over the network, ours or any Kafka cluster: the first that answers
    /// tells of the others.
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
    /// [disk]                       # for `file` URLs; sizes in bytes
    /// durability = "fsync"         # an ack is on the medium; "os": in the page cache, as with Kafka's defaults
    /// journal_bytes = 536870912
    ///
    /// [object-store]               # for `s3`, `gs` and `az` URLs; all of it may be left out
    /// endpoint = "https://minio.example.org"   # if not the maker's own; "http://…" for one without TLS
    /// region = "eu-central-1"
    /// access_key_id = "…"          # if not from the environment or the machine
    /// secret_access_key = "…"
    /// addressing = "path"          # or "virtual_hosted"
    /// owner = "orders on host-3"   # what others are told who find it in use; by default host and process
    /// take_over = false            # true: whoever has it loses it at once
    /// renew_every_ms = 5000        # how often the owner says that it lives: a PUT
    /// stale_after_ms = 15000       # how long a newcomer waits in vain for that, before it takes over
    /// puts_per_second = 10         # chunks below full size, at most
    /// group_bytes = 8388608        # a full chunk
    /// in_flight = 4                # PUTs of chunks at a time
    /// pending_bytes = 67108864     # what waits to be written; then producers wait
    /// tail_bytes = 67108864        # the newest records, in memory for those who keep up
    /// journal_bytes = 134217728    # what is not sorted into segments yet, at most
    /// journal_objects = 512
    /// request_timeout_ms = 10000   # a request that is not answered by then is made again
    /// give_up_after_ms = 60000     # and fails when it was made again for so long
    ///
    /// [kafka]                      # for `kafka` URLs, which take the same as parameters: `?request_timeout_ms=5000`
    /// user = "billing"             # who logs in, if the brokers ask for it; in a URL: `kafka://user:password@host`
    /// password = "…"
    /// sasl = "SCRAM-SHA-256"       # or "SCRAM-SHA-512", or "PLAIN"
    /// connect_timeout_ms = 10000
    /// request_timeout_ms = 30000   # what is waited for at the broker comes on top
    /// idle_timeout_ms = 540000     # a connection without requests is closed
    /// max_response_bytes = 268435456
    ///
    /// [producer]                   # the builder's methods; durations in milliseconds
    /// linger_ms = 5
    ///
    /// [reader]                     # the builder's methods
    /// max_buffered_bytes = 1048576
    ///
    /// [consumer]                   # the builder's methods
    /// commit = "on_ack"
    /// commit_every_ms = 200
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

    fn new(
        context: Context,
        storage: Storage,
        broker: Option<Weak<Broker>>,
        reader: reader::Settings,
        consumer: consumer::Settings,
        producer: ProducerSettings,
    ) -> Self {
        Self {
            opened: Opened { context, registry: Arc::default() },
            storage: Arc::new(Counted::new(storage)),
            broker,
            reader,
            consumer,
            producer,
        }
    }

    fn opened(&self, doing: &str) -> Result<Opened, Error> {
        self.opened.registry.check(doing).map(|()| self.opened.clone())
    }

    /// The client's name, in logs and metrics.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.opened.context.client_id
    }

    /// What the storage of the broker in this process has done since it was opened, for all clients that share it: what
    /// a bucket costs, above all. `None` where this client did not open a storage that counts: in memory, over a storage
    /// or a broker of your own. Still answers when the client is closed.
    #[must_use]
    pub fn storage_stats(&self) -> Option<StorageStats> {
        self.storage.stats()
    }

    /// The broker in this process that answers this client, which other clients may share: for a listener that serves it to
    /// others (`ottla-server`), or to know whether it was [superseded](Broker::is_superseded). `None` where brokers answer
    /// over the network, over a cluster of your own making, and once the broker is gone.
    ///
    /// It stays open as long as a client of it does: do not close it where [`connect`](Self::connect) has opened it, but
    /// the client, after whatever else uses the broker.
    #[must_use]
    pub fn broker(&self) -> Option<Arc<Broker>> {
        self.broker.as_ref().and_then(Weak::upgrade)
    }

    /// Topics and configs.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.opened.clone())
    }

    /// A reader without a group.
    pub fn reader(&self) -> reader::Builder {
        reader::Builder::new(self.opened("read"), self.reader.clone())
    }

    /// A consumer that is a member of `group`, with the settings of the configuration's table `[consumer]`, if
    /// there was one.
    pub fn consumer(&self, group: impl Into<GroupId>) -> consumer::Builder {
        consumer::Builder::new(self.opened("consume"), group.into(), self.consumer.clone())
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.opened.registry.is_closed()
    }

    /// A producer; with the settings of the configuration's table `[producer]`, if there was one.
    pub fn producer(&self) -> ProducerBuilder {
        let builder = ProducerBuilder::new(self.opened.context.clone()).registered(&self.opened.registry);
        self.producer.apply(builder)
    }

    /// Ends the client within `limit`: consumers commit and leave their groups, readers end, producers are
    /// flushed and closed, and the share in an embedded broker is given up; the last client of a broker that `connect` started closes it. Later
    /// calls fail with [`Error::Closed`] or the producer's; closing again does nothing.
    ///
    /// # Errors
    /// What was left: records that were not acknowledged in time or failed with nobody to tell, consumers that
    /// did not end, and what could not be made durable. All of it: [`Error::Several`] if there was more than one
    /// thing. The client is closed all the same.
    pub async fn close(&self, limit: Duration) -> Result<(), Error> {
        let Some(Closing { producers, consumers }) = self.opened.registry.close() else {
            return Ok(());
        };
        let context = &self.opened.context;
        let began = context.env.now();
        // First: a listener, or a dead-letter topic, may still have something to send. A listener that hangs
        // leaves the producers half of the time.
        let ending = consumers.iter().map(|consumer| consumer.shutdown(limit / 2));
        let ended = futures::future::join_all(ending).await;
        let left = limit.saturating_sub(context.env.now().since(began));
        let closing = producers.iter().map(|producer| producer.close(left));
        let flushed = futures::future::join_all(closing).await;
        // Even with no time left the cluster is told: a share that is kept would keep the broker.
        let left = limit.saturating_sub(context.env.now().since(began)).max(Duration::from_millis(1));
        let counted = self.storage.hold();
        let closed = context.env.timeout(left, context.cluster.close(left)).await;
        self.storage.remember(counted);
        // One that its owner closed before has told its owner.
        let flushed = flushed.into_iter().filter_map(Result::err).filter(|error| !is_closed(error));
        let ended = ended.into_iter().filter_map(Result::err);
        let closed = match closed {
            Ok(closed) => closed.map_err(|source| Error::cluster("close the client", source)),
            Err(_) => Err(Error::NotClosed { limit, left: "the broker had not closed".to_owned() }),
        };
        Error::all(flushed.map(Error::from).chain(ended.map(Error::from)).chain(closed.err()))
    }
}

const fn is_closed(error: &producer::Error) -> bool {
    matches!(error, producer::Error::Closed { .. })
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests;
