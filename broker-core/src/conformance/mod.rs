//! The suites that every implementation of a trait of this crate must pass, ours and yours.
//!
//! A suite is a list of named cases. A backend describes itself once, as a *subject* (how to make a
//! fresh, empty medium; how to open it again), and one macro line makes a test of each case:
//!
//! ```ignore
//! mod conformance {
//!     ottla_broker_core::log_storage_suite!(MySubject::new().await);
//! }
//! ```
//!
//! The expression is evaluated anew for each case, in the test's own tokio runtime, and gives an
//! `Arc` of a [`LogSubject`] ([`MetadataSubject`], [`SnapshotSubject`], [`TransportSubject`]). Runners of
//! another kind walk the `CASES` of a suite.
//!
//! Cases assume neither that tickets are ready at once nor that a read is fast: they wait for events,
//! and fail after a minute without one. What a medium cannot do (be opened twice at a time, crash, fail on demand)
//! its subject says, and the cases about it have nothing to check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite reports a broken contract by panicking, as any test"
)]

pub mod log_storage;
pub mod metadata_log;
pub mod snapshot_store;
mod subject;
mod support;
pub mod transport;

pub use subject::{Case, FailedWrite, LogSubject, MetadataSubject, SnapshotSubject, TransportSubject};

/// One tokio test a case. Used by the macros of the suites.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($subject:expr; $suite:ident $($chapter:ident { $($case:ident,)* })*) => {
        $($(
            #[::tokio::test]
            async fn $case() {
                $crate::conformance::$suite::$chapter::$case($subject).await;
            }
        )*)*
    };
}

/// The list of a suite's cases. Used by the suites.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($_subject:expr; $suite:ident $($chapter:ident { $($case:ident,)* })*) => {
        &[$($($crate::conformance::Case {
            name: stringify!($case),
            run: |subject| Box::pin($crate::conformance::$suite::$chapter::$case(subject)),
        },)*)*]
    };
}
