//! Owners that come, sleep, die and come back over a bucket whose answers get lost: by seed.
//!
//! `OTTLA_BUCKET_SEEDS=5000 cargo test -p ottla-backends storm` runs more of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::env::{Env, Rng, SplitMix64};
use ottla_broker_core::log::{ErrorKind, LogStorage, OpenPartition, PartitionLog, Ticket, TrimBase};
use ottla_broker_core::record::{Builder, BuilderOptions, Flags};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use crate::bucket::testing::{FaultyBucket, Left, Way};
use crate::bucket::{BucketBackend, BucketOptions, BucketStats, OpenError, check};

const PARTITIONS: i32 = 5;
const STEPS: usize = 80;
/// Enough for 1,000 writes of which nobody knew whether they had taken effect.
const SEEDS: u64 = 450;

/// One process.
struct Owner {
    backend: BucketBackend,
    way: Arc<Way>,
    logs: Vec<Arc<dyn PartitionLog>>,
}

/// What was asked for and what was promised.
#[derive(Default)]
struct Truth {
    /// By value: the partition.
    submitted: BTreeMap<i64, i32>,
    /// By value: the partition and the offset.
    acknowledged: BTreeMap<i64, (i32, Offset)>,
    /// By partition: what may be gone.
    trimmed: BTreeMap<i32, Offset>,
    waiting: Vec<(i64, i32, Offset, Ticket)>,
}

struct World {
    bucket: Arc<FaultyBucket>,
    env: Env,
    chance: SplitMix64,
    owners: Vec<Owner>,
    epoch: i32,
    truth: Truth,
    values: i64,
    reached: Reached,
}

/// What a run has seen: one that saw none of it shows nothing.
#[derive(Debug, Default)]
struct Reached {
    acknowledged: u64,
    fenced: u64,
    takeovers: u64,
    ambiguous: u64,
    compactions: u64,
    checkpoints: u64,
    deletes: u64,
    read_back: u64,
    from_the_dead: u64,
}

