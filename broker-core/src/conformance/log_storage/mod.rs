//! The suite of [`LogStorage`](crate::log::LogStorage), [`PartitionLog`](crate::log::PartitionLog),
//! [`PartitionReader`](crate::log::PartitionReader) and [`TruncateSuffix`](crate::log::TruncateSuffix):
//! [`log_storage_suite!`](crate::log_storage_suite).

pub mod append;
pub mod fencing;
pub mod lifecycle;
pub mod model;
pub mod read;
pub mod timestamps;
pub mod trim;
pub mod trouble;
pub mod truncate;
pub mod watch;

use super::{Case, LogSubject};

/// Every case of the suite.
pub const CASES: &[Case<dyn LogSubject>] = crate::__log_storage_cases!(__conformance_list, ());

/// Makes a tokio test of each case of the suite of `LogStorage`. The expression gives the
/// `Arc<dyn LogSubject>` of one case.
#[macro_export]
macro_rules! log_storage_suite {
    ($subject:expr) => {
        $crate::__log_storage_cases!(__conformance_tests, $subject);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_storage_cases {
    ($then:ident, $subject:expr) => {
        $crate::$then! {
            $subject; log_storage
            append {
                a_new_log_is_empty,
                one_batch_comes_back,
                many_batches_come_back_in_order,
                a_sparse_log_keeps_its_gaps,
                a_batch_below_the_end_is_refused,
                offsets_in_flight_are_taken,
                a_batch_of_a_higher_epoch_is_refused,
                batches_of_older_epochs_keep_their_epoch,
                a_ticket_covers_what_came_before,
                partitions_are_written_concurrently,
                ready_admits_a_lone_writer,
            }
            read {
                a_read_starts_at_the_batch_that_holds_the_offset,
                a_read_ends_at_until,
                a_read_is_bounded_by_bytes,
                large_batches_come_back,
                a_read_outside_the_log_is_refused,
                a_reader_follows_and_never_fences,
                a_reader_needs_a_log,
            }
            fencing {
                a_newer_epoch_fences_the_older,
                an_old_epoch_cannot_open,
                epochs_outlive_a_reopening,
                pending_tickets_of_a_fenced_handle_fail,
                another_session_takes_over,
                a_thousand_open_at_once,
            }
            lifecycle {
                reopening_keeps_the_log,
                closing_a_handle_flushes_it,
                closing_the_storage_flushes_all,
                a_list_is_in_order,
                topics_share_nothing,
                removing_forgets_everything,
                durability_is_constant,
            }
            trim {
                a_trim_moves_the_start,
                a_batch_that_straddles_the_start_stays_whole,
                the_trim_base_is_kept,
                a_trim_never_goes_back,
                a_trim_beyond_the_end_is_refused,
                offsets_go_on_after_a_whole_trim,
                a_reset_starts_over,
                a_reset_is_durable,
            }
            truncate {
                a_truncation_drops_the_end,
                a_truncation_drops_whole_batches,
                a_truncation_to_either_end,
                truncated_timestamps_are_gone,
            }
            timestamps {
                a_timestamp_finds_its_batch,
                timestamps_out_of_order,
                trimmed_timestamps_are_gone,
            }
            watch {
                the_watch_wakes_at_every_change,
                bounds_move_before_a_ticket_resolves,
                the_watch_wakes_at_the_end,
            }
            trouble {
                a_crash_loses_nothing_acknowledged,
                a_crash_undoes_no_trim,
                a_lost_write_closes_the_handle,
                a_lost_answer_closes_the_handle,
                damage_is_never_served,
            }
            model {
                random_operations_match_a_model,
            }
        }
    };
}
