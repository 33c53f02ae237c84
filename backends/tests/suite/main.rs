//! The conformance suites on every backend of this crate, and what is particular to each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[cfg(all(feature = "memory", feature = "disk", feature = "object-store", feature = "decorators"))]
mod copying;
#[cfg(all(feature = "memory", feature = "decorators"))]
mod decorators;
#[cfg(feature = "memory")]
mod memory;
mod support;
