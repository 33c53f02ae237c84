//! The background task of a consumer: drives the [`Member`], and does all that must not depend on how often
//! the application polls. One task, one timer, whatever the number of partitions.
//!
//! ```text
//!   handles, polls ──Control──► ┌────────┐ ──Event──► Member ──Command──┐
//!   answers (ops) ─────Done───► │ driver │ ◄───────────────────────────┘
//!                               └────────┘ ──Change──► the application's side (engine, lanes)
//! ```

mod ask;
mod commits;
mod partitions;
mod topics;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ottla_broker_core::TopicName;
use ottla_broker_core::api::group::Generation;
use ottla_broker_core::env::{BoxFuture, Moment};
use ottla_broker_core::planted::is_planted;
use tokio::sync::{mpsc, oneshot};

use super::assignor::Assignor;
use super::commit::Commit;
use super::coordinator::Coordinator;
use super::error::Error;
use super::handle::Handle;
use super::listener::RebalanceListener;
use super::membership::{Command, Config, Event, Identity, Member, Trouble};
use super::metrics::Metrics;
use super::settings::Settings;
use super::shared::{Change, Control, Left, Shared};
use super::wanted::Wanted;
use crate::context::Context;
use commits::Commits;
use partitions::Prepared;
pub(super) use topics::{Counts, count_wanted};

/// What became of something that was under way.
enum Done {
    Event(Event),
    Topics(topics::Answer),
    Prepared(Prepared),
    Announced(Prepared),
    /// The listener is done with what is revoked.
    Heard(partitions::Revocation),
    Committed(Box<commits::Answer>),
    /// A commit's pause is over.
    CommitAgain(Box<commits::Job>),
    Left,
    Nothing,
}

type Operations = FuturesUnordered<BoxFuture<'static, Done>>;

pub(super) struct Driver {
    context: Context,
    shared: Arc<Shared>,
    settings: Settings,
    wanted: Wanted,
    assignors: Arc<[Arc<dyn Assignor>]>,
    listener: Arc<dyn RebalanceListener>,
    coordinator: Arc<Coordinator>,
    /// `None` with partitions chosen by hand.
    member: Option<Member>,
    /// The protocol of the last sync.
    protocol: Option<Arc<str>>,
    control: mpsc::UnboundedReceiver<Control>,
    operations: Operations,
    /// For the member, in order.
    events: VecDeque<Event>,
    commits: Commits,
    topics_at: Option<Moment>,
    polls: Polls,
    closing: Option<Closing>,
    /// Nothing more is to be done but to let the farewell out.
    over: bool,
    farewells: usize,
    left: Left,
    metrics: Metrics,
}

/// What is known of the application's polls.
#[derive(Debug, Default)]
struct Polls {
    seen: u64,
    waiting: bool,
    /// It was busy for too long, and only says when it polls.
    parked: bool,
}

#[derive(Debug)]
struct Closing {
    until: Moment,
    limit: Duration,
    replies: Vec<oneshot::Sender<Result<Left, Error>>>,
}

