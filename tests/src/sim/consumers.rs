//! Consumers of the SDK's own: they share partitions, dawdle, forget to acknowledge, seek, stop, crash and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla::consumer::membership::Trouble;
use ottla::consumer::{Acked, Error, Handle, Message, Pattern};
use ottla::{Client, Commit, Consumer, ErrorCode, OutOfRange, TopicPartition};
use ottla_broker_core::env::{Moment, SplitMix64};

use super::cast::{GroupPlan, Promise};
use super::chance::Chance;
use super::hearing::{Heard, Listener, Voice};
use super::process::Process;
use super::producers::value_of;
use super::run::Shared;
use super::watching::Watching;

/// Beyond what it was given, a shutdown takes no longer than this.
const SLACK: Duration = Duration::from_millis(50);
/// How long a poll waits before other things are looked after.
const TICK: Duration = Duration::from_millis(250);

/// Why a consumer's life ended.
enum End {
    /// The process dies.
    Crash,
    /// It is dropped.
    Drop,
    /// It is shut down.
    Shutdown,
}

/// A message that is not acknowledged yet, of a partition and a run.
struct Open {
    at: usize,
    run: usize,
    message: Message,
}

struct Life {
    voice: Voice,
    chance: Chance,
    plan: GroupPlan,
    handle: Handle,
    commit: Commit,
    open: Vec<Open>,
    /// How many are gathered before they are acknowledged.
    gather: usize,
    withheld_until: Moment,
    trouble_at: Moment,
    paused: BTreeMap<TopicPartition, Moment>,
    /// Something was acknowledged that `Handle::commit` has not committed.
    dirty: u32,
}

/// Runs consumer after consumer until the run ends. `slot` is its place in the group, `number` among all.
pub(super) async fn run(shared: Shared, group: usize, slot: usize, number: u32, chance: Chance) {
    let mut lives = 0;
    while !shared.is_over() {
        let voice = Voice { shared: shared.clone(), group, consumer: lives * 100 + number };
        lives += 1;
        Box::pin(live(voice, slot, &chance)).await;
        let pause = if shared.is_healed() { chance.ms(10, 200) } else { chance.ms(50, 5_000) };
        chance.0.sleep(pause).await;
    }
}

async fn live(voice: Voice, slot: usize, chance: &Chance) {
    let shared = voice.shared.clone();
    let plan = shared.cast.groups[voice.group].clone();
    let instance = plan.statics[slot].then(|| format!("{}-{slot}", plan.name));
    voice.note(|consumed| {
        consumed.begins(voice.consumer, instance.clone());
        Ok(())
    });
    let process = Process::new(&chance.0);
    let commit = match plan.promise {
        Promise::AtMostOnce => Commit::BeforeHandover,
        Promise::AtLeastOnce if chance.one_in(3) => Commit::Manual,
        Promise::AtLeastOnce => Commit::OnAck { every: chance.ms(50, 2_000) },
    };
    voice.event(format_args!("begins in {} as {instance:?}, {commit:?}", plan.name));
    let building = build(&voice, &plan, instance, commit, &process, chance);
    let Some(built) = shared.unless_over(building).await else { return process.kill() };
    let (client, consumer) = match built {
        Ok(built) => built,
        Err(error) => {
            voice.event(format_args!("no consumer: {error}"));
            return process.kill();
        }
    };
    let mut life = Life {
        handle: consumer.handle(),
        trouble_at: chance.0.now() + chance.ms(500, 10_000),
        withheld_until: Moment::default(),
        voice,
        chance: chance.clone(),
        plan,
        commit,
        open: Vec::new(),
        gather: 1,
        paused: BTreeMap::new(),
        dirty: 0,
    };
    let mut consumer = consumer;
    let end = life.consume(&mut consumer).await;
    life.end(end, client, consumer, &process).await;
}