fn options() -> BucketOptions {
    BucketOptions {
        take_over: true,
        puts_per_second: 50,
        group_bytes: 1500,
        journal_bytes: 20_000,
        journal_objects: 12,
        request_timeout: Duration::from_secs(2),
        give_up_after: Duration::from_secs(30),
        give_up_writing_after: Duration::from_secs(30),
        ..BucketOptions::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let env = Env::seeded(seed);
        let bucket = FaultyBucket::new(env.clone(), Duration::from_millis(30));
        bucket.go_wrong(50);
        Self {
            bucket,
            env,
            chance: SplitMix64::new(seed),
            owners: Vec::new(),
            epoch: 0,
            truth: Truth::default(),
            values: 0,
            reached: Reached::default(),
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.chance.next_u64() % bound
    }

    /// One more process, which takes the prefix.
    async fn open(&mut self) {
        for _ in 0..100 {
            let way = self.bucket.way();
            let opened = BucketBackend::open(Arc::clone(&way) as _, "storm", options(), &self.env).await;
            let backend = match opened {
                Ok(backend) => backend,
                Err(OpenError::InUse { .. }) => panic!("nobody else opens"),
                Err(OpenError::Log { source, .. }) => {
                    // Robbed while it opened, or given up after too many faults; damage is another matter.
                    assert_ne!(source.kind(), ErrorKind::Corrupt, "{source}");
                    way.kill(Left::Any);
                    continue;
                }
            };
            self.epoch += 1;
            let wanted: Vec<_> = (0..PARTITIONS)
                .map(|partition| OpenPartition { id: id(partition), epoch: LeaderEpoch(self.epoch) })
                .collect();
            let logs: Result<Vec<_>, _> = backend.logs().open_many(&wanted).await.into_iter().collect();
            match logs {
                Ok(logs) => {
                    self.reached.takeovers += 1;
                    return self.owners.push(Owner { backend, way, logs });
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
                    way.kill(Left::Any);
                }
            }
        }
        panic!("nobody could open it");
    }

    fn append(&mut self, owner: usize) {
        let partition = self.below(PARTITIONS as u64) as i32;
        for _ in 0..=self.below(3) {
            let log = &self.owners[owner].logs[partition as usize];
            self.values += 1;
            let value = self.values;
            let mut builder = Builder::new(BuilderOptions::default());
            let bytes = vec![7; self.below(400) as usize];
            builder.append(value, None, Some(&bytes), &[]).unwrap();
            let offset = log.bounds().end;
            let batch = builder.finish(None, Flags::default()).unwrap().stamped(offset, log.epoch());
            if let Ok(ticket) = log.append(batch) {
                self.truth.submitted.insert(value, partition);
                self.truth.waiting.push((value, partition, offset, ticket));
            }
        }
    }

    fn look(&mut self) {
        let truth = &mut self.truth;
        truth.waiting.retain(|(value, partition, offset, ticket)| match ticket.peek() {
            None => true,
            Some(Ok(())) => {
                truth.acknowledged.insert(*value, (*partition, *offset));
                false
            }
            Some(Err(error)) => {
                self.reached.fenced += u64::from(error.kind() == ErrorKind::Fenced);
                false
            }
        });
    }

    async fn trim(&mut self, owner: usize) {
        let partition = self.below(PARTITIONS as u64) as i32;
        let log = Arc::clone(&self.owners[owner].logs[partition as usize]);
        let bounds = log.bounds();
        let before = Offset(bounds.start.0 + self.below(1 + (bounds.durable_end.0 - bounds.start.0) as u64) as i64);
        let trimmed = self.truth.trimmed.entry(partition).or_default();
        *trimmed = (*trimmed).max(before);
        // Whether it came to be is not known.
        let trimming = async move { drop(log.trim_prefix(before, TrimBase::default()).await) };
        let _ = self.env.timeout(Duration::from_millis(300), trimming).await;
    }

    fn count(&mut self, stats: BucketStats) {
        self.reached.compactions += stats.segments.count;
        self.reached.checkpoints += stats.checkpoints.count;
        self.reached.deletes += stats.deletes.count;
        self.reached.read_back += stats.read_back;
    }

    async fn step(&mut self) {
        let newest = self.owners.len() - 1;
        let some = if self.below(4) == 0 { self.below(newest as u64 + 1) as usize } else { newest };
        match self.below(100) {
            0..60 => self.append(some),
            60..80 => self.env.sleep(Duration::from_millis(self.below(400))).await,
            80..85 => self.trim(some).await,
            85..89 => self.open().await,
            89..93 => {
                self.owners[newest].backend.logs().kill();
                self.owners[newest].way.kill(Left::Any);
                self.open().await;
            }
            93..96 => {
                let closing = Arc::clone(self.owners[newest].backend.logs());
                let _ = closing.close().await;
                self.open().await;
            }
            _ => self.env.sleep(Duration::from_secs(self.below(20))).await,
        }
        self.look();
    }

    /// Nothing goes wrong any more: all that was promised must be there.
    async fn heal(&mut self) {
        self.bucket.go_wrong(0);
        // One last word of each: those who were robbed must not get it in.
        for owner in 0..self.owners.len() {
            self.append(owner);
        }
        self.env.sleep(Duration::from_secs(60)).await;
        self.look();
        for owner in std::mem::take(&mut self.owners) {
            self.count(owner.backend.logs().stats());
            owner.backend.logs().kill();
            owner.way.kill(Left::Any);
        }
        self.env.sleep(Duration::from_secs(60)).await;
        self.look();
        assert!(self.truth.waiting.is_empty(), "a ticket was left hanging");
        self.open().await;
        let owner = self.owners.pop().unwrap();
        let mut found: BTreeMap<i64, (i32, Offset)> = BTreeMap::new();
        for (partition, log) in owner.logs.iter().enumerate() {
            let partition = partition as i32;
            let bounds = log.bounds();
            let mut from = bounds.start;
            while from < bounds.end {
                let batches = log.read(from, bounds.end, 1 << 20).await.unwrap();
                assert!(!batches.is_empty(), "nothing at {from} of {bounds:?}");
                for batch in batches {
                    let value = batch.max_timestamp();
                    assert_eq!(self.truth.submitted.get(&value), Some(&partition), "nobody wrote {value} there");
                    let before = found.insert(value, (partition, batch.base_offset()));
                    assert_eq!(before, None, "{value} is there twice");
                    from = batch.next_offset();
                }
            }
        }
        for (value, (partition, offset)) in &self.truth.acknowledged {
            let is_trimmed = self.truth.trimmed.get(partition).is_some_and(|trimmed| offset < trimmed);
            match found.get(value) {
                Some(place) => assert_eq!(place, &(*partition, *offset), "{value} has moved"),
                None => assert!(is_trimmed, "acknowledged and lost: {value} at offset {offset} of {partition}"),
            }
        }
        // Time for the sweep.
        self.env.sleep(Duration::from_secs(30)).await;
        owner.backend.logs().close().await.unwrap();
        self.count(owner.backend.logs().stats());
        let report = check(self.bucket.objects(), "storm", &self.env).await.unwrap();
        assert!(report.is_sound() && report.unreachable.is_empty() && report.released, "{report}");
        self.reached.acknowledged = self.truth.acknowledged.len() as u64;
        self.reached.from_the_dead = self.bucket.trouble().from_the_dead;
        self.reached.ambiguous = self.bucket.trouble().ambiguous();
    }
}

fn id(partition: i32) -> PartitionId {
    PartitionId { topic: TopicId(Uuid::from_u128(5)), partition }
}

fn run(seed: u64) -> Reached {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async move {
        let mut world = World::new(seed);
        world.open().await;
        for _ in 0..STEPS {
            world.step().await;
        }
        world.heal().await;
        world.reached
    })
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled() {
    let count = std::env::var("OTTLA_BUCKET_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(SEEDS);
    let first = std::env::var("OTTLA_BUCKET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut total = Reached::default();
    for seed in first..first + count {
        let reached = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
            eprintln!("seed {seed} failed: OTTLA_BUCKET_SEED={seed} OTTLA_BUCKET_SEEDS=1 runs it alone");
            std::panic::resume_unwind(panic);
        });
        total.acknowledged += reached.acknowledged;
        total.fenced += reached.fenced;
        total.takeovers += reached.takeovers;
        total.ambiguous += reached.ambiguous;
        total.compactions += reached.compactions;
        total.checkpoints += reached.checkpoints;
        total.deletes += reached.deletes;
        total.read_back += reached.read_back;
        total.from_the_dead += reached.from_the_dead;
    }
    println!("{count} seeds: {total:?}");
    let Reached {
        acknowledged,
        fenced,
        takeovers,
        ambiguous,
        compactions,
        checkpoints,
        deletes,
        read_back,
        from_the_dead,
    } = total;
    for (what, seen) in [
        ("acknowledged writes", acknowledged),
        ("fenced writes", fenced),
        ("takeovers", takeovers),
        ("ambiguous requests", ambiguous),
        ("compactions", compactions),
        ("checkpoints", checkpoints),
        ("deletes", deletes),
        ("writes read back", read_back),
        ("writes of the dead", from_the_dead),
    ] {
        assert!(seen > 100 || count < SEEDS, "a run without {what} shows nothing");
    }
}
