//! Suites of Ottla that cross crates.
//!
//! - `tests/main.rs`: one test binary, a module a suite.
//! - `planted.toml`: known bugs and the test that catches each; `cargo run -p ottla-tests --bin planted`
//!   puts them back one by one and fails if one survives.
//! - `sim`: whole clusters with their clients, by seed; `cargo run --release -p ottla-tests --bin sim` is its long form.
//! - `s3`: an S3 endpoint with faults, on loopback; `cargo run -p ottla-tests --bin s3` serves it by hand.
//! - `fuzz`: every decoder of what strangers send; `cargo run --release -p ottla-tests --bin fuzz` is its long form.
//! - `benches/`: each measures its own physical limit in the same run.

pub mod counting;
pub mod fuzz;
mod planted;
pub mod s3;
pub mod sim;

/// What benches share with `ottla bench`.
pub use ottla_cli::measure as bench;
pub use planted::{Bug, Catalogue};
