//! The SDK's suite: written once, run on every backend. A backend joins by one line at the end of this file.
//!
//! What users of other clients complain about, and the tests that ours does not. Those of `client::tests`,
//! `consumer::tests`, `producer::tests` and `reader::tests` are in the crate `ottla`, on a clock of their own; the
//! others are here.
//!
//! | complaint | tests |
//! |---|---|
//! | close or drop that hangs | `consumers::a_hung_listener_or_handler_does_not_hang_the_end`, `lifecycle::dropping_everything_leaves_no_task`, `client::tests::nothing_that_hangs_holds_a_close_beyond_its_limit`, `client::tests::no_task_no_timer_and_no_connection_is_left_after_close_or_drop` |
//! | eviction on the poll interval that is only logged | `consumers::being_busy_for_too_long_is_said_and_mended`, `consumer::tests::who_is_busy_is_told_after_the_poll_interval_and_not_before` |
//! | a sync commit that blocks the executor | `consumers::nothing_blocks_a_runtime_of_one_thread` |
//! | `next` that hangs after shutdown | `consumers::next_ends_after_shutdown_and_close`, `reader::tests::shutdown_and_close_end_a_waiting_call` |
//! | shutdown that swallows flush errors | `client::tests::close_names_what_was_not_written`, `client::tests::close_tells_failures_that_nobody_heard_of`, `client::tests::close_hides_no_failure_behind_another` |
//! | commit before processing by default | `consumers::at_least_once_is_the_default_and_repeats_what_was_not_acked` |
//! | one cursor for many partitions | `consumers::each_partition_has_a_stream_until_it_is_revoked`, `consumers::unacked_messages_hold_their_partition_back_and_say_why` |
//! | publish without back-pressure | `errors::a_full_buffer_gives_the_record_back`, `producer::tests::room::unacknowledged_bytes_stay_within_their_bound` |
//! | blocking metadata and seek | `consumers::nothing_blocks_a_runtime_of_one_thread` |
#![allow(clippy::disallowed_methods, reason = "tests run tasks of their own, in real time")]

mod admin;
mod backends;
mod checking;
mod consumers;
mod copying;
mod copying_bucket;
mod disk_reads;
mod errors;
mod groups;
mod kafka_login;
mod kafka_tls;
mod lifecycle;
mod poisoned_disk;
mod records;
mod replaced_broker;
mod settings;
mod shared_bucket;
mod shared_disk;
mod shared_memory;
mod swapped;

use std::time::Duration;

use backends::Place;
use ottla::producer::Producer;
use ottla::{At, Client, Message, NewTopic, Record};

/// Long enough for any machine: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn client_with<P: Place>(place: &P, topic: &str, partitions: i32) -> Client {
    let client = place.connect().await;
    client.admin().ensure_topic(NewTopic::new(topic).partitions(partitions)).await.unwrap();
    client
}

async fn produce(producer: &Producer, topic: &'static str, partition: i32, values: std::ops::Range<i64>) {
    let mut deliveries = Vec::new();
    for value in values {
        let record = Record::to(topic).partition(partition).value(value.to_string());
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

fn number(message: &Message) -> i64 {
    std::str::from_utf8(message.value().unwrap()).unwrap().parse().unwrap()
}

/// What a partition holds from `start` to its end, by value.
async fn values(client: &Client, topic: &str, partition: i32, start: At) -> Vec<i64> {
    let reader = client.reader().partition(topic, partition).start_at(topic, partition, start).to_end();
    let mut reader = reader.build().await.unwrap();
    let mut values = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        values.push(number(&message));
    }
    values
}

macro_rules! tests {
    ($place:ty: $($room:ident { $($test:ident)* })*) => {
        $(mod $room {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let place = <$place as super::super::Place>::fresh();
                let run = super::super::$room::$test(&place);
                tokio::time::timeout(super::super::PATIENCE, run).await.expect("the test hangs");
            })*
        })*
    };
}

macro_rules! on {
    ($name:ident, $place:ty) => {
        mod $name {
            tests! { $place:
                records {
                    what_was_sent_is_read
                    keys_keep_their_order
                    replay_by_offset_time_and_tail
                    a_follower_is_woken
                    whole_batches_hold_everything
                    every_codec_comes_back
                    typed_records_come_back
                    deleted_records_are_out_of_range
                    many_partitions_with_one_reader
                }
                admin {
                    topics_are_made_described_and_deleted
                    ensure_is_idempotent_and_not_silent
                    partitions_are_added_and_followed
                    configs_are_described_and_altered
                    offsets_are_looked_up
                }
                groups {
                    offsets_are_set_read_and_forgotten
                    lag_is_counted
                    groups_outlive_a_restart
                    groups_that_are_not_there_are_named
                }
                errors {
                    unknown_things_are_named
                    too_large_is_refused
                    an_encoder_that_fails_enqueues_nothing
                    a_full_buffer_gives_the_record_back
                }
                lifecycle {
                    a_closed_client_says_so
                    close_delivers_what_was_enqueued
                    dropping_everything_leaves_no_task
                    a_restart_keeps_the_records
                }
                consumers {
                    members_share_and_the_log_is_replayed
                    cooperative_rebalances_do_not_interrupt_what_stays
                    a_newcomer_to_a_hundred_members_stops_nothing_that_stays
                    new_topics_and_partitions_are_discovered
                    a_static_member_comes_back_without_a_rebalance
                    each_partition_has_a_stream_until_it_is_revoked
                    at_least_once_is_the_default_and_repeats_what_was_not_acked
                    a_crash_repeats_or_skips_as_promised
                    revoking_commits_first_and_late_acks_are_revoked
                    unacked_messages_hold_their_partition_back_and_say_why
                    whole_batches_are_acked_at_once
                    what_cannot_be_decoded_fails_is_skipped_or_goes_to_another_topic
                    a_group_begins_where_it_is_told
                    pause_resume_seek_position_and_lag
                    offsets_of_the_application_need_no_group
                    wrong_settings_are_named
                    next_ends_after_shutdown_and_close
                    a_hung_listener_or_handler_does_not_hang_the_end
                    dropping_a_consumer_commits_and_leaves_and_leaves_no_task
                    being_busy_for_too_long_is_said_and_mended
                    what_was_left_is_reported
                    nothing_blocks_a_runtime_of_one_thread
                }
            }
        }
    };
}

on!(memory, crate::sdk::backends::Memory);
on!(kafka, crate::sdk::backends::Kafka<crate::sdk::backends::Memory>);
on!(kafka_on_disk, crate::sdk::backends::Kafka<crate::sdk::backends::Disk>);
on!(kafka_on_bucket, crate::sdk::backends::Kafka<crate::sdk::backends::Bucket>);
on!(disk, crate::sdk::backends::Disk);
on!(bucket, crate::sdk::backends::Bucket);
on!(s3, crate::bucket::endpoint::Endpoint);
on!(s3_with_faults, crate::sdk::backends::Faulty);
