//! The member's state, and what time and the application do to it. The answers of brokers are in `answers`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{Generation, MemberId, Subscription};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{TopicName, TopicPartition};

use super::config::Config;
use super::messages::{Command, Event, Identity, RequestNumber, Trouble};
use super::timing::Timing;
use crate::consumer::assignor::divide::grouped;
use crate::consumer::assignor::{RebalanceProtocol, TopicCounts};

/// Where the member stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// It wants nothing.
    Idle,
    /// It left because the application was busy for too long; `told` once a poll yielded the error.
    Parked {
        told: bool,
    },
    /// It is to join.
    Unjoined,
    Joining(RequestNumber),
    Dividing(RequestNumber, Arc<str>),
    Syncing(RequestNumber),
    /// The listener has `partitions`.
    Revoking {
        request: RequestNumber,
        partitions: Vec<TopicPartition>,
        until: Moment,
        then: Then,
    },
    Stable,
    /// It cannot be a member.
    Failed,
    Closed,
}

/// What follows a revocation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    /// Join (or, if the goal is another, leave).
    Join,
    /// Take what came, then rejoin so that others get what was given up.
    Adopt { added: Vec<TopicPartition>, data: Option<Bytes> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Member,
    Idle,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinator {
    Unknown,
    Finding(RequestNumber),
    Known,
}

/// One member of a group. See the [module](super).
#[derive(Debug)]
pub struct Member {
    pub(super) config: Config,
    pub(super) timing: Timing,
    pub(super) phase: Phase,
    goal: Goal,
    pub(super) coordinator: Coordinator,
    pub(super) member: Option<MemberId>,
    pub(super) generation: Generation,
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) owned: BTreeSet<TopicPartition>,
    /// It is to join again as soon as it is stable.
    pub(super) rejoin: bool,
    pub(super) leads: bool,
    /// What it divided as leader.
    pub(super) divided: Option<TopicCounts>,
    /// The heartbeat that is out, and when it was sent.
    pub(super) heartbeat: Option<(RequestNumber, Moment)>,
    requests: u64,
    pub(super) out: Vec<Command>,
}

impl Member {
    /// A member that wants nothing yet.
    #[must_use]
    pub fn new(config: Config, now: Moment) -> Self {
        Self {
            timing: Timing::new(now, &config),
            config,
            phase: Phase::Idle,
            goal: Goal::Idle,
            coordinator: Coordinator::Unknown,
            member: None,
            generation: Generation::NONE,
            topics: BTreeSet::new(),
            owned: BTreeSet::new(),
            rejoin: false,
            leads: false,
            divided: None,
            heartbeat: None,
            requests: 0,
            out: Vec::new(),
        }
    }

    /// Takes an event at `now` and says what to do.
    #[must_use = "commands are to be carried out"]
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Command> {
        match event {
            Event::Tick => {}
            Event::Subscribe(topics) => self.subscribe(topics),
            Event::Topics(counts) => self.topics_are(&counts),
            Event::PollBegan => self.poll_began(),
            Event::PollEnded => self.timing.poll_until = Some(now + self.config.max_poll_interval),
            Event::Found(request, result) => self.found(now, request, result),
            Event::Joined(request, result) => self.joined(now, request, result),
            Event::Divided(request, result) => self.divided(now, request, result),
            Event::Synced(request, result) => self.synced(now, request, result),
            Event::Heartbeat(request, result) => self.heartbeat_answered(now, request, result),
            Event::Revoked(request) => self.revoked(now, request),
            Event::CommitRefused { generation, code } => self.commit_refused(now, generation, code),
            Event::CoordinatorLost => self.coordinator_lost(now),
            Event::Leave => self.goal = Goal::Closed,
        }
        self.watch_time(now);
        self.proceed(now);
        std::mem::take(&mut self.out)
    }

