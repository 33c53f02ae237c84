//! Making a producer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{Acks, InitProducerId};
use ottla_broker_core::record::Compression;

use super::Producer;
use super::error::Error;
use super::settings::{Config, Settings};
use super::shared::Shared;
use crate::context::Context;
use crate::partitioner::{Explicit, KeyHash, Partitioner, Random, RoundRobin, Sticky};

/// Makes a [`Producer`]. Nothing has to be set: the defaults lose nothing and double nothing.
#[must_use = "a builder does nothing until `build`"]
pub struct ProducerBuilder {
    context: Context,
    config: Config,
    partitioner: Arc<dyn Partitioner>,
}

impl fmt::Debug for ProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ProducerBuilder {
    /// A builder with the defaults.
    pub fn new(context: Context) -> Self {
        Self { context, config: Config::default(), partitioner: Arc::new(KeyHash::murmur2()) }
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
    /// records gather while the batch before them is in flight.
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
    /// [`Record::reserved_bytes`](crate::Record::reserved_bytes) counts them: 32 MiB by default. Beyond it
    /// [`Producer::enqueue`] waits.
    pub const fn max_unacked_bytes(mut self, bytes: usize) -> Self {
        self.config.max_unacked_bytes = bytes;
        self
    }

    /// Batches of one partition that may be in flight at once, 1 to 5: 5 by default.
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

    /// Applies a table of settings; what it leaves out stays as it is.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is none of its setting's.
    pub fn settings(mut self, settings: &Settings) -> Result<Self, Error> {
        let config = &mut self.config;
        if let Some(acks) = &settings.acks {
            config.acks = match acks.as_str() {
                "none" | "0" => Acks::None,
                "leader" | "1" => Acks::Leader,
                "all" | "-1" => Acks::All,
                other => return Err(not_one_of("acks", other, "\"none\", \"leader\" and \"all\"")),
            };
        }
        if let Some(compression) = &settings.compression {
            config.compression = compression
                .parse()
                .map_err(|_| not_one_of("compression", compression, "none, gzip, snappy, lz4 and zstd"))?;
        }
        config.idempotent = settings.idempotent.unwrap_or(config.idempotent);
        config.linger = settings.linger_ms.map_or(config.linger, Duration::from_millis);
        config.batch_bytes = settings.batch_bytes.unwrap_or(config.batch_bytes);
        config.max_unacked_bytes = settings.max_unacked_bytes.unwrap_or(config.max_unacked_bytes);
        config.max_in_flight = settings.max_in_flight.unwrap_or(config.max_in_flight);
        config.delivery_timeout = settings.delivery_timeout_ms.map_or(config.delivery_timeout, Duration::from_millis);
        config.request_timeout = settings.request_timeout_ms.map_or(config.request_timeout, Duration::from_millis);
        config.compression_level = settings.compression_level.or(config.compression_level);
        Ok(match settings.partitioner.as_deref() {
            None => self,
            Some("murmur2") => self.partitioner(KeyHash::murmur2()),
            Some("crc32") => self.partitioner(KeyHash::crc32()),
            Some("sticky") => self.partitioner(Sticky),
            Some("random") => self.partitioner(Random),
            Some("round_robin") => self.partitioner(RoundRobin),
            Some("explicit") => self.partitioner(Explicit),
            Some(other) => {
                let names = "murmur2, crc32, sticky, random, round_robin and explicit";
                return Err(not_one_of("partitioner", other, names));
            }
        })
    }

    /// Makes the producer. An idempotent one asks the cluster for its identity first.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that contradict each other; [`Error::Cluster`] when no broker gives an
    /// identity.
    pub async fn build(self) -> Result<Producer, Error> {
        self.config.check()?;
        let Self { context, config, partitioner } = self;
        let identity = if config.idempotent {
            let asked = context.cluster.init_producer_id(InitProducerId::default()).await;
            Some(asked.map_err(|source| Error::Cluster {
                purpose: "asking the cluster for a producer id".to_owned(),
                source: Arc::new(source),
            })?)
        } else {
            None
        };
        Ok(Producer::start(Shared::new(context, config, partitioner, identity)))
    }
}

fn not_one_of(setting: &'static str, value: &str, names: &str) -> Error {
    Error::Config { setting, reason: format!("`{value}` is unknown: there are {names}") }
}
