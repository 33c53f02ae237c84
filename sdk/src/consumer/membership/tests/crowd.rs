//! Many members against one coordinator, by seed: messages are slow or lost, processes crash, hang and
//! come back, the coordinator moves. At every step a partition has one owner at most; once the trouble is
//! over, everybody has a share and nothing moves any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::group::{InstanceId, JoinRefused};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::env::{Moment, Rng, SplitMix64};
use ottla_broker_core::{TopicName, TopicPartition};

use super::super::*;
use super::coordinator::{Answer, Coordinator, State, To};
use crate::consumer::assignor::{
    Assignor, CooperativeSticky, Range, RebalanceProtocol, TopicCounts, divide, protocols,
};

const HEARTBEAT: u64 = 3_000;
const SESSION: u64 = 10_000;
const REBALANCE: u64 = 20_000;
const POLL: u64 = 30_000;
/// A broken connection is noticed, and an answer arrives, within a heartbeat interval.
const NOTICED: u64 = 2_500;
/// Trouble ends here.
const HEALED: u64 = 150_000;
/// By then the group has settled.
const SETTLED: u64 = 280_000;
const END: u64 = 340_000;

fn ms(millis: u64) -> Moment {
    Moment(Duration::from_millis(millis))
}

#[derive(Debug)]
enum Happening {
    Event(usize, Event),
    Tick(usize),
    Poll(usize),
    Refresh(usize),
    Grow,
    Arrive(usize, Command),
    Answer(To, Answer),
    Trouble,
}

#[derive(Debug)]
struct Process {
    member: Member,
    alive: bool,
    instance: Option<InstanceId>,
    cut_until: u64,
    /// Messages of one connection keep their order.
    sent_until: u64,
    revoking: BTreeMap<RequestNumber, Vec<TopicPartition>>,
    wants: Vec<TopicName>,
}

/// What a run went through.
#[derive(Debug, Default)]
struct Seen {
    rebalances: i32,
    lost: usize,
    revoked: usize,
    silence: usize,
    fenced: usize,
    parked: usize,
    slow: usize,
    closed: usize,
    returned: usize,
}

struct Crowd {
    rng: SplitMix64,
    now: u64,
    order: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    coordinator: Coordinator,
    away_until: u64,
    assignors: Vec<Arc<dyn Assignor>>,
    processes: Vec<Process>,
    topics: TopicCounts,
    owners: BTreeMap<TopicPartition, usize>,
    seen: Seen,
}

impl Crowd {
    fn new(seed: u64, assignor: Arc<dyn Assignor>, protocol: &'static str) -> Self {
        let topics = ["a", "b", "c"].map(|name| (TopicName::new(name).unwrap(), 4));
        let mut crowd = Self {
            rng: SplitMix64::new(seed),
            now: 0,
            order: 0,
            queue: BTreeMap::new(),
            coordinator: Coordinator::new(protocol, Duration::from_millis(SESSION), Duration::from_millis(REBALANCE)),
            away_until: 0,
            assignors: vec![assignor],
            processes: Vec::new(),
            topics: TopicCounts::from(topics),
            owners: BTreeMap::new(),
            seen: Seen::default(),
        };
        for _ in 0..3 + crowd.below(4) {
            let instance = crowd.below(3) == 0;
            let name = InstanceId::from(format!("static-{}", crowd.processes.len()));
            crowd.start(instance.then_some(name));
        }
        crowd.later(1_000, Happening::Trouble);
        // A static leader that comes back cannot know whether topics grew while it was away (nor can
        // Kafka's): the next growth tells. Here is one.
        crowd.later(HEALED + 30_000, Happening::Grow);
        crowd
    }

