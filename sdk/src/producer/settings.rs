//! A producer's settings: as the builder holds them, and as a TOML table says them.

use std::time::Duration;

use ottla_broker_core::api::Acks;
use ottla_broker_core::record::{Builder, BuilderOptions, Compression, Flags};
use serde::Deserialize;

use super::builder::not_one_of;
use super::error::Error;

/// A producer's settings as a table of TOML: the names of the builder's methods, durations in
/// milliseconds (`_ms`) and sizes in bytes. What is left out keeps its default.
///
/// ```
/// let settings: ottla::producer::Settings = toml::from_str("linger_ms = 5\nacks = \"all\"\ncompression = \"none\"")?;
/// assert_eq!(settings.linger_ms, Some(5));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `"none"`, `"leader"` or `"all"`; also Kafka's `0`, `1` and `-1`, as text.
    pub acks: Option<String>,
    /// Whether batches carry sequence numbers, so that a retry is never written twice.
    pub idempotent: Option<bool>,
    /// How long a batch that is not full waits for more.
    pub linger_ms: Option<u64>,
    /// The most that a batch holds, in bytes before compression.
    pub batch_bytes: Option<usize>,
    /// The most that may wait for its acknowledgement, in bytes.
    pub max_unacked_bytes: Option<usize>,
    /// Batches of one partition that may be in flight at once.
    pub max_in_flight: Option<usize>,
    /// How long a record may take from `enqueue` to its acknowledgement.
    pub delivery_timeout_ms: Option<u64>,
    /// How long one request may take.
    pub request_timeout_ms: Option<u64>,
    /// `"none"`, `"gzip"`, `"snappy"`, `"lz4"` or `"zstd"`.
    pub compression: Option<String>,
    /// The codec's level.
    pub compression_level: Option<u32>,
    /// `"murmur2"`, `"crc32"`, `"sticky"`, `"random"`, `"round_robin"` or `"explicit"`.
    pub partitioner: Option<String>,
}

impl Settings {
    /// Every setting's name, for suggesting one in place of an unknown one.
    pub const NAMES: &'static [&'static str] = &[
        "acks",
        "idempotent",
        "linger_ms",
        "batch_bytes",
        "max_unacked_bytes",
        "max_in_flight",
        "delivery_timeout_ms",
        "request_timeout_ms",
        "compression",
        "compression_level",
        "partitioner",
    ];
}

/// The settings in force.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) acks: Acks,
    pub(super) idempotent: bool,
    pub(super) linger: Duration,
    pub(super) batch_bytes: usize,
    pub(super) max_unacked_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) compression: Compression,
    pub(super) compression_level: Option<u32>,
}

impl Config {
    /// The broker keeps five batches of each producer and partition to recognise a retry by (KIP-98).
    pub(super) const MAX_IN_FLIGHT: usize = 5;
    /// Below Kafka's default `max.message.bytes` (1,048,588), so that a topic as it comes takes every batch.
    pub(super) const BATCH_BYTES: usize = 1_000_000;

    /// Batches of one partition in flight at once. Without sequences a retry would overtake what was sent
    /// behind it: then it is one (except with `acks=0`, where no answer leads to a retry).
    pub(super) const fn in_flight(&self) -> usize {
        if self.idempotent || matches!(self.acks, Acks::None) { self.max_in_flight } else { 1 }
    }

    /// Takes a table over; what it leaves out stays as it is.
    pub(super) fn apply(&mut self, settings: &Settings) -> Result<(), Error> {
        if let Some(acks) = &settings.acks {
            self.acks = match acks.as_str() {
                "none" | "0" => Acks::None,
                "leader" | "1" => Acks::Leader,
                "all" | "-1" => Acks::All,
                other => return Err(not_one_of("acks", other, "\"none\", \"leader\" and \"all\"")),
            };
        }
        if let Some(compression) = &settings.compression {
            self.compression = compression
                .parse()
                .map_err(|_| not_one_of("compression", compression, "none, gzip, snappy, lz4 and zstd"))?;
        }
        self.idempotent = settings.idempotent.unwrap_or(self.idempotent);
        self.linger = settings.linger_ms.map_or(self.linger, Duration::from_millis);
        self.batch_bytes = settings.batch_bytes.unwrap_or(self.batch_bytes);
        self.max_unacked_bytes = settings.max_unacked_bytes.unwrap_or(self.max_unacked_bytes);
        self.max_in_flight = settings.max_in_flight.unwrap_or(self.max_in_flight);
        self.delivery_timeout = settings.delivery_timeout_ms.map_or(self.delivery_timeout, Duration::from_millis);
        self.request_timeout = settings.request_timeout_ms.map_or(self.request_timeout, Duration::from_millis);
        self.compression_level = settings.compression_level.or(self.compression_level);
        Ok(())
    }

    /// Refuses what cannot work together.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |setting, reason: String| Err(Error::Config { setting, reason });
        if self.idempotent && self.acks != Acks::All {
            return refuse(
                "acks",
                format!(
                    "an idempotent producer needs acks=all, not {:?}: leave it, or say `idempotent(false)`",
                    self.acks
                ),
            );
        }
        if self.max_in_flight == 0 || self.max_in_flight > Self::MAX_IN_FLIGHT {
            return refuse("max_in_flight", format!("{} is not within 1 to 5", self.max_in_flight));
        }
        if !(1_024..=512 << 20).contains(&self.batch_bytes) {
            return refuse("batch_bytes", format!("{} is not within 1,024 and 512 Mi", self.batch_bytes));
        }
        if self.max_unacked_bytes < self.batch_bytes {
            return refuse(
                "max_unacked_bytes",
                format!("{} is less than one batch (`batch_bytes`, {})", self.max_unacked_bytes, self.batch_bytes),
            );
        }
        let mut probe = Builder::new(BuilderOptions {
            compression: self.compression,
            level: self.compression_level,
            capacity: 128,
        });
        let probed = probe.append(0, None, Some(b"probe"), &[]).and_then(|_| probe.finish(None, Flags::default()));
        if let Err(error) = probed {
            return refuse("compression", error.to_string());
        }
        if self.request_timeout.is_zero() {
            return refuse("request_timeout", "it is zero".to_owned());
        }
        if self.delivery_timeout < self.linger.saturating_add(self.request_timeout) {
            return refuse(
                "delivery_timeout",
                format!(
                    "{:?} is less than `linger` and one `request_timeout` together ({:?} and {:?})",
                    self.delivery_timeout, self.linger, self.request_timeout
                ),
            );
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotent: true,
            linger: Duration::ZERO,
            batch_bytes: Self::BATCH_BYTES,
            max_unacked_bytes: 64 << 20,
            max_in_flight: Self::MAX_IN_FLIGHT,
            delivery_timeout: Duration::from_mins(2),
            request_timeout: Duration::from_secs(30),
            compression: Compression::None,
            compression_level: None,
        }
    }
}
