use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const EPOCH: LeaderEpoch = LeaderEpoch(7);

fn tracker(max_unacked: u32) -> Tracker {
    Tracker::new(Generation(3), Position::at(Offset(10)), MaxUnacked::new(max_unacked).unwrap())
}

#[test]
fn the_commit_is_the_end_of_what_is_acked_without_a_hole() {
    let mut tracker = tracker(100);
    let progress = tracker.progress();
    let mut acks: BTreeMap<i64, Ack> =
        [10, 11, 14, 15, 20].into_iter().map(|at| (at, tracker.hand_over(Offset(at), EPOCH).unwrap())).collect();
    let mut after = |at: i64| {
        assert_eq!(acks.remove(&at).unwrap().ack(), Acked::Counted);
        progress.marks().acked.offset.0
    };
    assert_eq!(after(15), 10);
    assert_eq!(after(10), 11);
    assert_eq!(after(11), 12);
    assert_eq!(after(14), 16);
    assert_eq!(after(20), 21);
    assert_eq!(progress.marks().acked.leader_epoch, EPOCH);
    assert_eq!(progress.generation(), Generation(3));
    tracker.skip_to(Position::at(Offset(30)));
    assert_eq!(progress.marks().acked, Position::at(Offset(30)), "nothing is out, so the gap is done as well");
    let last = tracker.hand_over(Offset(31), EPOCH).unwrap();
    tracker.skip_to(Position::at(Offset(40)));
    assert_eq!(progress.marks().acked.offset, Offset(30), "a later gap waits for the message before it");
    assert_eq!(last.ack(), Acked::Counted);
    assert_eq!(progress.marks().acked.offset, Offset(40));
    assert_eq!(
        tracker.hand_over(Offset(31), EPOCH).unwrap_err(),
        NotHandedOver::Backwards { offset: Offset(31), after: Offset(31) }
    );
}

#[test]
fn a_dropped_message_holds_back_and_the_limit_says_which() {
    let mut tracker = tracker(70);
    let progress = tracker.progress();
    drop(tracker.hand_over(Offset(10), EPOCH).unwrap());
    let rest = tracker.hand_over_many((11..200).map(|at| (Offset(at), EPOCH))).unwrap();
    assert_eq!(rest.len(), 69);
    let mut rest = rest;
    assert_eq!(rest.ack_first(66), AckedMany { counted: 66, revoked: 0 });
    assert_eq!(progress.marks().acked.offset, Offset(10));
    let full = tracker.hand_over(Offset(80), EPOCH).unwrap_err();
    assert_eq!(full, NotHandedOver::Full { first_unacked: Offset(10), unacked: 4, limit: 70 });
    assert!(full.to_string().contains("offset 10"), "{full}");
}

#[test]
fn late_acks_are_revoked_and_count_for_nothing() {
    let mut tracker = tracker(200);
    let progress = tracker.progress();
    let first = tracker.hand_over(Offset(10), EPOCH).unwrap();
    let second = tracker.hand_over(Offset(11), EPOCH).unwrap();
    let many = tracker.hand_over_many((12..150).map(|at| (Offset(at), EPOCH))).unwrap();
    assert_eq!(first.ack(), Acked::Counted);
    assert_eq!(progress.close().acked.offset, Offset(11));
    assert_eq!(second.ack(), Acked::Revoked);
    assert_eq!(many.ack(), AckedMany { counted: 0, revoked: 138 });
    assert_eq!(progress.marks().acked.offset, Offset(11));
    assert_eq!(progress.close().acked.offset, Offset(11));
    assert_eq!(tracker.hand_over(Offset(150), EPOCH).unwrap_err(), NotHandedOver::Revoked);
}

