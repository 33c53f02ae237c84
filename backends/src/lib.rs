//! Storage backends of Ottla: implementations of the traits of [`ottla_broker_core::log`] and
//! [`ottla_broker_core::replica`]. Every one passes the suites of `ottla_broker_core::conformance`, and so
//! can yours: `examples/src/bin/custom_backend.rs` in the repository is a whole one.
//!
//! | feature | module | what |
//! |---|---|---|
//! | `memory` (default) | `memory` | everything in this process's memory, for tests, caches and simulations |
//! | `disk` | `disk` | a directory of the local disk, durable by default |
//! | `object-store` | `bucket` | a bucket of an object store: S3, Google Cloud, Azure, and what speaks their protocols |
//! | `decorators` | `decorators` | storage that fails, is slow or counts, around any other, for tests |
//! | `testing`, with `disk` | `disk::testing` | a disk in memory that can crash, for simulations |
//! | `testing`, with `object-store` | `bucket::testing` | a bucket in memory whose answers get lost, for simulations |
//!
//! A service names a backend by its URL and does not depend on this crate. A program that runs a broker
//! itself takes a [`Backend`](ottla_broker_core::log::Backend) from here:
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ottla_broker_core::broker::Broker;
//! use ottla_broker_core::config::BrokerConfig;
//! use ottla_broker_core::env::Env;
//! use ottla_broker_core::log::Durability;
//! # use std::time::Duration;
//!
//! let backend = ottla_backends::memory::backend();
//! assert_eq!(backend.logs.durability(), Durability::Memory);
//! let broker = Broker::start(BrokerConfig::default(), backend, Env::system()).await?;
//! broker.close(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```

#[cfg(feature = "object-store")]
pub mod bucket;
#[cfg(feature = "decorators")]
pub mod decorators;
#[cfg(feature = "disk")]
pub mod disk;
#[cfg(any(feature = "disk", feature = "object-store"))]
#[cfg_attr(
    not(all(feature = "disk", feature = "object-store")),
    allow(dead_code, unused_imports, reason = "each of the two uses a part of what is common")
)]
mod engine;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(any(feature = "disk", feature = "memory", feature = "object-store"))]
mod room;
