//! A Kafka-protocol listener over an Ottla broker: any Kafka client becomes a client of the embedded log.
//!
//! ```
//! use std::time::Duration;
//!
//! use ottla_broker_core::broker::Broker;
//! use ottla_broker_core::config::BrokerConfig;
//! use ottla_broker_core::env::Env;
//! use ottla_server::Server;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::system()).await?;
//! let server = Server::builder(broker.clone()).bind("127.0.0.1:0".parse()?).await?;
//! println!("clients find it at {}", server.advertised());
//!
//! server.shutdown(Duration::from_secs(5)).await?;
//! broker.close(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | feature | what it brings |
//! |---|---|
//! | `tls` | TLS and mutual TLS, by `rustls` |
//! | `telemetry` | health and Prometheus metrics over HTTP, on a port of their own |
//! | `testing` | log-ins by any bytes, for fuzzing |
//! | `planted-bugs` | known bugs on demand, for the tests of the tests |
//!
//! # Requests of one connection
//!
//! They are answered in their order, as Kafka does, and begun as they come where that cannot be told from
//! one after the other: a producer's batches go side by side into the log, in their order.
//!
//! # What clients may take
//!
//! All of it is in [`Limits`]. Whatever a client does, the server holds no more of it than they say, and a connection that
//! it closes has the reason in the log.

mod advertised;
mod auth;
mod authorizer;
mod budget;
mod connection;
mod connections;
mod dispatch;
mod error;
mod limits;
mod meters;
mod secure;
mod server;
mod sessions;
mod shared;
#[cfg(feature = "telemetry")]
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
mod tls;

pub use advertised::Advertised;
pub use auth::{Mechanism, set_password};
pub use authorizer::{AllowAll, Authorizer, Operation, Principal, Resource};
pub use error::{Error, Unfinished};
pub use limits::Limits;
pub use server::{Builder, Server};
#[cfg(feature = "telemetry")]
pub use telemetry::{Metrics, Telemetry};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};