async fn build(
    voice: &Voice,
    plan: &GroupPlan,
    instance: Option<String>,
    commit: Commit,
    process: &Process,
    chance: &Chance,
) -> Result<(Client, Consumer), ottla::Error> {
    let Voice { shared, group, consumer } = voice.clone();
    let random = |chance: &Chance| Arc::new(SplitMix64::new(chance.0.random_u64()));
    let env = chance.0.clone().with_rng(random(chance)).with_spawner(Arc::new(process.clone()));
    let watching = Watching { inner: shared.cluster.cluster(), shared, group, consumer };
    let client = Client::builder().cluster(Arc::new(watching)).env(env).connect().await?;
    let builder = client.consumer(plan.name);
    let builder = if plan.by_pattern {
        plan.topics.iter().fold(builder, |builder, topic| builder.pattern(Pattern::new(format!("{}*", &topic[..3]))))
    } else {
        builder.topics(&plan.topics)
    };
    let listener = Listener {
        voice: voice.clone(),
        chance: Chance(chance.0.clone().with_rng(random(chance))),
        seeks: plan.may_seek(),
    };
    let builder = match instance {
        Some(instance) => builder.group_instance_id(instance),
        None => builder,
    };
    let assignors = plan.assignors().into_iter();
    let built = builder
        .assignors(assignors.map(|inner| Arc::new(Heard { voice: voice.clone(), inner }) as _))
        .on_rebalance(listener)
        .commit(commit)
        .if_out_of_range(OutOfRange::Earliest)
        .session_timeout(plan.session)
        .heartbeat_interval(chance.ms(500, 2_000))
        .max_poll_interval(plan.max_poll)
        .revoke_timeout(chance.ms(2_000, 5_000))
        .request_timeout(chance.ms(1_000, 4_000))
        .metadata_refresh(chance.ms(1_000, 5_000))
        .max_unacked(u32::try_from(*chance.pick(&[20, 200, 10_000])).unwrap())
        .max_buffered_bytes(usize::try_from(*chance.pick(&[500, 5_000, 1_000_000])).unwrap())
        .max_wait(chance.ms(10, 1_000))
        .build()
        .await?;
    Ok((client, built))
}

impl Life {
    fn count(&self, name: &'static str) {
        self.voice.shared.history.count(name);
    }

    async fn consume(&mut self, consumer: &mut Consumer) -> End {
        let (shared, env) = (self.voice.shared.clone(), self.chance.0.clone());
        loop {
            if shared.is_over() {
                return if self.chance.one_in(2) { End::Shutdown } else { End::Drop };
            }
            let next = env.timeout(TICK, async { consumer.next().await }).await;
            let idle = next.is_err();
            match next {
                Ok(Ok(Some(message))) => self.take(message),
                Ok(Ok(None)) => {
                    shared.history.violation(format!("consumer {} ended by itself", self.voice.consumer));
                    return End::Drop;
                }
                Ok(Err(error)) => {
                    if self.failed(&error) {
                        return End::Drop;
                    }
                    // What is wrong with a disk now may be right later, not at once.
                    env.sleep(self.chance.ms(1, 200)).await;
                }
                Err(_) => self.ack(),
            }
            if self.open.len() >= self.gather {
                self.ack();
            }
            // Each costs the time of a write: not after every message.
            self.commit_by_hand(self.dirty >= 20 || idle && self.dirty > 0 && shared.is_healed()).await;
            self.resume();
            if !shared.is_healed()
                && env.now() >= self.trouble_at
                && let Some(end) = self.trouble().await
            {
                return end;
            }
        }
    }

    fn take(&mut self, message: Message) {
        let (at, offset) = (self.voice.shared.place(message.topic().as_str(), message.partition()), message.offset().0);
        let value = message.value().and_then(|value| value_of(value));
        let consumer = self.voice.consumer;
        self.voice.shared.history.consumed_value(consumer, at, offset, value);
        self.count("consumed");
        let run = self.voice.note(|consumed| consumed.hands(consumer, at, offset));
        if self.plan.promise == Promise::AtLeastOnce
            && let Some(run) = run
        {
            self.open.push(Open { at, run, message });
        }
    }

    /// Acknowledges what is open, in any order, unless it is withheld.
    fn ack(&mut self) {
        let healed = self.voice.shared.is_healed();
        if !healed && self.chance.0.now() < self.withheld_until {
            return;
        }
        let (consumer, jumbled) = (self.voice.consumer, !healed && self.open.len() > 1);
        while !self.open.is_empty() {
            let next = if jumbled { self.chance.index(self.open.len()) } else { 0 };
            let Open { at, run, message } = self.open.remove(next);
            let offset = message.offset().0;
            let counted = message.ack() == Acked::Counted;
            self.count(if counted { "message acked" } else { "ack too late" });
            self.voice.note(|consumed| consumed.acks(consumer, at, offset, run, counted));
            self.dirty += 1;
        }
        self.gather = if healed { 1 } else { usize::try_from(*self.chance.pick(&[1, 1, 3, 12])).unwrap() };
    }

    async fn commit_by_hand(&mut self, is_due: bool) {
        if self.commit != Commit::Manual || !is_due {
            return;
        }
        match self.handle.commit().await {
            Ok(()) => self.dirty = 0,
            Err(error) => {
                self.voice.event(format_args!("commit: {error}"));
                // Not again at once.
                self.chance.0.sleep(self.chance.ms(10, 100)).await;
            }
        }
    }