/// What a driver is made of.
pub(super) struct Parts {
    pub(super) context: Context,
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Settings,
    pub(super) wanted: Wanted,
    pub(super) assignors: Vec<Arc<dyn Assignor>>,
    pub(super) listener: Arc<dyn RebalanceListener>,
    pub(super) coordinator: Arc<Coordinator>,
    pub(super) member: Option<Config>,
    pub(super) control: mpsc::UnboundedReceiver<Control>,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { context, shared, settings, wanted, assignors, listener, coordinator, member, control } = parts;
        let now = context.env.now();
        Self {
            metrics: Metrics::new(&context.client_id, &shared.group),
            member: member.map(|config| Member::new(config, now)),
            commits: Commits::new(settings.commit, now),
            assignors: assignors.into(),
            context,
            shared,
            settings,
            wanted,
            listener,
            coordinator,
            protocol: None,
            control,
            operations: Operations::new(),
            events: VecDeque::new(),
            topics_at: None,
            polls: Polls::default(),
            closing: None,
            over: false,
            farewells: 0,
            left: Left::default(),
        }
    }

    /// Begins with topics whose numbers of partitions were just asked for, and runs until the consumer is closed.
    pub(super) async fn run(mut self, topics: topics::Counts) {
        if self.member.is_some() {
            self.take_topics(&topics);
        } else {
            let partitions = self.wanted.partitions.clone();
            self.assign(Generation::NONE, partitions);
        }
        loop {
            self.settle();
            if self.over && self.farewells == 0 {
                break;
            }
            let deadline = self.deadline();
            let sleep = self.context.env.sleep_until(deadline.unwrap_or_default());
            tokio::select! {
                biased;
                Some(control) = self.control.recv() => self.take_control(control),
                Some(done) = self.operations.next(), if !self.operations.is_empty() => self.take_done(done),
                () = sleep, if deadline.is_some() => {
                    if self.closing.as_ref().is_some_and(|closing| self.context.env.now() >= closing.until) {
                        return self.give_up().await;
                    }
                    self.events.push_back(Event::Tick);
                }
            }
        }
        let left = self.left.clone();
        self.end(Ok(left));
    }

    /// Does all that can be done now.
    fn settle(&mut self) {
        self.watch_polls();
        loop {
            while let Some(event) = self.events.pop_front() {
                let now = self.context.env.now();
                let Some(member) = &mut self.member else { continue };
                for command in member.handle(now, event) {
                    self.carry_out(command);
                }
            }
            let now = self.context.env.now();
            if self.topics_at.is_some_and(|at| now >= at) {
                self.ask_topics();
            }
            self.commit_by_clock(now);
            self.send_commits(now);
            if self.events.is_empty() {
                return;
            }
        }
    }

    fn deadline(&self) -> Option<Moment> {
        let member = self.member.as_ref().and_then(Member::deadline);
        let closing = self.closing.as_ref().map(|closing| closing.until);
        [member, closing, self.topics_at, self.commits.due()].into_iter().flatten().min()
    }

    /// Tells the member what the application's polls say. A busy application is noticed when the member's
    /// time comes, so polls themselves need not wake anybody.
    fn watch_polls(&mut self) {
        let waiting = self.shared.is_waiting();
        let seen = self.shared.polls.load(Ordering::Relaxed);
        let (waited, polled) = (self.polls.waiting, self.polls.seen != seen);
        (self.polls.waiting, self.polls.seen) = (waiting, seen);
        if self.polls.parked {
            return;
        }
        if waiting && !waited {
            self.events.push_front(Event::PollBegan);
        } else if !waiting && (waited || polled) {
            self.events.push_front(Event::PollEnded);
        }
    }

    fn take_control(&mut self, control: Control) {
        match control {
            Control::Commit { reply } => self.commit_acked(reply),
            Control::CommitOffsets { offsets, reply } => self.commit_offsets(offsets, reply),
            Control::CommitAhead { assigned, due, reply } => self.commit_ahead(assigned, due, reply),
            Control::Told => self.events.push_back(Event::PollBegan),
            Control::Polled => {
                self.polls.parked = false;
                self.events.push_back(Event::PollBegan);
            }
            Control::Shutdown { limit, reply } => self.begin_closing(limit, reply),
        }
    }

    fn begin_closing(&mut self, limit: Duration, reply: Option<oneshot::Sender<Result<Left, Error>>>) {
        let until = self.context.env.now() + limit;
        if let Some(closing) = &mut self.closing {
            // Who drops it meanwhile asks for nothing: the limit that was asked for holds.
            let asked = reply.is_some() || is_planted("drop-cuts-a-shutdown-short");
            closing.replies.extend(reply);
            if asked && until < closing.until {
                (closing.until, closing.limit) = (until, limit);
            }
            return;
        }
        self.closing = Some(Closing { until, limit, replies: reply.into_iter().collect() });
        for assigned in self.shared.assigned().values() {
            assigned.stop();
        }
        if self.member.is_some() {
            self.events.push_back(Event::Leave);
        } else {
            let partitions: Vec<_> = self.shared.assigned().keys().cloned().collect();
            self.revoke(None, partitions);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::FindCoordinator(request) => self.find_coordinator(request),
            Command::Join { request, member, subscription } => self.join(request, member, &subscription),
            Command::Divide { request, protocol, members } => self.divide(request, protocol, members),
            Command::Sync { request, member, generation, protocol, assignments } => {
                self.protocol = Some(Arc::clone(&protocol));
                self.sync(request, member, generation, protocol, assignments);
            }
            Command::Heartbeat { request, member, generation } => self.heartbeat(request, member, generation),
            Command::Leave { member } => self.leave(member),
            Command::Revoke { request, partitions } => self.revoke(Some(request), partitions),
            Command::Assign { generation, added, data } => {
                self.metrics.rebalanced();
                let share: Vec<_> = self.member.iter().flat_map(|member| member.owned().iter().cloned()).collect();
                tracing::info!(
                    group = %self.shared.group, %generation, added = added.len(), partitions = share.len(), "rebalanced"
                );
                let protocol = self.protocol.as_deref();
                if let Some(assignor) = self.assignors.iter().find(|assignor| Some(assignor.name()) == protocol) {
                    assignor.assigned(generation, &share, data.as_ref());
                }
                if !added.is_empty() {
                    self.assign(generation, added);
                }
            }
            Command::Lost(partitions) => self.lose(partitions),
            Command::Report(trouble) => self.report(trouble),
            Command::Closed => self.over = true,
        }
    }

    fn report(&mut self, trouble: Trouble) {
        tracing::warn!(group = %self.shared.group, %trouble, "the membership is in trouble");
        self.polls.parked = matches!(trouble, Trouble::PollInterval { .. });
        let Identity { member, .. } = self.identity();
        let error = Error::Membership { group: self.shared.group.clone(), member, trouble };
        self.shared.change(Change::Failed(error));
    }

    fn take_done(&mut self, done: Done) {
        match done {
            Done::Event(event) => self.events.push_back(event),
            Done::Topics(answer) => self.topics_came(answer),
            Done::Prepared(prepared) => self.prepared(prepared),
            Done::Announced(prepared) => self.hand_out(prepared),
            Done::Heard(revocation) => self.release(revocation),
            Done::Committed(answer) => self.committed(*answer),
            Done::CommitAgain(job) => self.commit_again(*job),
            Done::Left => self.farewells = self.farewells.saturating_sub(1),
            Done::Nothing => {}
        }
    }

    fn identity(&self) -> Identity {
        let nobody = Identity { member: None, generation: Generation::NONE };
        self.member.as_ref().map_or(nobody, Member::identity)
    }

    fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared), Arc::clone(&self.coordinator), &self.settings)
    }

    /// The time is up: what is not done is left.
    async fn give_up(mut self) {
        let limit = self.closing.as_ref().map_or(Duration::ZERO, |closing| closing.limit);
        let assigned: Vec<_> = std::mem::take(&mut *self.shared.assigned()).into_values().collect();
        let mut names = Vec::new();
        for assigned in assigned {
            assigned.lose();
            let left = assigned.left();
            names.push(format!("{} ({} not acknowledged)", left.partition, left.unacked));
            self.left.partitions.push(left);
        }
        let left = match names.len() {
            0 => "the coordinator was not told in time".to_owned(),
            _ => format!("not released in order, so that acknowledged messages may come again: {}", names.join(", ")),
        };
        let group = self.shared.group.clone();
        self.operations = Operations::new();
        let identity = self.identity();
        let leaves = self.settings.leave_on_close.unwrap_or(self.settings.group_instance_id.is_none());
        let coordinator = Arc::clone(&self.coordinator);
        let instance = self.settings.group_instance_id.clone();
        self.end(Err(Error::NotClosed { group, limit, left }));
        if let Some(member) = identity.member.filter(|_| leaves) {
            // Nobody waits for this any more; the group need not wait for the session to expire.
            ask::leave(&coordinator, member, instance.as_deref(), FAREWELL).await;
        }
    }

    fn end(&mut self, result: Result<Left, Error>) {
        self.shared.stop();
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.clone());
        self.control.close();
        // A shutdown or commit that came at the very end is answered too.
        while let Ok(control) = self.control.try_recv() {
            if let Control::Shutdown { reply: Some(reply), .. } = control {
                let _ = reply.send(result.clone());
            }
        }
        for reply in self.closing.take().into_iter().flat_map(|closing| closing.replies) {
            let _ = reply.send(result.clone());
        }
        tracing::info!(group = %self.shared.group, "the consumer has ended");
    }

    fn watched(&self) -> BTreeSet<TopicName> {
        self.member.as_ref().map(Member::watched).unwrap_or_default()
    }

    fn keeps_offsets(&self) -> bool {
        self.settings.commit != Commit::Application
    }
}

impl Drop for Driver {
    /// The runtime went away under the task: a call that waits must not wait for ever.
    fn drop(&mut self) {
        let mut ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            *ended = Some(Err(self.shared.abandoned(Duration::ZERO)));
            for assigned in self.shared.assigned().values() {
                assigned.lose();
            }
            self.shared.change(Change::Failed(self.shared.closed()));
        }
    }
}

/// How long the coordinator may take over a farewell.
const FAREWELL: Duration = Duration::from_secs(1);
