//! The conformance suites on every backend of this crate, and what is particular to each.

#[cfg(feature = "memory")]
mod memory;
mod support;