    fn below(&self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn later(&mut self, after: u64, what: Happening) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), what);
    }

    fn start(&mut self, instance: Option<InstanceId>) {
        let config = Config {
            protocol: self.assignors[0].protocol(),
            instance: instance.clone(),
            session_timeout: Duration::from_millis(SESSION),
            heartbeat_interval: Duration::from_millis(HEARTBEAT),
            rebalance_timeout: Duration::from_millis(REBALANCE),
            max_poll_interval: Duration::from_millis(POLL),
            revoke_timeout: Duration::from_millis(8_000),
            jitter_seed: self.rng.next_u64(),
            ..Config::default()
        };
        let at = self.processes.len();
        let wants = self.some_topics();
        self.processes.push(Process {
            member: Member::new(config, ms(self.now)),
            alive: true,
            instance,
            cut_until: 0,
            sent_until: 0,
            revoking: BTreeMap::new(),
            wants: wants.clone(),
        });
        self.later(0, Happening::Event(at, Event::Subscribe(wants)));
        self.later(500, Happening::Poll(at));
        self.later(10_000, Happening::Refresh(at));
    }

    fn some_topics(&self) -> Vec<TopicName> {
        let all: Vec<_> = self.topics.keys().cloned().collect();
        if self.below(3) > 0 { all } else { all[..1 + self.below(3) as usize].to_vec() }
    }

    fn alive(&self) -> Vec<usize> {
        (0..self.processes.len()).filter(|at| self.processes[*at].alive).collect()
    }

    fn run(mut self) -> Seen {
        let mut settled = None;
        while let Some(((at, _), what)) = self.queue.pop_first() {
            self.now = at;
            if at > END {
                break;
            }
            if at > SETTLED && settled.is_none() {
                self.assert_whole();
                settled = Some((self.coordinator.generation, self.owners.clone()));
            }
            self.happen(what);
            self.coordinator.tick(ms(self.now));
            self.deliver();
        }
        assert_eq!(settled, Some((self.coordinator.generation, self.owners.clone())), "a settled group stays as it is");
        self.seen.rebalances = self.coordinator.generation;
        self.seen
    }

    fn assert_whole(&self) {
        assert_eq!(self.coordinator.state, State::Stable);
        let wanted: BTreeSet<_> = self.alive().into_iter().flat_map(|at| self.processes[at].wants.clone()).collect();
        for (topic, count) in self.topics.iter().filter(|(topic, _)| wanted.contains(*topic)) {
            for number in 0..*count {
                let partition = TopicPartition::new(topic.clone(), number);
                assert!(self.owners.contains_key(&partition), "nobody has {partition}: {:?}", self.owners);
            }
        }
        for (partition, owner) in &self.owners {
            assert!(self.processes[*owner].wants.contains(&partition.topic), "{partition} is not wanted by {owner}");
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Event(at, event) => self.event(at, event),
            Happening::Tick(at) => {
                if self.processes[at].member.deadline().is_some_and(|due| due <= ms(self.now)) {
                    self.event(at, Event::Tick);
                }
            }
            Happening::Poll(at) => {
                self.event(at, Event::PollBegan);
                self.event(at, Event::PollEnded);
                let hangs = self.now < HEALED - POLL && self.below(120) == 0;
                let pause = if hangs { POLL + 5_000 } else { 1_000 + self.below(2_000) };
                if self.processes[at].alive && self.now < END {
                    self.later(pause, Happening::Poll(at));
                }
            }
            Happening::Refresh(at) => {
                let topics = self.topics.clone();
                self.event(at, Event::Topics(topics));
                if self.processes[at].alive {
                    self.later(10_000, Happening::Refresh(at));
                }
            }
            Happening::Grow => self.topics.values_mut().for_each(|count| *count += 1),
            Happening::Arrive(at, command) => self.arrive(at, command),
            Happening::Answer((at, request), answer) => {
                let event = match answer {
                    Answer::Joined(result) => Event::Joined(request, result),
                    Answer::Synced(result) => Event::Synced(request, result.map_err(Error::from)),
                    Answer::Heartbeat(result) => Event::Heartbeat(request, result.map_err(Error::from)),
                };
                self.event(at, event);
            }
            Happening::Trouble => self.trouble(),
        }
    }

    fn event(&mut self, at: usize, event: Event) {
        let now = self.now;
        let process = &mut self.processes[at];
        if !process.alive {
            return;
        }
        if let Event::Revoked(request) = &event {
            for partition in process.revoking.remove(request).unwrap_or_default() {
                if self.owners.get(&partition) == Some(&at) {
                    self.owners.remove(&partition);
                }
            }
        }
        let commands = process.member.handle(ms(now), event);
        let due = process.member.deadline().map(|due| due.0.as_nanos().div_ceil(1_000_000) as u64);
        for command in commands {
            self.command(at, command);
        }
        let mine: BTreeSet<_> = self.owners.iter().filter(|(_, owner)| **owner == at).map(|(p, _)| p.clone()).collect();
        assert_eq!(mine, *self.processes[at].member.owned(), "the member and its callbacks agree");
        if let Some(due) = due {
            self.later(due.saturating_sub(now).max(1), Happening::Tick(at));
        }
    }

    fn command(&mut self, at: usize, command: Command) {
        match command {
            Command::Assign { added, .. } => {
                for partition in added {
                    let other = self.owners.insert(partition.clone(), at);
                    assert_eq!(other, None, "at {} {partition} is assigned to {at} as well", self.now);
                }
            }
            Command::Lost(partitions) => {
                self.seen.lost += 1;
                // A listener that finishes later gives nothing up any more.
                self.processes[at].revoking.values_mut().for_each(|given| given.retain(|p| !partitions.contains(p)));
                for partition in partitions {
                    assert_eq!(self.owners.remove(&partition), Some(at));
                }
            }
            Command::Revoke { request, partitions } => {
                self.seen.revoked += 1;
                self.processes[at].revoking.insert(request, partitions);
                let slow = self.now < HEALED && self.below(15) == 0;
                let takes = if slow { 9_000 } else { self.below(1_500) };
                self.later(takes, Happening::Event(at, Event::Revoked(request)));
            }
            Command::Report(trouble) => match trouble {
                Trouble::PollInterval { .. } => self.seen.parked += 1,
                Trouble::SlowListener { .. } => self.seen.slow += 1,
                Trouble::Silence { .. } => self.seen.silence += 1,
                Trouble::Fenced(_) => self.seen.fenced += 1,
                Trouble::Fatal(error) => panic!("process {at}: {error}"),
            },
            Command::Closed => {
                self.seen.closed += 1;
                self.processes[at].alive = false;
            }
            Command::Divide { request, members, .. } => {
                let division = divide(&*self.assignors[0], &members, &self.topics).unwrap();
                let takes = self.below(200);
                self.later(takes, Happening::Event(at, Event::Divided(request, Ok(division))));
            }
            request => self.send(at, request),
        }
    }

    fn is_lost(&self, at: usize) -> bool {
        self.now < self.processes[at].cut_until || (self.now < HEALED && self.below(40) == 0)
    }

    fn send(&mut self, at: usize, command: Command) {
        if self.is_lost(at) {
            return self.notice(at);
        }
        let arrives = (self.now + self.below(300)).max(self.processes[at].sent_until);
        self.processes[at].sent_until = arrives;
        self.later(arrives - self.now, Happening::Arrive(at, command));
    }

    /// The connection is broken, and soon the process knows.
    fn notice(&mut self, at: usize) {
        let after = self.below(NOTICED);
        self.later(after, Happening::Event(at, Event::CoordinatorLost));
    }

    fn arrive(&mut self, at: usize, command: Command) {
        let now = ms(self.now);
        let away = self.now < self.away_until;
        let refused = ErrorCode::NotCoordinator;
        match command {
            Command::FindCoordinator(request) => {
                let result = if away { Err(ErrorCode::CoordinatorNotAvailable.into()) } else { Ok(()) };
                let takes = self.below(300);
                self.later(takes, Happening::Event(at, Event::Found(request, result)));
            }
            Command::Join { request, member, subscription } => {
                if away {
                    let refused = JoinRefused { error: refused.into(), member: None };
                    return self.coordinator.answers.push(((at, request), Answer::Joined(Err(refused))));
                }
                let metadata = protocols(&self.assignors, &subscription).unwrap().remove(0).metadata;
                let instance = self.processes[at].instance.clone();
                self.coordinator.join(now, (at, request), member, instance, metadata);
            }
            Command::Sync { request, member, generation, assignments, .. } => {
                if away {
                    return self.coordinator.answers.push(((at, request), Answer::Synced(Err(refused))));
                }
                self.coordinator.sync(now, (at, request), &member, generation, assignments);
            }
            Command::Heartbeat { request, member, generation } => {
                if away {
                    return self.coordinator.answers.push(((at, request), Answer::Heartbeat(Err(refused))));
                }
                self.coordinator.heartbeat(now, (at, request), &member, generation);
            }
            Command::Leave { member } if !away => self.coordinator.leave(now, &member),
            _ => {}
        }
    }

    fn deliver(&mut self) {
        for ((at, request), answer) in std::mem::take(&mut self.coordinator.answers) {
            if self.is_lost(at) {
                self.notice(at);
            } else {
                let takes = self.below(500);
                self.later(takes, Happening::Answer((at, request), answer));
            }
        }
    }

    fn trouble(&mut self) {
        if self.now >= HEALED {
            return;
        }
        let alive = self.alive();
        let at = alive[self.below(alive.len() as u64) as usize];
        match self.below(9) {
            0 if alive.len() < 9 => self.start(None),
            1 if alive.len() > 2 => {
                // A crash: nothing runs there any more. A static member comes back.
                self.processes[at].alive = false;
                self.owners.retain(|_, owner| *owner != at);
                if let Some(instance) = self.processes[at].instance.clone() {
                    self.seen.returned += 1;
                    self.start(Some(instance));
                }
            }
            2 if alive.len() > 2 && self.processes[at].instance.is_none() => {
                self.later(0, Happening::Event(at, Event::Leave));
            }
            3 => {
                let wants = self.some_topics();
                self.processes[at].wants = wants.clone();
                self.later(0, Happening::Event(at, Event::Subscribe(wants)));
            }
            4 | 5 => {
                self.processes[at].cut_until = (self.now + self.below(25_000)).min(HEALED);
                self.notice(at);
            }
            6 => {
                self.away_until = self.now + self.below(12_000);
                self.coordinator.fail_over(ms(self.now));
                for at in alive {
                    self.notice(at);
                }
            }
            7 => {
                let name = self.topics.keys().nth(self.below(3) as usize).unwrap().clone();
                *self.topics.get_mut(&name).unwrap() += 1;
            }
            _ => {}
        }
        let pause = 1_000 + self.below(9_000);
        self.later(pause, Happening::Trouble);
    }
}

