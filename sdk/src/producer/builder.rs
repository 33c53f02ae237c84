//! Making a producer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{Acks, InitProducerId, ProducerIdentity};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Compression;

use super::Producer;
use super::backoff::delay;
use super::error::Error;
use super::settings::{Config, Settings};
use super::shared::Shared;
use crate::client::Registry;
use crate::context::Context;
use crate::partitioner::{Explicit, KeyHash, Partitioner, Random, RoundRobin, Sticky};

/// Makes a [`Producer`]. Nothing has to be set: the defaults lose nothing and double nothing.
#[must_use = "a builder does nothing until `build`"]
pub struct ProducerBuilder {
    context: Context,
    config: Config,
    partitioner: Arc<dyn Partitioner>,
    /// Closes the producer when the client closes.
    registry: Option<Arc<Registry>>,
}

impl fmt::Debug for ProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ProducerBuilder {
    /// A builder with the defaults.
    pub fn new(context: Context) -> Self {
        Self { context, config: Config::default(), partitioner: Arc::new(KeyHash::murmur2()), registry: None }
    }

    /// Has the producer closed with the client whose registry this is.
    pub(crate) fn registered(mut self, registry: &Arc<Registry>) -> Self {
        self.registry = Some(Arc::clone(registry));
        self
    }

    /// When a record counts as acknowledged. Below [`Acks::All`], the default, a record may be lost with
    /// the broker that acknowledged it, and the producer cannot be [`idempotent`](Self::idempotent).
    pub const fn acks(mut self, acks: Acks) -> Self {
        self.config.acks = acks;
        self
    }

    /// Whether batches carry sequence numbers, so that a retry is never written twice and order holds with
    /// several batches in flight. On by default. Without it an answer that is lost may double a batch, and
    /// one batch of a partition is in flight at a time, so that retries keep the order.
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.config.idempotent = idempotent;
        self
    }

    /// Which partition a record goes to: [`KeyHash::murmur2`] unless said otherwise.
    pub fn partitioner(mut self, partitioner: impl Partitioner) -> Self {
        self.partitioner = Arc::new(partitioner);
        self
    }

    /// How long a batch that is not full waits for more. Zero by default: a lone record goes at once, and
    /// records gather while the batch before them is in flight, unless its answer takes long (20 ms and more). Of what
    /// nobody waits for, batches that are not full go once a millisecond at the most.
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// The most that a batch holds, in bytes before compression: 1,000,000 by default, which every topic
    /// takes whose `max.message.bytes` was not lowered. No larger record can be sent.
    pub const fn batch_bytes(mut self, bytes: usize) -> Self {
        self.config.batch_bytes = bytes;
        self
    }

    /// The most that may wait for its acknowledgement, in bytes as
    /// [`Record::reserved_bytes`](crate::Record::reserved_bytes) counts them: 64 MiB by default. Beyond it
    /// [`Producer::enqueue`] waits.
    pub const fn max_unacked_bytes(mut self, bytes: usize) -> Self {
        self.config.max_unacked_bytes = bytes;
        self
    }

    /// Batches of one partition that may be in flight at once, 1 to 5: 5 by default. Full ones go beside each
    /// other; others only where an answer takes long, and while less than half of `max_unacked_bytes` waits.
    pub const fn max_in_flight(mut self, batches: usize) -> Self {
        self.config.max_in_flight = batches;
        self
    }

    /// How long a record may take from being enqueued to its acknowledgement, retries included: 2 minutes
    /// by default.
    pub const fn delivery_timeout(mut self, limit: Duration) -> Self {
        self.config.delivery_timeout = limit;
        self
    }

    /// How long one request may take before it is sent again: 30 seconds by default.
    pub const fn request_timeout(mut self, limit: Duration) -> Self {
        self.config.request_timeout = limit;
        self
    }

    /// How batches are compressed: not at all by default. The codec's feature has to be on.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.config.compression = compression;
        self
    }

    /// The codec's level, for gzip (0 to 9) and zstd (1 to 22).
    pub const fn compression_level(mut self, level: u32) -> Self {
        self.config.compression_level = Some(level);
        self
    }

    /// Whether a table of settings can be applied, and goes together with the defaults.
    pub(crate) fn check(settings: &Settings) -> Result<(), Error> {
        let mut config = Config::default();
        config.apply(settings)?;
        partitioner_named(settings.partitioner.as_deref())?;
        config.check()
    }

    /// Applies a table that was [checked](Self::check).
    pub(crate) fn with_checked(mut self, settings: &Settings) -> Self {
        let mut config = self.config.clone();
        if config.apply(settings).is_ok() {
            self.config = config;
        }
        if let Ok(Some(partitioner)) = partitioner_named(settings.partitioner.as_deref()) {
            self.partitioner = partitioner;
        }
        self
    }

    /// Applies a table of settings; what it leaves out stays as it is.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is none of its setting's.
    pub fn settings(mut self, settings: &Settings) -> Result<Self, Error> {
        self.config.apply(settings)?;
        if let Some(partitioner) = partitioner_named(settings.partitioner.as_deref())? {
            self.partitioner = partitioner;
        }
        Ok(self)
    }

    /// Makes the producer. An idempotent one asks the cluster for its identity first, again and again for
    /// [`request_timeout`](Self::request_timeout) if that has none to give yet.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that contradict each other; [`Error::Cluster`] when no broker gives an
    /// identity.
    pub async fn build(self) -> Result<Producer, Error> {
        self.config.check()?;
        let Self { context, config, partitioner, registry } = self;
        if registry.as_ref().is_some_and(|registry| registry.is_closed()) {
            return Err(Error::Closed { in_doubt: false });
        }
        let identity = if config.idempotent { Some(identify(&context, config.request_timeout).await?) } else { None };
        let producer = Producer::start(Shared::new(context, config, partitioner, identity));
        if let Some(registry) = registry {
            registry.add_producer(&producer)?;
        }
        Ok(producer)
    }
}

/// Asks for an identity until the cluster gives one; for `limit` if it cannot yet.
async fn identify(context: &Context, limit: Duration) -> Result<ProducerIdentity, Error> {
    let Context { cluster, env, .. } = context;
    let deadline = env.now() + limit;
    let mut failures = 0;
    loop {
        let source = match cluster.init_producer_id(InitProducerId::default()).await {
            Ok(identity) => return Ok(identity),
            Err(error) => error,
        };
        failures += 1;
        let again = env.now() + delay(failures, env.random_u64());
        if !source.is_retriable() || again >= deadline || is_planted("identity-asked-for-once") {
            let purpose = "asking the cluster for a producer id".to_owned();
            return Err(Error::Cluster { purpose, source: Arc::new(source) });
        }
        env.sleep_until(again).await;
    }
}

fn partitioner_named(name: Option<&str>) -> Result<Option<Arc<dyn Partitioner>>, Error> {
    Ok(Some(match name {
        None => return Ok(None),
        Some("murmur2") => Arc::new(KeyHash::murmur2()),
        Some("crc32") => Arc::new(KeyHash::crc32()),
        Some("sticky") => Arc::new(Sticky),
        Some("random") => Arc::new(Random),
        Some("round_robin") => Arc::new(RoundRobin),
        Some("explicit") => Arc::new(Explicit),
        Some(other) => {
            let names = "murmur2, crc32, sticky, random, round_robin and explicit";
            return Err(not_one_of("partitioner", other, names));
        }
    }))
}

pub(super) fn not_one_of(setting: &'static str, value: &str, names: &str) -> Error {
    Error::Config { setting, reason: format!("`{value}` is unknown: there are {names}") }
}
