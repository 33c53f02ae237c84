//! Ottla and librdkafka, both ways.
//!
//! - `tests/mock`: our SDK against a cluster that is not ours, librdkafka's mock of three brokers.
//! - `tests/served`: librdkafka's clients against our server, over memory, a directory and a bucket.
//! - `rates`: what librdkafka's own load program reaches against our server, and what it costs the server.
//!
//! It builds librdkafka from source, and so is a workspace of its own. From the root of the repository:
//!
//! ```text
//! cargo test --manifest-path tests/librdkafka/Cargo.toml
//! tests/librdkafka/rates
//! ```

pub mod ours;
mod served;
pub mod theirs;

pub use served::{Served, Storage};