fn crowds(assignor: &Arc<dyn Assignor>, protocol: &'static str) {
    let mut all = Seen::default();
    // `OTTLA_CROWD_SEEDS=1000:3000` runs others.
    let seeds = std::env::var("OTTLA_CROWD_SEEDS").ok();
    let seeds = seeds.as_deref().and_then(|text| text.split_once(':'));
    let seeds = seeds.map_or(0..40, |(from, to)| from.parse().unwrap()..to.parse().unwrap());
    for seed in seeds {
        let crowd = Crowd::new(seed, assignor.clone(), protocol);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| crowd.run()));
        let seen = run.unwrap_or_else(|_| panic!("{protocol}: seed {seed} failed, see above"));
        all.rebalances += seen.rebalances;
        all.lost += seen.lost;
        all.revoked += seen.revoked;
        all.silence += seen.silence;
        all.fenced += seen.fenced;
        all.parked += seen.parked;
        all.slow += seen.slow;
        all.closed += seen.closed;
        all.returned += seen.returned;
    }
    // A run that never saw trouble proves nothing.
    let counts = [all.lost, all.revoked, all.silence, all.fenced, all.parked, all.slow, all.closed, all.returned];
    assert!(all.rebalances > 400 && counts.iter().all(|count| *count > 0), "{all:?}");
}

#[test]
fn cooperative_members_share_and_never_overlap() {
    assert_eq!(CooperativeSticky.protocol(), RebalanceProtocol::Cooperative);
    crowds(&(Arc::new(CooperativeSticky) as Arc<dyn Assignor>), "cooperative-sticky");
}

#[test]
fn eager_members_share_and_never_overlap() {
    crowds(&(Arc::new(Range) as Arc<dyn Assignor>), "range");
}
