//! Two writers that sleep while others take over from them, and wake up with their writes still on the way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use ottla::Env;
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_broker_core::log::{Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, Ticket};
use ottla_broker_core::record::{Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use ottla_tests::s3::Hold;
use uuid::Uuid;

use super::endpoint::Endpoint;
use super::trouble::Trouble;
use super::{PATIENCE, number, swept};

const PARTITIONS: i32 = 3;
/// PUTs of the journal on their way at a time.
const IN_FLIGHT: usize = 4;
/// Batches of a load: more than are on their way at a time.
const LOAD: usize = 20;

/// Where a value lies: partition and offset.
pub(super) type Places = BTreeMap<i64, (i32, Offset)>;

fn id(partition: i32) -> PartitionId {
    PartitionId { topic: TopicId(Uuid::from_u128(6)), partition }
}

/// What was asked for, and what came of it.
#[derive(Default)]
pub(super) struct Truth {
    submitted: i64,
    acknowledged: Places,
}

/// A process, with the access key by which it is held.
pub(super) struct Writer {
    key: &'static str,
    pub(super) backend: BucketBackend,
    logs: Vec<Arc<dyn PartitionLog>>,
}

/// Writes that were not answered yet.
pub(super) type Load = Vec<(i64, (i32, Offset), Ticket)>;

impl Writer {
    /// Opens the prefix, which takes it from whoever has it.
    async fn open(place: &Endpoint, key: &'static str, epoch: i32) -> Self {
        let options = BucketOptions { request_timeout: Duration::from_millis(300), ..place.log_options() };
        Self::over(place.store(key), place, options, key, epoch).await
    }

    /// The same over this store and, but for what a writer needs, with these options.
    pub(super) async fn over(
        store: Arc<dyn ObjectStore>,
        place: &Endpoint,
        options: BucketOptions,
        key: &'static str,
        epoch: i32,
    ) -> Self {
        let options = BucketOptions {
            owner: key.to_owned(),
            take_over: true,
            // Each batch is a PUT of its own.
            group_bytes: 1,
            in_flight: IN_FLIGHT,
            ..options
        };
        let backend = BucketBackend::open(store, place.prefix(), options, &Env::system()).await.unwrap();
        let wanted = (0..PARTITIONS).map(|partition| OpenPartition { id: id(partition), epoch: LeaderEpoch(epoch) });
        let opened = backend.logs().open_many(&wanted.collect::<Vec<_>>()).await;
        let logs = opened.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        Self { key, backend, logs }
    }

    /// Asks for the load; the first that is refused ends it.
    pub(super) fn append(&self, truth: &mut Truth) -> (Load, Option<Error>) {
        let mut load = Load::new();
        for partition in (0..PARTITIONS).cycle().take(LOAD) {
            let log = &self.logs[partition as usize];
            truth.submitted += 1;
            let value = truth.submitted;
            let mut builder = Builder::new(BuilderOptions::default());
            builder.append(value, None, Some(&[7; 100]), &[]).unwrap();
            let offset = log.bounds().end;
            match log.append(builder.finish(None, Flags::default()).unwrap().stamped(offset, log.epoch())) {
                Ok(ticket) => load.push((value, (partition, offset), ticket)),
                Err(error) => return (load, Some(error)),
            }
        }
        (load, None)
    }

    /// A load that goes well.
    pub(super) async fn write(&self, truth: &mut Truth) {
        let (load, refused) = self.append(truth);
        assert!(refused.is_none(), "{refused:?}");
        for (value, place, ticket) in load {
            ticket.await.unwrap();
            truth.acknowledged.insert(value, place);
        }
    }

    /// Falls asleep with a load on its way, as much of it as can be.
    async fn sleep(&self, place: &Endpoint, hold: Hold, truth: &mut Truth) -> Load {
        place.server().faults().pause(self.key, hold);
        let (load, refused) = self.append(truth);
        assert!(refused.is_none(), "{refused:?}");
        place.server().faults().until_held(self.key, IN_FLIGHT).await;
        load
    }

    /// Wakes up, and tries to go on: gives how much of what was on its way it still acknowledged.
    async fn wake(&self, place: &Endpoint, load: Load, truth: &mut Truth) -> usize {
        place.server().faults().release(self.key);
        let (later, refused) = self.append(truth);
        let mut late = 0;
        for (value, place, ticket) in load {
            match ticket.await {
                Ok(()) => {
                    late += 1;
                    truth.acknowledged.insert(value, place);
                }
                Err(error) => self.is_told(&error),
            }
        }
        for (_, _, ticket) in later {
            self.is_told(&ticket.await.expect_err("written after the takeover, and acknowledged"));
        }
        refused.iter().for_each(|error| self.is_told(error));
        let (nothing, refused) = self.append(truth);
        assert!(nothing.is_empty());
        self.is_told(&refused.unwrap());
        self.is_told(&self.backend.logs().close().await.unwrap_err());
        late
    }

    pub(super) fn is_told(&self, error: &Error) {
        assert_eq!(error.kind(), ErrorKind::Fenced, "{}: {error}", self.key);
        assert!(error.to_string().contains("taken over"), "{}: {error}", self.key);
    }

    /// All there is; nothing of it twice.
    pub(super) async fn read(&self) -> Places {
        let mut found = Places::new();
        for (partition, log) in (0..).zip(&self.logs) {
            let bounds = log.bounds();
            let mut from = bounds.start;
            while from < bounds.end {
                for batch in log.read(from, bounds.end, 1 << 20).await.unwrap() {
                    let before = found.insert(batch.max_timestamp(), (partition, batch.base_offset()));
                    assert_eq!(before, None, "{} is there twice", batch.max_timestamp());
                    from = batch.next_offset();
                }
            }
        }
        found
    }
}

/// The state of the log that a process which takes over finds must have all that anybody acknowledged.
pub(super) fn assert_has(found: &Places, truth: &Truth) {
    for (value, place) in &truth.acknowledged {
        assert_eq!(found.get(value), Some(place), "acknowledged, and lost or moved: {value}");
    }
}

/// A and B sleep, each held at its point. Gives how much each acknowledged of what had landed before it was taken over.
async fn two(seed: u64, first: Hold, second: Hold) -> [usize; 2] {
    let place = Endpoint::local(Trouble::None, seed);
    let mut truth = Truth::default();
    let a = Writer::open(&place, "a", 1).await;
    a.write(&mut truth).await;
    let of_a = a.sleep(&place, first, &mut truth).await;

    let b = Writer::open(&place, "b", 2).await;
    assert_has(&b.read().await, &truth);
    b.write(&mut truth).await;
    let of_b = b.sleep(&place, second, &mut truth).await;

    let c = Writer::open(&place, "c", 3).await;
    let before = c.read().await;
    assert_has(&before, &truth);
    let [late_a, late_b] = [a.wake(&place, of_a, &mut truth).await, b.wake(&place, of_b, &mut truth).await];
    // What they acknowledged late is what C has had since it took over; nothing of the rest came in behind it.
    assert_eq!(c.read().await, before);
    assert_has(&before, &truth);
    c.write(&mut truth).await;
    c.backend.logs().close().await.unwrap();

    let d = Writer::open(&place, "d", 4).await;
    let found = d.read().await;
    assert_has(&found, &truth);
    assert!(before.iter().all(|(value, place)| found.get(value) == Some(place)));
    assert_eq!(found.len(), before.len() + LOAD);
    d.backend.logs().close().await.unwrap();
    drop((a, b, c, d));
    swept(&place).await;
    [late_a, late_b]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_wake_up_acknowledge_nothing_that_is_not_there() {
    for round in 0..number("OTTLA_ZOMBIE_ROUNDS", 1) {
        for first in [Hold::Before, Hold::After] {
            for second in [Hold::Before, Hold::After] {
                let running = Box::pin(two(round, first, second));
                let late = Env::system().timeout(PATIENCE, running).await.expect("a write is left hanging");
                println!("held {first:?} and {second:?} their effect: {late:?} acknowledged of what had landed before");
                for (hold, late) in [first, second].into_iter().zip(late) {
                    assert!(late <= if hold == Hold::Before { 0 } else { IN_FLIGHT }, "{late} held {hold:?}");
                }
            }
        }
    }
}
