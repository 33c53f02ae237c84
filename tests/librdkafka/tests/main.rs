//! See the crate's page.
#![allow(clippy::disallowed_methods, reason = "tests run tasks of their own, in real time")]

mod mock;
mod served;
