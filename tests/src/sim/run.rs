//! One seed from its beginning to its verdict.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla::testing::{Call, StorageFault, TestCluster, World};
use ottla::{At, Client, Env, ErrorCode, NewTopic};
use ottla_broker_core::env::Watched;

use super::bucket::{self, BucketPlan};
use super::cast::{Cast, GROWING, stream};
use super::chance::Chance;
use super::history::History;
use super::plan::Plan;
use super::producers::value_of;
use super::stats::Stats;
use super::{consumers, disk, growth, members, monitor, nemesis, panics, producers, readers, scratch};

/// What everything that was healed has: time to write, to read all, and to settle.
const HEALING: Duration = Duration::from_secs(30);
/// What groups have: the sessions of those who crashed must run out first, and then the rebalance.
const SETTLING: Duration = Duration::from_secs(60);
/// No run takes longer than this, or it hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// A seed's verdict.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What must never be, and was.
    pub violations: Vec<String>,
    /// What it reached.
    pub stats: Stats,
    /// Of all that happened, in order.
    pub hash: u64,
    /// All that happened, if it was asked for.
    pub trace: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Trouble,
    Healed,
    Over,
}

/// What the actors of a run share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) cluster: TestCluster,
    pub(super) history: History,
    pub(super) plan: Arc<Plan>,
    /// What it runs on, if that is a bucket.
    pub(super) bucket: Option<Arc<BucketPlan>>,
    /// Topic and number; the place in this list is the partition's name in the history.
    pub(super) partitions: Arc<Vec<(&'static str, i32)>>,
    pub(super) cast: Arc<Cast>,
    /// How many of the partitions exist: the last ones come later.
    pub(super) open: Arc<Watched<usize>>,
    /// They are to come now.
    pub(super) hurry: Arc<Watched<bool>>,
    phase: Arc<Watched<Phase>>,
    /// Actors that have healed.
    done: Arc<Watched<u32>>,
    /// How far each reader, and the group, have come.
    seen: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    readers: BTreeMap<(u32, usize), i64>,
    group: BTreeMap<i32, i64>,
}

impl Shared {
    pub(super) fn is_healed(&self) -> bool {
        self.phase.get() >= Phase::Healed
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase.get() >= Phase::Over
    }

    /// The future's output, unless the run ends first.
    pub(super) async fn unless_over<T>(&self, future: impl Future<Output = T> + Send) -> Option<T> {
        let over = std::pin::pin!(self.phase.wait_for(|phase| *phase >= Phase::Over));
        match futures::future::select(over, std::pin::pin!(future)).await {
            futures::future::Either::Left(_) => None,
            futures::future::Either::Right((output, _)) => Some(output),
        }
    }

    pub(super) fn done(&self) {
        self.done.change(|done| *done += 1);
    }

    /// The partitions that are there from the beginning come first, and are this many.
    pub(super) fn settled(&self) -> usize {
        self.partitions.len() - self.cast.later().count()
    }

    pub(super) fn place(&self, topic: &str, partition: i32) -> usize {
        self.partitions.iter().position(|(name, number)| *name == topic && *number == partition).unwrap()
    }

    pub(super) fn seen(&self, reader: u32, at: usize, offset: i64) {
        let slot = reader % self.plan.readers;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.readers.insert((slot, at), offset + 1);
    }

    pub(super) fn group_at(&self, partition: i32, offset: i64) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).group.insert(partition, offset);
    }

    /// Who has not come to the ends yet.
    fn behind(&self, ends: &[i64]) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = (0..self.plan.readers).flat_map(|slot| (0..ends.len()).map(move |at| (slot, at)));
        let late = slots.filter(|(slot, at)| seen.readers.get(&(*slot, *at)).copied().unwrap_or(0) < ends[*at]);
        late.map(|(slot, at)| format!("reader {slot} has not come to {} of {at}", ends[at])).collect()
    }

    /// Which groups of consumers have not committed all.
    fn consumers_behind(&self, ends: &[i64]) -> Vec<String> {
        let mut late = Vec::new();
        for (number, group) in self.cast.groups.iter().enumerate() {
            let own = self.partitions.iter().enumerate().filter(|(_, (topic, _))| group.topics.contains(topic));
            for (at, _) in own {
                let progress = self.history.consumed(number, |consumed| Ok(consumed.progress(at))).unwrap_or(0);
                if progress < ends[at] {
                    late.push(format!("{} has committed {progress} of {at}, which ends at {}", group.name, ends[at]));
                }
            }
        }
        late
    }

    fn group_behind(&self, ends: &[i64]) -> Vec<String> {
        if self.plan.members == 0 {
            return Vec::new();
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = self.partitions[0].0;
        let own = self.partitions.iter().enumerate().filter(|(_, (name, _))| *name == topic);
        let late = own.filter(|(at, (_, partition))| seen.group.get(partition).copied().unwrap_or(0) < ends[*at]);
        late.map(|(at, _)| format!("the group has not committed {} of {at}", ends[at])).collect()
    }
}

