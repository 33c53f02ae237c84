//! What the example programs share. Each program is one file in `src/bin` and shows one thing.

pub mod generator;
pub mod owners;
pub mod process;

/// The Rust in the README is compiled and run with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadMe;
