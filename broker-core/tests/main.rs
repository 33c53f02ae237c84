//! Tests of the crate as its users see it: one binary, so that it links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, as it should; helpers stand outside of test functions"
)]

mod allocations;
mod record;
