//! What is submitted for a log is written in that order, in groups of bounded size, each with one ticket.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use ottla_broker_core::log::{Error, ErrorKind, TrimBase};
use ottla_broker_core::{LeaderEpoch, Offset};
use proptest::prelude::*;

use super::{Group, Op, Queue, Slot, Work};
use crate::engine::Log;
use crate::engine::testing::{batch, key};

fn new_log(partition: i32) -> (Arc<Log>, Slot) {
    (Arc::new(Log::new(key(partition))), Slot::default())
}

fn take(queue: &Queue) -> Group {
    match queue.try_take() {
        Some(Work::Group(group)) => group,
        other => panic!("a group was expected, not {other:?}"),
    }
}

fn bases(ops: &[Op]) -> Vec<i64> {
    let base = |op: &Op| if let Op::Batch(batch) = op { Some(batch.base_offset().0) } else { None };
    ops.iter().filter_map(base).collect()
}

#[test]
fn what_comes_while_a_group_is_written_gathers_in_the_next() {
    let queue = Queue::new(1 << 20);
    let (log, mut slot) = new_log(1);
    let first = queue.submit(&log, &mut slot, Op::Batch(batch(0, 10))).unwrap();
    let second = queue.submit(&log, &mut slot, Op::Batch(batch(1, 10))).unwrap();
    let group = take(&queue);
    let third = queue.submit(&log, &mut slot, Op::Batch(batch(2, 10))).unwrap();
    assert_eq!((group.parts.len(), bases(&group.parts[0].ops)), (1, vec![0, 1]));
    group.resolver.resolve(Ok(()));
    assert!(first.now_or_never().is_some() && second.now_or_never().is_some(), "one ticket for the group");
    assert!(third.clone().now_or_never().is_none(), "and another for the next");
    let group = take(&queue);
    assert_eq!(bases(&group.parts[0].ops), [2]);
    assert!(queue.try_take().is_none());
    let failure = Error::new(ErrorKind::Full, "full");
    group.resolver.resolve(Err(failure));
    assert_eq!(third.now_or_never().unwrap().unwrap_err().kind(), ErrorKind::Full);
}

#[test]
fn a_batch_that_is_larger_than_a_group_is_one_alone() {
    let queue = Queue::new(500);
    let (log, mut slot) = new_log(1);
    for (base, bytes) in [(0, 10), (1, 5_000), (2, 10)] {
        drop(queue.submit(&log, &mut slot, Op::Batch(batch(base, bytes))).unwrap());
    }
    let groups: Vec<_> = std::iter::from_fn(|| match queue.try_take() {
        Some(Work::Group(group)) => Some(bases(&group.parts[0].ops)),
        _ => None,
    })
    .collect();
    assert_eq!(groups, [vec![0], vec![1], vec![2]]);
}

#[test]
fn a_queue_that_ended_gives_out_what_it_has_and_takes_nothing() {
    let queue = Queue::new(500);
    let (log, mut slot) = new_log(1);
    drop(queue.submit(&log, &mut slot, Op::Open(LeaderEpoch(1))).unwrap());
    queue.end(Error::new(ErrorKind::Closed, "first"));
    queue.end(Error::new(ErrorKind::Poisoned, "second"));
    let refused = queue.submit(&log, &mut slot, Op::Remove).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed, "the first reason counts");
    assert!(matches!(queue.take(), Work::Group(_)));
    assert!(matches!(queue.take(), Work::End) && matches!(queue.take(), Work::End));
}

#[test]
fn a_writer_that_waits_is_woken_by_what_is_submitted_and_by_the_end() {
    let queue = Arc::new(Queue::new(500));
    let worker = Arc::clone(&queue);
    let writer = std::thread::spawn(move || {
        let mut groups = 0;
        while let Work::Group(group) = worker.take() {
            group.resolver.resolve(Ok(()));
            groups += 1;
        }
        groups
    });
    let (log, mut slot) = new_log(1);
    for base in 0..100 {
        drop(queue.submit(&log, &mut slot, Op::Batch(batch(base, 400))).unwrap());
    }
    queue.end(Error::new(ErrorKind::Closed, "over"));
    assert_eq!(writer.join().unwrap(), 100);
}

#[derive(Clone, Debug)]
enum Step {
    Batch { log: usize, bytes: usize },
    Trim { log: usize },
    Take,
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize, 1..300_usize).prop_map(|(log, bytes)| Step::Batch { log, bytes }),
        1 => (0..3_usize).prop_map(|log| Step::Trim { log }),
        2 => Just(Step::Take),
        1 => Just(Step::Drain),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    /// Each log's ops come out in their order, each once, one part for a log in a group, and no group is too large.
    #[test]
    fn each_logs_order_is_kept(steps in steps()) {
        const MOST: usize = 1_000;
        let queue = Queue::new(MOST);
        let mut logs: Vec<_> = (0..3).map(new_log).collect();
        let mut submitted: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        let mut written: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        let mut next = 0;
        let mut account = |groups: Vec<Group>| {
            for group in groups {
                let mut sizes = 0;
                let mut batches = 0;
                let mut seen = Vec::new();
                for part in &group.parts {
                    let id = part.log.key.id.partition;
                    assert!(!seen.contains(&id), "a log has one part");
                    seen.push(id);
                    for op in &part.ops {
                        let number = match op {
                            Op::Batch(batch) => {
                                (sizes, batches) = (sizes + batch.size_in_bytes(), batches + 1);
                                batch.base_offset().0
                            }
                            Op::Trim(offset, _) => offset.0,
                            other => panic!("{other:?}"),
                        };
                        written.entry(id).or_default().push(number);
                    }
                }
                assert_eq!(sizes, group.bytes);
                assert!(sizes <= MOST || batches == 1, "{sizes} bytes in {batches} batches");
            }
        };
        for step in steps {
            let (which, op) = match step {
                Step::Batch { log, bytes } => (log, Op::Batch(batch(next, bytes))),
                Step::Trim { log } => (log, Op::Trim(Offset(next), TrimBase::default())),
                Step::Take => {
                    if let Some(Work::Group(group)) = queue.try_take() {
                        account(vec![group]);
                    }
                    continue;
                }
                Step::Drain => {
                    account(queue.drain());
                    continue;
                }
            };
            let (log, slot) = &mut logs[which];
            drop(queue.submit(log, slot, op).unwrap());
            submitted.entry(log.key.id.partition).or_default().push(next);
            next += 1;
        }
        account(queue.drain());
        prop_assert_eq!(written, submitted);
    }
}
