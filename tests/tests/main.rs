//! One test binary for all suites that cross crates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code: a panic is the verdict"
)]

mod broker;
mod bucket;
mod groups;
mod s3;
mod sdk;
mod simulation;
mod tidy;