    /// In whose name to commit.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { member: self.member.clone(), generation: self.generation }
    }

    /// What is this member's.
    #[must_use]
    pub const fn owned(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    /// The topics whose partition counts matter: its own, and as leader everybody's.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<TopicName> {
        let others = self.divided.iter().flat_map(BTreeMap::keys);
        self.topics.iter().chain(others).cloned().collect()
    }

    /// When to send [`Event::Tick`] at the latest; `None` while only events matter.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let retry = (self.wants_coordinator() || (self.phase == Phase::Unjoined && self.knows_coordinator()))
            .then_some(self.timing.retry_at);
        let heartbeat = (self.beats() && self.heartbeat.is_none()).then_some(self.timing.heartbeat_at);
        let poll = self.timing.poll_until.filter(|_| self.is_in_play());
        let revoke = match &self.phase {
            Phase::Revoking { until, .. } => Some(*until),
            _ => None,
        };
        [retry, heartbeat, poll, revoke, self.lease()].into_iter().flatten().min()
    }

    pub(super) fn request(&mut self) -> RequestNumber {
        self.requests += 1;
        RequestNumber(self.requests)
    }

    fn subscribe(&mut self, topics: Vec<TopicName>) {
        let topics: BTreeSet<_> = topics.into_iter().collect();
        if topics == self.topics {
            return;
        }
        self.topics = topics;
        self.rejoin = true;
        if self.goal != Goal::Closed {
            self.goal = if self.topics.is_empty() { Goal::Idle } else { Goal::Member };
        }
        if self.phase == Phase::Idle && self.goal == Goal::Member {
            self.phase = Phase::Unjoined;
        }
    }

    fn topics_are(&mut self, counts: &TopicCounts) {
        let count = |topic: &TopicName| counts.get(topic).copied().unwrap_or(0);
        match &self.divided {
            Some(divided) if self.leads => self.rejoin |= divided.iter().any(|(topic, had)| count(topic) != *had),
            // A static leader that came back found the division standing (KIP-814), and cannot know of
            // what counts it was made.
            None if self.leads => self.divided = Some(counts.clone()),
            _ => {}
        }
    }

    fn poll_began(&mut self) {
        self.timing.poll_until = None;
        match self.phase {
            Phase::Parked { told: false } => self.phase = Phase::Parked { told: true },
            Phase::Parked { told: true } => self.phase = Phase::Unjoined,
            _ => {}
        }
    }

    fn revoked(&mut self, now: Moment, answered: RequestNumber) {
        match std::mem::replace(&mut self.phase, Phase::Unjoined) {
            Phase::Revoking { request, partitions, then, .. } if request == answered => {
                self.owned.retain(|partition| !partitions.contains(partition));
                self.after_revoking(now, then);
            }
            other => self.phase = other,
        }
    }

    fn after_revoking(&mut self, now: Moment, then: Then) {
        self.phase = Phase::Unjoined;
        if let Then::Adopt { added, data } = then
            && self.goal == Goal::Member
        {
            self.adopt(now, added, data);
            self.rejoin = true;
        }
    }

    /// What came is ours.
    pub(super) fn adopt(&mut self, now: Moment, added: Vec<TopicPartition>, data: Option<Bytes>) {
        self.owned.extend(added.iter().cloned());
        self.phase = Phase::Stable;
        self.timing.heartbeat_at = self.timing.heartbeat_at.min(now + self.config.heartbeat_interval);
        self.out.push(Command::Assign { generation: self.generation, added, data });
    }

    /// Hands `partitions` to the listener; with none, goes on at once.
    pub(super) fn revoke(&mut self, now: Moment, partitions: Vec<TopicPartition>, then: Then) {
        if partitions.is_empty() {
            self.after_revoking(now, then);
            return;
        }
        let request = self.request();
        self.out.push(Command::Revoke { request, partitions: partitions.clone() });
        let until = now + self.config.revoke_timeout;
        self.phase = Phase::Revoking { request, partitions, until, then };
    }

    /// Everything is somebody else's.
    pub(super) fn lose_all(&mut self) {
        if !self.owned.is_empty() {
            self.out.push(Command::Lost(std::mem::take(&mut self.owned).into_iter().collect()));
        }
    }

    /// The membership is over; `member` if the coordinator may still know the name. It joins anew.
    pub(super) fn reset(&mut self, keep_name: bool) {
        if !is_planted("keeps-partitions-after-fence") {
            self.lose_all();
        }
        self.generation = Generation::NONE;
        if !keep_name {
            self.member = None;
        }
        (self.leads, self.divided, self.heartbeat) = (false, None, None);
        self.timing.rebalancing_since = None;
        self.phase = Phase::Unjoined;
    }

    /// It cannot be a member.
    pub(super) fn fail(&mut self, error: Error) {
        let still_known = error.code != ErrorCode::FencedInstanceId;
        if still_known {
            self.say_goodbye();
        }
        self.reset(false);
        self.phase = Phase::Failed;
        self.out.push(Command::Report(Trouble::Fatal(error)));
    }

    fn say_goodbye(&mut self) {
        self.lose_all();
        if let Some(member) = self.member.clone().filter(|_| self.config.leaves() && self.knows_coordinator()) {
            self.out.push(Command::Leave { member });
        }
    }

    /// What the clock alone decides.
    fn watch_time(&mut self, now: Moment) {
        if self.is_in_play() && self.timing.poll_until.is_some_and(|until| now >= until) {
            // The application is busy, so no listener could run: its partitions are lost, not revoked.
            self.say_goodbye();
            self.reset(!self.config.leaves());
            self.phase = Phase::Parked { told: false };
            self.out.push(Command::Report(Trouble::PollInterval { limit: self.config.max_poll_interval }));
        }
        if self.lease().is_some_and(|until| now >= until) {
            self.out.push(Command::Report(Trouble::Silence { silence: now.since(self.timing.contact) }));
            self.reset(true);
        }
        match std::mem::replace(&mut self.phase, Phase::Unjoined) {
            Phase::Revoking { partitions, until, then, .. } if now >= until => {
                self.owned.retain(|partition| !partitions.contains(partition));
                self.out.push(Command::Lost(partitions));
                self.out.push(Command::Report(Trouble::SlowListener { limit: self.config.revoke_timeout }));
                self.after_revoking(now, then);
            }
            other => self.phase = other,
        }
    }

    /// Does whatever can be done now.
    fn proceed(&mut self, now: Moment) {
        if self.goal != Goal::Member {
            self.go(now);
        }
        if self.phase == Phase::Stable && self.rejoin {
            let gives_up = |partition: &&TopicPartition| match self.config.protocol {
                RebalanceProtocol::Eager => true,
                RebalanceProtocol::Cooperative => !self.topics.contains(&partition.topic),
            };
            let partitions = self.owned.iter().filter(gives_up).cloned().collect();
            self.revoke(now, partitions, Then::Join);
        }
        if self.wants_coordinator() && now >= self.timing.retry_at {
            let request = self.request();
            self.coordinator = Coordinator::Finding(request);
            self.out.push(Command::FindCoordinator(request));
        }
        if self.phase == Phase::Unjoined && self.knows_coordinator() && now >= self.timing.retry_at {
            self.join(now);
        }
        if let Some(member) = self.member.clone()
            && self.beats()
            && self.heartbeat.is_none()
            && now >= self.timing.heartbeat_at
        {
            let request = self.request();
            self.heartbeat = Some((request, now));
            self.timing.heartbeat_at = now + self.config.heartbeat_interval;
            self.out.push(Command::Heartbeat { request, member, generation: self.generation });
        }
    }

    /// Gives everything up in order, then goes.
    fn go(&mut self, now: Moment) {
        match self.phase {
            Phase::Revoking { .. } | Phase::Closed => return,
            Phase::Idle | Phase::Parked { .. } | Phase::Failed => {}
            _ if !self.owned.is_empty() => {
                let partitions = self.owned.iter().cloned().collect();
                return self.revoke(now, partitions, Then::Join);
            }
            _ => {
                self.say_goodbye();
                self.reset(!self.config.leaves());
            }
        }
        if self.goal == Goal::Closed {
            self.phase = Phase::Closed;
            self.out.push(Command::Closed);
        } else if self.phase != Phase::Failed {
            self.phase = Phase::Idle;
        }
    }

    fn join(&mut self, now: Moment) {
        let request = self.request();
        self.phase = Phase::Joining(request);
        (self.rejoin, self.heartbeat) = (false, None);
        // The coordinator starts a rebalance when this arrives, if it has not yet.
        self.timing.rebalancing_since.get_or_insert(now);
        let subscription = Subscription {
            owned: grouped(&self.owned),
            generation: self.generation,
            rack: self.config.rack.clone(),
            ..Subscription::to(self.topics.iter().cloned().collect())
        };
        self.out.push(Command::Join { request, member: self.member.clone(), subscription });
    }

    pub(super) fn knows_coordinator(&self) -> bool {
        self.coordinator == Coordinator::Known
    }

    fn wants_coordinator(&self) -> bool {
        self.is_in_play() && self.coordinator == Coordinator::Unknown
    }

    /// Whether it is a member, or about to be.
    fn is_in_play(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Parked { .. } | Phase::Failed | Phase::Closed)
    }

    /// Whether the coordinator expects heartbeats. While a join or sync is out it does not, and would
    /// not answer them before it.
    fn beats(&self) -> bool {
        self.generation.is_some()
            && self.knows_coordinator()
            && matches!(self.phase, Phase::Revoking { .. } | Phase::Dividing(..) | Phase::Stable)
    }

    fn lease(&self) -> Option<Moment> {
        let out = matches!(self.phase, Phase::Joining(_) | Phase::Syncing(_));
        let needed = !self.owned.is_empty() && !self.config.hold_through_silence && !out;
        needed.then(|| self.timing.lease(&self.config))
    }
}