/// Runs a seed. With `tell` the outcome has the trace.
#[must_use]
pub fn run_seed(seed: u64, tell: bool) -> Outcome {
    run(seed, tell, false)
}

/// Runs a seed with a bucket that is behind HTTP, whatever the seed would have otherwise.
#[must_use]
pub fn run_seed_over_http(seed: u64, tell: bool) -> Outcome {
    run(seed, tell, true)
}

fn run(seed: u64, tell: bool, over_http: bool) -> Outcome {
    panics::watch();
    let (violations, stats, hash, trace) = ottla::testing::run(seed, async |world: World| {
        let env = world.env();
        let chance = Chance(world.fork());
        let plan = Plan::draw(&chance, nemesis::DEEDS.len());
        let cast = Cast::draw(&world, plan.topics.len());
        let mut partitions = plan.partitions();
        partitions.extend(cast.later());
        let history = History::new(&world, partitions.len(), &cast, tell);
        history.event(format_args!("seed {seed}: {plan:?}"));
        if !cast.groups.is_empty() {
            history.event(format_args!("{cast:?}"));
        }
        if env
            .timeout(LIMIT, Box::pin(simulate(&world, &chance, (plan, cast, over_http), partitions, &history)))
            .await
            .is_err()
        {
            history.violation(format!("the run hangs; tasks: {:?}", world.tasks().live()));
        }
        for panic in panics::take() {
            history.violation(panic);
        }
        let (violations, mut stats, hash, trace) = history.take();
        stats.seconds = world.elapsed().as_secs_f64();
        (violations, stats, hash, trace)
    });
    Outcome { seed, violations, stats, hash, trace }
}

