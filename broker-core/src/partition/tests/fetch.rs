//! Waiting for records of many partitions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;

use crate::api::{Acks, ErrorCode};
use crate::partition::testing::{TRUSTED, TestLog, World, bases, from, plain};
use crate::partition::{FetchLimits, Partition, Read, Wanted, fetch};

const LIMITS: FetchLimits =
    FetchLimits { max_wait: Duration::from_secs(10), min_bytes: 1, max_bytes: 1 << 20, first: 0 };

/// As many partitions, each in a world of its own.
async fn partitions(n: usize) -> (World, Vec<(Arc<Partition>, Arc<TestLog>)>) {
    let mut opened = Vec::new();
    for _ in 0..n {
        opened.push(World::new().open().await);
    }
    (World::new(), opened)
}

fn wanted(opened: &[(Arc<Partition>, Arc<TestLog>)]) -> Vec<Wanted> {
    opened.iter().map(|(partition, _)| Wanted { partition: Arc::clone(partition), read: from(0) }).collect()
}

fn append(partition: &Arc<Partition>, n: usize) {
    assert!(partition.append(plain(n), Acks::All, TRUSTED).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_append_to_any_of_them_wakes_the_poll_at_once() {
    let (world, opened) = partitions(50).await;
    let wanted = wanted(&opened);
    let mut poll = Box::pin(fetch(&wanted, LIMITS, &world.env));
    assert!((&mut poll).now_or_never().is_none());
    let started = world.env.now();
    append(&opened[37].0, 2);
    let answers = poll.await;
    assert_eq!(world.env.now(), started, "it waited for the deadline");
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(bases(answer.as_ref().unwrap()), if index == 37 { vec![0] } else { vec![] });
    }
    // Only the one that changed was read, once.
    let reads: Vec<usize> = opened.iter().map(|(_, log)| log.bytes_read.load(Ordering::Relaxed)).collect();
    assert_eq!(reads.iter().filter(|&&bytes| bytes > 0).count(), 1);
    assert!(opened.iter().all(|(_, log)| crate::log::PartitionReader::bounds_cell(log.as_ref()).subscribers() == 0));
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_min_bytes_and_reads_nothing_twice() {
    let (world, opened) = partitions(2).await;
    let wanted = wanted(&opened);
    let size = plain(1).size_in_bytes();
    let limits = FetchLimits { min_bytes: size * 4, ..LIMITS };
    let mut poll = Box::pin(fetch(&wanted, limits, &world.env));
    for i in 0..3 {
        append(&opened[i % 2].0, 1);
        assert!((&mut poll).now_or_never().is_none(), "after {i}");
    }
    append(&opened[0].0, 1);
    let answers = poll.await;
    assert_eq!(bases(answers[0].as_ref().unwrap()), [0, 1, 2]);
    assert_eq!(bases(answers[1].as_ref().unwrap()), [0]);
    let read: usize = opened.iter().map(|(_, log)| log.bytes_read.load(Ordering::Relaxed)).sum();
    assert_eq!(read, size * 4);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_answers_with_what_there_is() {
    let (world, opened) = partitions(1).await;
    append(&opened[0].0, 1);
    let wanted = wanted(&opened);
    let started = world.env.now();
    let answers = fetch(&wanted, FetchLimits { min_bytes: 1 << 20, ..LIMITS }, &world.env).await;
    assert_eq!(world.env.now().since(started), Duration::from_secs(10));
    assert_eq!(bases(answers[0].as_ref().unwrap()), [0]);
    // And with no wait, at once.
    let started = world.env.now();
    let none = FetchLimits { min_bytes: 1 << 20, max_wait: Duration::ZERO, ..LIMITS };
    assert_eq!(bases(fetch(&wanted, none, &world.env).await[0].as_ref().unwrap()), [0]);
    assert_eq!(world.env.now(), started);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_durable_yet_does_not_end_the_wait() {
    let (world, opened) = partitions(1).await;
    let (partition, log) = &opened[0];
    log.defer();
    let wanted = wanted(&opened);
    let mut poll = Box::pin(fetch(&wanted, LIMITS, &world.env));
    assert!((&mut poll).now_or_never().is_none());
    append(partition, 1);
    assert!((&mut poll).now_or_never().is_none());
    assert_eq!(log.bytes_read.load(Ordering::Relaxed), 0);
    log.release(1);
    assert_eq!(bases(poll.now_or_never().unwrap()[0].as_ref().unwrap()), [0]);
}

#[tokio::test(start_paused = true)]
async fn one_error_answers_at_once_beside_the_others_records() {
    let (world, opened) = partitions(2).await;
    append(&opened[1].0, 1);
    let mut wanted = wanted(&opened);
    wanted[0].read = Read { ..from(7) };
    let answers = fetch(&wanted, FetchLimits { min_bytes: 1 << 20, ..LIMITS }, &world.env).now_or_never().unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().code, ErrorCode::OffsetOutOfRange);
    assert_eq!(bases(answers[1].as_ref().unwrap()), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_gives_as_much_as_it_may_ends_the_wait() {
    let (world, opened) = partitions(2).await;
    append(&opened[0].0, 1);
    let size = plain(1).size_in_bytes();
    let limits = FetchLimits { min_bytes: 1 << 20, ..LIMITS };
    let of = |max_bytes| {
        let mut wanted = wanted(&opened);
        wanted[0].read.max_bytes = max_bytes;
        wanted
    };
    // The limit lies within the next batch, which comes while it is waited for.
    let one = of(size * 3 / 2);
    let mut poll = Box::pin(fetch(&one, limits, &world.env));
    assert!((&mut poll).now_or_never().is_none(), "there is room for more");
    append(&opened[0].0, 1);
    assert_eq!(bases(poll.now_or_never().unwrap()[0].as_ref().unwrap()), [0]);
    // Within the first batch, at its end, and within the next, which is there already.
    for max_bytes in [1, size, size * 3 / 2] {
        let one = of(max_bytes);
        let answers = fetch(&one, limits, &world.env).now_or_never().unwrap();
        assert_eq!(bases(answers[0].as_ref().unwrap()), [0], "{max_bytes}");
    }
    // What ends with the log may yet be followed by more.
    let all = of(2 * size);
    assert!(fetch(&all, limits, &world.env).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn limits_hold_over_all_and_the_turn_moves_on() {
    let (world, opened) = partitions(3).await;
    for (partition, _) in &opened {
        for _ in 0..4 {
            append(partition, 1);
        }
    }
    let size = plain(1).size_in_bytes();
    let wanted = wanted(&opened);
    let taken = |max_bytes, first| {
        let poll = fetch(&wanted, FetchLimits { max_bytes, first, ..LIMITS }, &world.env);
        let answers = poll.now_or_never().unwrap();
        answers.iter().map(|answer| answer.as_ref().unwrap().batches.len()).collect::<Vec<_>>()
    };
    assert_eq!(taken(1 << 20, 0), [4, 4, 4]);
    // Five and a half batches: the half is left out, not rounded up.
    assert_eq!(taken(size * 11 / 2, 0), [4, 1, 0]);
    assert_eq!(taken(size * 5, 1), [0, 4, 1]);
    assert_eq!(taken(size * 5, 2), [1, 0, 4]);
    assert_eq!(taken(size * 5, 5), [1, 0, 4]);
    // The first batch comes however small the limit, or nobody would ever get on.
    assert_eq!(taken(1, 1), [0, 1, 0]);
    // Within the room of all, the first batch of each comes, and no more than its own limit.
    let own: Vec<Wanted> =
        wanted.iter().map(|wanted| Wanted { read: Read { max_bytes: 1, ..wanted.read }, ..wanted.clone() }).collect();
    let answers = fetch(&own, LIMITS, &world.env).now_or_never().unwrap();
    assert!(answers.iter().all(|answer| bases(answer.as_ref().unwrap()) == [0]));
}