#[test]
fn what_is_answered_while_closing_is_exactly_what_the_close_saw() {
    for round in 0..50 {
        let mut tracker = tracker(10_000);
        let progress = tracker.progress();
        let acks: Vec<_> = (10..1_010).map(|at| tracker.hand_over(Offset(at), EPOCH).unwrap()).collect();
        let worker = std::thread::spawn(move || acks.into_iter().map(Ack::ack).collect::<Vec<_>>());
        for _ in 0..round * 20 {
            std::hint::spin_loop();
        }
        let acked = progress.close().acked.offset.0;
        let answers = worker.join().unwrap();
        let counted = answers.iter().filter(|answer| **answer == Acked::Counted).count();
        assert_eq!(acked, 10 + counted as i64, "acks came in order, so the counted ones are the prefix");
    }
}

#[test]
fn a_run_is_handed_over_as_far_as_there_is_room() {
    let mut tracker = tracker(100);
    let progress = tracker.progress();
    let first = tracker.hand_over_run(Offset(10), 80, EPOCH).unwrap();
    let second = tracker.hand_over_run(Offset(90), 80, EPOCH).unwrap();
    assert_eq!((first.len(), second.len()), (80, 20));
    assert!(matches!(tracker.hand_over_run(Offset(110), 1, EPOCH), Err(NotHandedOver::Full { .. })));
    assert_eq!(first.ack(), AckedMany { counted: 80, revoked: 0 });
    assert_eq!(progress.marks().acked, Position { offset: Offset(90), leader_epoch: EPOCH });
    // A gap, and backwards.
    let third = tracker.hand_over_run(Offset(120), 3, EPOCH).unwrap();
    let backwards = NotHandedOver::Backwards { offset: Offset(122), after: Offset(122) };
    assert_eq!(tracker.hand_over_run(Offset(122), 1, EPOCH).unwrap_err(), backwards);
    let mut third = third;
    assert_eq!(third.split_first().unwrap().ack(), Acked::Counted);
    assert_eq!((second.ack().counted, third.len()), (20, 2));
    assert_eq!(progress.marks().acked.offset, Offset(121));
    assert_eq!(third.ack().counted, 2);
    assert_eq!(progress.marks().acked.offset, Offset(123));
}