async fn simulate(
    world: &World,
    chance: &Chance,
    (plan, cast, over_http): (Plan, Cast, bool),
    partitions: Vec<(&'static str, i32)>,
    history: &History,
) {
    let mut builder = TestCluster::builder(world);
    if let Some(options) = disk::draw(world).filter(|_| !over_http) {
        history.event(format_args!("{options:?}"));
        builder = builder.on_disk(options);
    }
    let bucket = bucket::draw(world, over_http);
    if let Some(plan) = &bucket {
        history.event(format_args!("{plan}"));
        builder = plan.build(builder);
    }
    let cluster = builder
        .commit_delay(plan.commit_delay)
        .broker_config("offsets.topic.num.partitions", 2)
        .broker_config("group.initial.rebalance.delay.ms", 100)
        .start()
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    for (topic, partitions) in ["orders", "clicks"].into_iter().zip(&plan.topics) {
        client.admin().create_topic(NewTopic::new(topic).partitions(*partitions)).await.unwrap();
    }
    let mut open = partitions.len();
    if let Some((from, to)) = cast.growing {
        client.admin().create_topic(growth::topic(from)).await.unwrap();
        open -= usize::try_from(to - from).unwrap();
    }
    let shared = Shared {
        cast: Arc::new(cast),
        bucket: bucket.map(Arc::new),
        open: Arc::new(Watched::new(open)),
        hurry: Arc::default(),
        cluster,
        history: history.clone(),
        plan: Arc::new(plan),
        partitions: Arc::new(partitions),
        phase: Arc::new(Watched::new(Phase::Trouble)),
        done: Arc::default(),
        seen: Arc::default(),
    };
    begin(&shared, world);
    nemesis::run(&shared, chance).await;
    heal(&shared, &client, chance).await;
    verdict(&shared, &client).await;
    let epochs = epochs(&client).await;
    shared.phase.set(Phase::Over);
    tally(&shared, epochs);
    bucket::settle(&shared, world).await;
    if let Err(error) = shared.cluster.shutdown().await {
        history.violation(format!("the broker did not close: {error}"));
    }
    client.close(Duration::from_secs(5)).await.unwrap();
    bucket::audit(&shared, world).await;
    let left = Arc::new(world.clone());
    drop((shared, client));
    leaks(&left, history).await;
}

/// Nothing that was started is left (a task that lives has a timer, too).
async fn leaks(world: &World, history: &History) {
    let env: Env = world.env();
    for _ in 0..700 {
        if world.tasks().total() == 0 {
            return;
        }
        env.sleep(Duration::from_millis(100)).await;
    }
    history.violation(format!("invariant 10: tasks were left behind: {:?}", world.tasks().live()));
}

fn begin(shared: &Shared, world: &World) {
    let env = world.env();
    let fork = || Chance(world.fork());
    for slot in 0..shared.plan.producers {
        env.spawn("sim-producer", producers::run(shared.clone(), slot, fork()));
    }
    for slot in 0..shared.plan.readers {
        env.spawn("sim-reader", readers::run(shared.clone(), slot, fork()));
    }
    for _ in 0..shared.plan.members {
        env.spawn("sim-member", members::run(shared.clone(), fork()));
    }
    if shared.plan.scratch {
        env.spawn("sim-scratch", scratch::run(shared.clone(), fork()));
    }
    env.spawn("sim-monitor", monitor::run(shared.clone(), fork()));
    let mut number = 0;
    for (group, plan) in shared.cast.groups.iter().enumerate() {
        for slot in 0..plan.statics.len() {
            number += 1;
            let chance = stream(world, u64::from(number));
            env.spawn("sim-consumer", consumers::run(shared.clone(), group, slot, number, chance));
        }
    }
    if shared.bucket.is_some() {
        env.spawn("sim-supervisor", bucket::supervise(shared.clone(), stream(world, 3_001)));
    }
    if let Some(growing) = shared.cast.growing {
        env.spawn("sim-growth", growth::run(shared.clone(), stream(world, 1_000), growing));
    }
}

/// No more trouble: everything that lives writes, reads and commits all that there is, in time.
async fn heal(shared: &Shared, client: &Client, chance: &Chance) {
    let env = &chance.0;
    shared.history.event(format_args!("all is healed"));
    shared.cluster.heal();
    bucket::heal(shared);
    nemesis::start(shared, chance).await;
    if shared.open.get() < shared.partitions.len() {
        shared.hurry.set(true);
        let grown = shared.open.wait_for(|open| *open == shared.partitions.len());
        if env.timeout(HEALING, grown).await.is_err() {
            shared.history.violation("no partitions can be added after all was healed".to_owned());
            return;
        }
    }
    shared.phase.set(Phase::Healed);
    let everyone = shared.done.wait_for(|done| *done == shared.plan.producers);
    if env.timeout(HEALING * 2, everyone).await.is_err() {
        shared.history.violation("producers hang after all was healed".to_owned());
    }
    let mut ends = Vec::new();
    for (topic, partition) in shared.partitions.iter() {
        let reader = client.reader().partition(*topic, *partition).start(At::Latest).build().await;
        match reader {
            Ok(reader) => ends.push(reader.positions().next().map_or(0, |(_, offset)| offset.0)),
            Err(error) => {
                shared.history.violation(format!("{topic}-{partition} has no end after all was healed: {error}"))
            }
        }
    }
    if ends.len() < shared.partitions.len() {
        return;
    }
    if !waited(env, HEALING, || shared.behind(&ends).is_empty()).await {
        shared.history.violation(format!("unseen 30 s after all was healed: {:?}", shared.behind(&ends)));
    }
    if !waited(env, SETTLING, || shared.group_behind(&ends).is_empty()).await {
        shared.history.violation(format!("60 s after all was healed: {:?}", shared.group_behind(&ends)));
    }
    consumers_settle(shared, env, &ends).await;
}

/// Consumers that commit before each batch need the time of a write for each: they are given time as long as they
/// come further.
async fn consumers_settle(shared: &Shared, env: &Env, ends: &[i64]) {
    let mut behind = shared.consumers_behind(ends);
    while !behind.is_empty() {
        let before = std::mem::take(&mut behind);
        if !waited(env, SETTLING, || shared.consumers_behind(ends) != before).await {
            shared.history.violation(format!("nothing new for 60 s after all was healed: {before:?}"));
            return;
        }
        behind = shared.consumers_behind(ends);
    }
}

async fn waited(env: &Env, limit: Duration, come: impl Fn() -> bool) -> bool {
    let until = env.now() + limit;
    while !come() {
        if env.now() >= until {
            return false;
        }
        env.sleep(Duration::from_millis(50)).await;
    }
    true
}

/// Reads every log from its start to its end, and compares.
async fn verdict(shared: &Shared, client: &Client) {
    for (at, (topic, partition)) in shared.partitions.iter().enumerate() {
        match whole(client, topic, *partition).await {
            Ok((start, end, log)) => shared.history.finish(at, start, end, &log),
            Err(error) => shared.history.violation(format!("{topic}-{partition} cannot be read at the end: {error}")),
        }
    }
    shared.history.count_lost();
}

async fn whole(client: &Client, topic: &str, partition: i32) -> Result<(i64, i64, BTreeMap<i64, u64>), ottla::Error> {
    let mut reader = client.reader().partition(topic, partition).start(At::Earliest).to_end().build().await?;
    let position = |reader: &ottla::Reader| reader.positions().next().map_or(0, |(_, offset)| offset.0);
    let start = position(&reader);
    let mut log = BTreeMap::new();
    while let Some(message) = reader.next().await? {
        let value = message.value().and_then(|value| value_of(value)).unwrap_or(u64::MAX);
        log.insert(message.offset().0, value);
    }
    Ok((start, position(&reader), log))
}

/// The leader epochs of all partitions together.
async fn epochs(client: &Client) -> u64 {
    let topics = client.admin().list_topics().await.unwrap_or_default();
    let ours = topics.iter().filter(|topic| ["orders", "clicks", GROWING].contains(&topic.name.as_str()));
    let epochs = ours.flat_map(|topic| topic.partitions.iter().map(|partition| partition.leader_epoch.0));
    epochs.map(|epoch| u64::try_from(epoch).unwrap_or(0)).sum()
}

/// What the cluster counted.
fn tally(shared: &Shared, epochs: u64) {
    let (cluster, history) = (&shared.cluster, &shared.history);
    let counts = cluster.counts();
    // Every start is an epoch of every partition, and so may be one that failed half-way.
    let starts = counts.restarts + history.counted("start failed");
    let elections = starts * shared.partitions.len() as u64;
    for (name, count) in [
        ("request failed", counts.failed),
        ("answer lost", counts.lost_answers),
        ("answer late", counts.delayed_answers),
        ("answer never", counts.silences),
        ("leader moved", counts.moves),
        ("not leader", counts.not_leader),
        ("cut off by a crash", counts.cut_off),
        ("crash", counts.crashes),
        ("restart", counts.restarts),
        ("superseded", counts.superseded),
        ("recovered from a crash state", counts.recovered),
        ("sent to the old broker", counts.sent_to_old),
        ("duplicate answered", counts.duplicates_answered),
        ("epoch bump", counts.epoch_bumps),
        ("fenced at the storage", cluster.refusals(Call::Produce, ErrorCode::NotLeaderOrFollower)),
        ("partition reopened", epochs.saturating_sub(elections)),
        ("storage full", cluster.storage_faults(StorageFault::Full)),
        ("append failed", cluster.storage_faults(StorageFault::FailAppend)),
        ("append answer lost", cluster.storage_faults(StorageFault::LoseAppendAnswer)),
        ("read failed", cluster.storage_faults(StorageFault::FailRead)),
        ("bit flipped", cluster.storage_faults(StorageFault::FlipBit)),
        ("open failed", cluster.storage_faults(StorageFault::FailOpen)),
        ("trim answer lost", cluster.storage_faults(StorageFault::LoseTrimAnswer)),
        ("metadata failed", cluster.storage_faults(StorageFault::FailMetadata)),
        ("metadata answer lost", cluster.storage_faults(StorageFault::LoseMetadataAnswer)),
        ("snapshot failed", cluster.storage_faults(StorageFault::FailSnapshot)),
    ] {
        history.add(name, count);
    }
    for (name, count) in bucket::tally(shared).into_iter().chain(bucket::tally_http(shared)) {
        history.add(name, count);
    }
}
