//! The suite of [`SnapshotStore`](crate::log::SnapshotStore): [`snapshot_store_suite!`](crate::snapshot_store_suite).

pub mod saving;

use super::{Case, SnapshotSubject};

/// Every case of the suite.
pub const CASES: &[Case<dyn SnapshotSubject>] = crate::__snapshot_store_cases!(__conformance_list, ());

/// Makes a tokio test of each case of the suite of `SnapshotStore`. The expression gives the
/// `Arc<dyn SnapshotSubject>` of one case.
#[macro_export]
macro_rules! snapshot_store_suite {
    ($subject:expr) => {
        $crate::__snapshot_store_cases!(__conformance_tests, $subject);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __snapshot_store_cases {
    ($then:ident, $subject:expr) => {
        $crate::$then! {
            $subject; snapshot_store
            saving {
                there_is_no_snapshot_at_first,
                the_last_saved_snapshot_is_returned,
                partitions_have_snapshots_of_their_own,
                a_removed_snapshot_is_gone,
            }
        }
    };
}