#[test]
fn whoever_waits_for_room_is_woken_by_an_ack_and_by_the_end() {
    let waker = futures::task::noop_waker();
    let cx = std::task::Context::from_waker(&waker);
    let mut tracker = tracker(1);
    assert!(tracker.poll_room(&cx).is_ready());
    let ack = tracker.hand_over(Offset(10), EPOCH).unwrap();
    let flag = std::sync::Arc::new(Flag::default());
    let woken = futures::task::waker(flag.clone());
    let waits = std::task::Context::from_waker(&woken);
    assert!(tracker.poll_room(&waits).is_pending() && !flag.is_set());
    assert_eq!(ack.ack(), Acked::Counted);
    assert!(flag.is_set() && tracker.poll_room(&waits).is_ready());
    let flag = std::sync::Arc::new(Flag::default());
    let woken = futures::task::waker(flag.clone());
    let waits = std::task::Context::from_waker(&woken);
    drop(tracker.hand_over(Offset(11), EPOCH).unwrap());
    assert!(tracker.poll_room(&waits).is_pending());
    let _ = tracker.progress().close();
    assert!(flag.is_set() && tracker.poll_room(&waits).is_ready());
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl futures::task::ArcWake for Flag {
    fn wake_by_ref(this: &std::sync::Arc<Self>) {
        this.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[derive(Clone, Debug)]
enum Step {
    HandOver { gap: i64 },
    Batch { count: usize },
    Ack(prop::sample::Index),
    Skip { gap: i64 },
    Look,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop_oneof![3 => Just(0_i64), 1 => 1_i64..5].prop_map(|gap| Step::HandOver { gap }),
        2 => (1_usize..90).prop_map(|count| Step::Batch { count }),
        8 => any::<prop::sample::Index>().prop_map(Step::Ack),
        1 => (0_i64..5).prop_map(|gap| Step::Skip { gap }),
        2 => Just(Step::Look),
    ];
    (prop::collection::vec(step, 0..250), any::<bool>()).prop_map(|(mut steps, close)| {
        if close {
            steps.insert(steps.len() / 2, Step::Close);
        }
        steps
    })
}

enum Out {
    One(Ack, i64),
    Many(AckMany, Vec<i64>),
}

proptest! {
    /// Against a model that keeps a set of all offsets.
    #[test]
    fn marks_agree_with_a_plain_set(steps in steps(), limit in 1_u32..200) {
        let mut tracker = tracker(limit);
        let progress = tracker.progress();
        let (mut next, mut unacked, mut end, mut closed) = (10_i64, BTreeSet::new(), 10_i64, None);
        let mut handed: Vec<i64> = Vec::new();
        let mut out: Vec<Out> = Vec::new();
        let (mut skipped, mut reached) = ((0_usize, 10_i64), 10_i64);
        // After the messages before the first that is out, and what was skipped right there.
        let acked = |handed: &[i64], unacked: &BTreeSet<i64>, skipped: (usize, i64)| {
            let done = unacked.first().map_or(handed.len(), |first| handed.iter().filter(|at| *at < first).count());
            let after = done.checked_sub(1).map_or(10, |last| handed[last] + 1);
            if skipped.0 == done { after.max(skipped.1) } else { after }
        };
        let room = |handed: &[i64], unacked: &BTreeSet<i64>| {
            let out = unacked.first().map_or(0, |first| handed.iter().filter(|at| *at >= first).count());
            limit as usize - out
        };
        for step in steps {
            match step {
                Step::HandOver { gap } => {
                    next += gap;
                    match tracker.hand_over(Offset(next), EPOCH) {
                        Ok(ack) => {
                            prop_assert!(closed.is_none() && room(&handed, &unacked) > 0);
                            out.push(Out::One(ack, next));
                            handed.push(next);
                            unacked.insert(next);
                            next += 1;
                            end = next;
                        }
                        Err(NotHandedOver::Revoked) => prop_assert!(closed.is_some()),
                        Err(NotHandedOver::Full { first_unacked, unacked: count, .. }) => {
                            prop_assert_eq!(room(&handed, &unacked), 0);
                            prop_assert_eq!(first_unacked.0, *unacked.first().unwrap());
                            prop_assert_eq!(count, unacked.len() as u64);
                        }
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
                Step::Batch { count } => {
                    let wanted = next..next + count as i64;
                    match tracker.hand_over_many(wanted.clone().map(|at| (Offset(at), EPOCH))) {
                        Ok(many) => {
                            prop_assert_eq!(many.len() as usize, count.min(room(&handed, &unacked)));
                            let went: Vec<i64> = wanted.take(many.len() as usize).collect();
                            next += many.len() as i64;
                            end = next;
                            handed.extend(&went);
                            unacked.extend(&went);
                            out.push(Out::Many(many, went));
                        }
                        Err(_) => prop_assert!(closed.is_some() || room(&handed, &unacked) == 0),
                    }
                }
                Step::Ack(at) if !out.is_empty() => {
                    let (counted, offsets) = match out.swap_remove(at.index(out.len())) {
                        Out::One(ack, offset) => (ack.ack() == Acked::Counted, vec![offset]),
                        Out::Many(many, offsets) => {
                            let answer = many.ack();
                            prop_assert_eq!(answer.counted + answer.revoked, offsets.len() as u64);
                            prop_assert!(answer.counted == 0 || answer.revoked == 0);
                            (answer.counted > 0, offsets)
                        }
                    };
                    prop_assert_eq!(counted, closed.is_none());
                    if counted {
                        for offset in offsets {
                            unacked.remove(&offset);
                        }
                    }
                }
                Step::Skip { gap } if closed.is_none() => {
                    next += gap;
                    end = next;
                    skipped = (handed.len(), next);
                    tracker.skip_to(Position::at(Offset(next)));
                }
                Step::Close => closed = closed.or(Some(progress.close().acked.offset.0)),
                _ => {}
            }
            let marks = progress.marks();
            if closed.is_none() {
                reached = reached.max(acked(&handed, &unacked, skipped));
            }
            prop_assert_eq!(marks.acked.offset.0, reached);
            prop_assert_eq!(marks.handed.offset.0, end);
        }
    }
}
