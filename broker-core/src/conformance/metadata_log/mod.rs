//! The suite of [`MetadataLog`](crate::log::MetadataLog): [`metadata_log_suite!`](crate::metadata_log_suite).

pub mod appending;
pub mod trimming;

use super::{Case, MetadataSubject};

/// Every case of the suite.
pub const CASES: &[Case<dyn MetadataSubject>] = crate::__metadata_log_cases!(__conformance_list, ());

/// Makes a tokio test of each case of the suite of `MetadataLog`. The expression gives the
/// `Arc<dyn MetadataSubject>` of one case.
#[macro_export]
macro_rules! metadata_log_suite {
    ($subject:expr) => {
        $crate::__metadata_log_cases!(__conformance_tests, $subject);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __metadata_log_cases {
    ($then:ident, $subject:expr) => {
        $crate::$then! {
            $subject; metadata_log
            appending {
                a_new_metadata_log_is_empty,
                entries_come_back_in_order,
                reads_are_paged,
                a_taken_position_is_fenced,
                a_position_beyond_the_end_is_refused,
                one_of_many_racers_wins_each_position,
                the_watch_wakes_at_an_append,
                entries_outlive_a_restart,
            }
            trimming {
                the_newest_snapshot_is_returned,
                a_snapshot_beyond_the_end_is_refused,
                a_trim_needs_a_snapshot,
                a_trimmed_position_is_never_free_again,
                a_trim_below_the_start_has_no_effect,
            }
        }
    };
}
