//! Producers with five batches in flight over a log that crashes: exactly once and in order, whatever
//! was lost on the way (invariants 1 to 4).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::FutureExt;
use proptest::prelude::*;

use crate::api::Acks;
use crate::ids::Offset;
use crate::log::ErrorKind;
use crate::partition::testing::{TRUSTED, TestLog, World, from, sequenced};
use crate::partition::{AppendPending, Partition};

const PRODUCERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    /// The medium has one more.
    Commit,
    /// Answers that are there arrive.
    Answer,
    /// The producer gives up waiting and sends everything unanswered again, in order.
    Resend(usize),
    /// The log dies; so many of the batches in flight were written.
    Crash(usize),
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..PRODUCERS).prop_map(Step::Send),
        5 => Just(Step::Commit),
        3 => Just(Step::Answer),
        2 => (0..PRODUCERS).prop_map(Step::Resend),
        1 => (0..12_usize).prop_map(Step::Crash),
        1 => Just(Step::Checkpoint),
    ]
}

/// A producer as it sees itself.
#[derive(Default)]
struct Sender {
    next: i32,
    unanswered: VecDeque<(i32, AppendPending)>,
}

struct Run {
    world: World,
    partition: Arc<Partition>,
    log: Arc<TestLog>,
    senders: [Sender; PRODUCERS],
    /// By producer and sequence.
    acknowledged: BTreeMap<(usize, i32), Offset>,
    seen: Vec<(i64, i64, i32)>,
}

impl Run {
    async fn new() -> Self {
        let world = World::new();
        let (partition, log) = world.open().await;
        log.defer();
        let (senders, acknowledged, seen) = Default::default();
        Self { world, partition, log, senders, acknowledged, seen }
    }

    fn append(&self, producer: usize, sequence: i32) -> AppendPending {
        let batch = sequenced(i64::try_from(producer).unwrap(), 0, sequence, 1);
        self.partition.append(batch, Acks::All, TRUSTED).unwrap()
    }

    fn resend(&mut self, producer: usize) {
        let unanswered = std::mem::take(&mut self.senders[producer].unanswered);
        let sequences: Vec<i32> = unanswered.into_iter().map(|(sequence, _)| sequence).collect();
        let again = sequences.into_iter().map(|sequence| (sequence, self.append(producer, sequence))).collect();
        self.senders[producer].unanswered = again;
    }

    fn answer(&mut self) {
        for (producer, sender) in self.senders.iter_mut().enumerate() {
            while let Some((sequence, pending)) = sender.unanswered.front_mut() {
                let Some(answer) = pending.now_or_never() else { break };
                let offset = answer.unwrap().base_offset.unwrap();
                let before = self.acknowledged.insert((producer, *sequence), offset);
                assert_eq!(before, None, "answered twice");
                sender.unanswered.pop_front();
            }
        }
    }

    /// What a consumer sees only ever grows.
    async fn look(&mut self) {
        let fetched = self.partition.read(&from(0)).await.unwrap();
        let now: Vec<_> = fetched
            .batches
            .iter()
            .map(|batch| (batch.base_offset().0, batch.producer_id().0, batch.base_sequence()))
            .collect();
        assert!(now.starts_with(&self.seen), "taken back: {:?} was seen, and now {now:?}", self.seen);
        self.seen = now;
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Send(producer) => {
                let sender = &self.senders[producer];
                if sender.unanswered.len() < 5 {
                    let sequence = sender.next;
                    let pending = self.append(producer, sequence);
                    self.senders[producer].unanswered.push_back((sequence, pending));
                    self.senders[producer].next += 1;
                }
            }
            Step::Commit => self.log.release(self.log.pending().min(1)),
            Step::Answer => self.answer(),
            Step::Resend(producer) => self.resend(producer),
            Step::Crash(written) => {
                self.log.fail(ErrorKind::Unavailable, written);
                (self.partition, self.log) = self.world.open().await;
                self.log.defer();
                (0..PRODUCERS).for_each(|producer| self.resend(producer));
            }
            // It may wait for the data, and is then given up.
            Step::Checkpoint => drop(self.partition.save_checkpoint().now_or_never()),
        }
        self.look().await;
    }

    async fn finish(mut self) {
        self.log.release(self.log.pending());
        self.answer();
        self.look().await;
        for (producer, sender) in self.senders.iter().enumerate() {
            assert!(sender.unanswered.is_empty());
            let id = i64::try_from(producer).unwrap();
            let written: Vec<_> = self.seen.iter().filter(|(_, writer, _)| *writer == id).collect();
            let sequences: Vec<i32> = written.iter().map(|(_, _, sequence)| *sequence).collect();
            assert_eq!(sequences, (0..sender.next).collect::<Vec<_>>(), "producer {producer}: each once, in order");
            for &&(offset, _, sequence) in &written {
                assert_eq!(self.acknowledged.get(&(producer, sequence)), Some(&Offset(offset)));
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let mut run = Run::new().await;
    for step in steps {
        run.step(step).await;
    }
    run.finish().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_batch_is_there_once_and_in_order(steps in prop::collection::vec(step(), 1..120)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}

/// The same by hand: the whole window in flight, part of it written, everything sent again.
#[tokio::test]
async fn the_window_in_flight_survives_a_crash_that_kept_a_part() {
    for written in 0..=5 {
        let mut steps = vec![Step::Send(0), Step::Commit, Step::Answer];
        steps.extend((0..5).map(|_| Step::Send(0)));
        steps.extend([Step::Crash(written), Step::Send(1), Step::Resend(0), Step::Commit, Step::Answer, Step::Send(0)]);
        run(steps).await;
    }
}