    fn resume(&mut self) {
        let (now, healed) = (self.chance.0.now(), self.voice.shared.is_healed());
        let due: Vec<_> = self.paused.iter().filter(|(_, until)| healed || **until <= now).collect();
        let due: Vec<_> = due.into_iter().map(|(partition, _)| partition.clone()).collect();
        for partition in due {
            self.paused.remove(&partition);
            let resumed = self.handle.resume(&partition).is_ok();
            let at = self.voice.place(&partition);
            self.voice.event(format_args!("resumes {at}: {resumed}"));
            self.voice.note(|consumed| {
                consumed.paused(self.voice.consumer, at, false);
                Ok(())
            });
        }
    }

    /// Says whether it is of no more use.
    fn failed(&self, error: &Error) -> bool {
        self.voice.event(format_args!("{error}"));
        match error {
            Error::Membership { trouble: Trouble::PollInterval { .. }, .. } => self.count("poll breach"),
            Error::Membership { trouble: Trouble::Silence { .. }, .. } => self.count("coordinator silent"),
            Error::Membership { trouble: Trouble::Fenced(_), .. } => self.count("consumer fenced"),
            Error::Membership { trouble: Trouble::SlowListener { .. }, .. } => self.count("listener too slow"),
            // Another one has come back under its name.
            Error::Membership { trouble: Trouble::Fatal(error), .. } if error.code == ErrorCode::FencedInstanceId => {
                self.count("static member replaced");
                return true;
            }
            _ => {}
        }
        if error.is_fatal() || matches!(error, Error::Committed { .. } | Error::NoOffset { .. }) {
            let consumer = self.voice.consumer;
            self.voice.shared.history.violation(format!("consumer {consumer} cannot go on: {error}"));
            return true;
        }
        false
    }

    /// What happens to consumers.
    async fn trouble(&mut self) -> Option<End> {
        let env = self.chance.0.clone();
        let mut own = self.handle.assignment();
        // Only what the listener has heard of.
        own.retain(|partition| {
            let at = self.voice.place(partition);
            self.voice.note(|consumed| Ok(consumed.position(self.voice.consumer, at))).flatten().is_some()
        });
        let any = (!own.is_empty()).then(|| own[self.chance.index(own.len())].clone());
        match self.chance.between(0, 15) {
            0 => return Some(End::Crash),
            1 => return Some(End::Drop),
            2 => return Some(End::Shutdown),
            3 => {
                self.voice.event(format_args!("is busy for too long"));
                env.sleep(self.plan.max_poll + self.chance.ms(500, 6_000)).await;
            }
            4..=6 => env.sleep(self.chance.ms(50, 2_500)).await,
            7..=10 => {
                self.voice.event(format_args!("withholds its acks"));
                self.count("acks withheld");
                self.withheld_until = env.now() + self.chance.ms(200, 6_000);
                self.gather = 1;
            }
            11 | 12 => {
                if let Some(partition) = any.filter(|_| self.plan.may_seek()) {
                    self.voice.seek(&self.handle, &partition, &self.chance);
                }
            }
            _ => {
                if let Some(partition) = any
                    && self.handle.pause(&partition).is_ok()
                {
                    let at = self.voice.place(&partition);
                    self.voice.event(format_args!("pauses {at}"));
                    self.count("paused");
                    self.voice.note(|consumed| {
                        consumed.paused(self.voice.consumer, at, true);
                        Ok(())
                    });
                    self.paused.insert(partition, env.now() + self.chance.ms(100, 4_000));
                }
            }
        }
        self.trouble_at = env.now() + self.chance.ms(200, 8_000);
        None
    }

    async fn end(self, end: End, client: Client, mut consumer: Consumer, process: &Process) {
        let (env, history) = (self.chance.0.clone(), self.voice.shared.history.clone());
        match end {
            End::Crash => {
                self.voice.event(format_args!("crashes"));
                self.count("consumer crashed");
                process.kill();
            }
            End::Drop => {
                self.voice.event(format_args!("is dropped"));
                self.count("consumer dropped");
            }
            End::Shutdown => {
                let limit = self.chance.ms(10, 6_000);
                self.voice.event(format_args!("is to be over in {limit:?}"));
                self.count("consumer shut down");
                match env.timeout(limit + SLACK, self.handle.shutdown(limit)).await {
                    Ok(left) => self.voice.event(format_args!("has left {left:?}")),
                    Err(_) => history.violation(format!("a shutdown took longer than {limit:?}")),
                }
                match env.timeout(SLACK, async { consumer.next().await }).await {
                    Ok(Ok(None)) => {}
                    other => history.violation(format!("after its shutdown a consumer yields {:?}", other.is_ok())),
                }
            }
        }
        self.voice.note(|consumed| {
            consumed.gone(self.voice.consumer);
            Ok(())
        });
        drop((consumer, client));
    }
}
