//! What waits to be sent over a connection, and what waits for its answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::planted::is_planted;
use tokio::sync::Notify;

use super::address::Address;
use super::ask::Job;
use super::error::Error;
use crate::negotiate::ServerVersions;

/// Requests and bytes of one write: enough for a large batch, and few enough that answers are looked at in between.
const WRITE_REQUESTS: usize = 64;
const WRITE_BYTES: usize = 4 << 20;

/// Shared by who asks and the task that has the connection.
pub(super) struct Backlog {
    pub(super) address: Address,
    pub(super) env: Env,
    state: Mutex<State>,
    /// For the task: there is something to send, or a connection is wanted.
    pub(super) work: Notify,
    /// For the task: something is due earlier than it thought.
    pub(super) hurry: Notify,
    /// For who waits for room or a connection.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    in_flight: VecDeque<InFlight>,
    /// Those of the write that is under way, of [`Outgoing::bytes`], which are not answered: they are done when they
    /// are on their way.
    leaving: Vec<InFlight>,
    /// Of all that waits, and of the write that is under way.
    unsent_bytes: usize,
    connected: bool,
    wanted: bool,
    /// How many attempts to connect have failed, and the last one's end.
    failed: u64,
    failure: Option<Error>,
    ended: bool,
    watched_until: Option<Moment>,
    last_used: Moment,
    next_id: i32,
}

struct Waiting {
    job: Box<dyn Job>,
    asked: Moment,
}

struct InFlight {
    job: Box<dyn Job>,
    correlation_id: i32,
    due: Moment,
}

impl State {
    /// What was taken and may have been carried out.
    fn under_way(&self) -> impl Iterator<Item = &InFlight> {
        self.in_flight.iter().chain(&self.leaving)
    }

    fn take_under_way(&mut self) -> Vec<InFlight> {
        std::mem::take(&mut self.in_flight).into_iter().chain(self.leaving.drain(..)).collect()
    }
}

impl Waiting {
    fn due(&self) -> Moment {
        self.asked + self.job.limits().time
    }
}

/// What is to be written at once.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) chunks: Vec<Bytes>,
    bytes: usize,
}

/// Whether there is room and a connection.
pub(super) enum Room {
    Yes,
    Later { failed: u64 },
    No(Error),
}

impl Backlog {
    pub(super) fn new(address: Address, env: Env) -> Arc<Self> {
        let state = State { last_used: env.now(), ..State::default() };
        Arc::new(Self {
            address,
            env,
            state: Mutex::new(state),
            work: Notify::new(),
            hurry: Notify::new(),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request, in the order of the calls.
    pub(super) fn push(&self, job: Box<dyn Job>) {
        let waiting = Waiting { job, asked: self.env.now() };
        {
            let mut state = self.state();
            if state.ended {
                drop(state);
                let api = waiting.job.api();
                waiting.job.failed(self.not_sent(api, "its runtime has ended"));
                return;
            }
            state.unsent_bytes += waiting.job.limits().bytes;
            if state.watched_until.is_none_or(|until| waiting.due() < until) {
                self.hurry.notify_one();
            }
            state.waiting.push_back(waiting);
        }
        self.work.notify_one();
    }

    fn not_sent(&self, api: crate::api::ApiKey, reason: impl Into<Arc<str>>) -> Error {
        Error::NotSent { address: self.address.clone(), api, reason: reason.into() }
    }

    /// Whether `bytes` more may wait. If there is no connection, one is made. `since`: how many attempts had failed
    /// when whoever asks began to wait.
    pub(super) fn room(&self, bytes: usize, limit: usize, since: Option<u64>) -> Room {
        let mut state = self.state();
        if state.ended {
            return Room::No(Error::Unreachable {
                address: self.address.clone(),
                reason: Arc::from("the runtime of its connection has ended"),
            });
        }
        if state.connected {
            let room = state.unsent_bytes == 0 || state.unsent_bytes.saturating_add(bytes) <= limit;
            return if room { Room::Yes } else { Room::Later { failed: since.unwrap_or(state.failed) } };
        }
        match (since, &state.failure) {
            (Some(since), Some(error)) if state.failed > since => Room::No(error.clone()),
            _ => {
                state.wanted = true;
                self.work.notify_one();
                Room::Later { failed: since.unwrap_or(state.failed) }
            }
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state().connected
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state().ended
    }

    /// Whether nothing waits to be sent or answered.
    pub(super) fn is_free(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.under_way().next().is_none()
    }

    /// Whether something waits to be sent.
    pub(super) fn is_waiting(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    /// Whether a connection is wanted.
    pub(super) fn has_work(&self) -> bool {
        let state = self.state();
        state.wanted || !state.waiting.is_empty()
    }

    pub(super) fn has_connected(&self) {
        {
            let mut state = self.state();
            state.connected = true;
            state.wanted = false;
            state.failure = None;
            state.last_used = self.env.now();
        }
        self.changed.notify_waiters();
    }

    /// What waits is told that there is no connection.
    pub(super) fn could_not_connect(&self, error: &Error) {
        let waiting = {
            let mut state = self.state();
            state.failed += 1;
            state.failure = Some(error.clone());
            state.wanted = false;
            state.unsent_bytes = 0;
            std::mem::take(&mut state.waiting)
        };
        for waiting in waiting {
            waiting.job.failed(error.clone());
        }
        self.changed.notify_waiters();
    }

    /// The connection is gone. What was in flight may have been carried out; what follows it is not sent over the next
    /// connection, where it would overtake what is asked again.
    pub(super) fn lost(&self, reason: &Arc<str>) {
        let (under_way, waiting) = {
            let mut state = self.state();
            state.connected = false;
            let under_way = state.take_under_way();
            let waiting = if under_way.is_empty() || is_planted("unsent-overtakes-lost") {
                VecDeque::new()
            } else {
                std::mem::take(&mut state.waiting)
            };
            // The write that was under way is over, however far it came.
            if !is_planted("lost-write-keeps-its-room") {
                state.unsent_bytes = state.waiting.iter().map(|waiting| waiting.job.limits().bytes).sum();
            }
            (under_way, waiting)
        };
        let now = self.env.now();
        for InFlight { job, due, .. } in under_way {
            let (address, api) = (self.address.clone(), job.api());
            let error = if now >= due {
                Error::TimedOut { address, api, limit: job.limits().time }
            } else {
                Error::Lost { address, api, reason: Arc::clone(reason) }
            };
            job.failed(error);
        }
        for Waiting { job, .. } in waiting {
            let error = self.not_sent(job.api(), Arc::clone(reason));
            job.failed(error);
        }
        self.changed.notify_waiters();
    }

    /// The task ends: nothing is sent any more.
    pub(super) fn end(&self) {
        let (under_way, waiting) = {
            let mut state = self.state();
            state.ended = true;
            state.connected = false;
            (state.take_under_way(), std::mem::take(&mut state.waiting))
        };
        for InFlight { job, .. } in under_way {
            let error = Error::Closed { address: self.address.clone(), api: job.api() };
            job.failed(error);
        }
        for Waiting { job, .. } in waiting {
            let error = self.not_sent(job.api(), "the client was closed, or its runtime has ended");
            job.failed(error);
        }
        self.changed.notify_waiters();
    }

    /// The next requests as bytes, which are in flight from now on. Those that nobody waits for are left out.
    pub(super) fn take(&self, client_id: &str, versions: &ServerVersions) -> Outgoing {
        let mut outgoing = Outgoing::default();
        for _ in 0..WRITE_REQUESTS {
            let (mut waiting, correlation_id) = {
                let mut state = self.state();
                let Some(waiting) = state.waiting.pop_front() else { break };
                let correlation_id = state.next_id;
                state.next_id = state.next_id.wrapping_add(1);
                (waiting, correlation_id)
            };
            let bytes = waiting.job.limits().bytes;
            if waiting.job.is_dropped() {
                self.sent(bytes);
                continue;
            }
            // Encoding happens outside the lock; only this task takes requests, so that their order stays.
            let (encoded, answered) = match waiting.job.encode(&self.address, correlation_id, client_id, versions) {
                Ok(encoded) => encoded,
                Err(error) => {
                    self.sent(bytes);
                    waiting.job.failed(error);
                    continue;
                }
            };
            outgoing.bytes += bytes;
            let len = encoded.len();
            outgoing.chunks.extend(encoded.into_chunks());
            let taken = InFlight { due: waiting.due(), job: waiting.job, correlation_id };
            let mut state = self.state();
            if answered {
                state.in_flight.push_back(taken);
            } else {
                state.leaving.push(taken);
            }
            drop(state);
            if len >= WRITE_BYTES {
                break;
            }
        }
        outgoing
    }

    /// A request that goes before all that wait, as bytes. It is in flight from now on, and its time begins when
    /// what was asked before it is due: it is answered after that.
    ///
    /// # Errors
    /// If it cannot be said.
    pub(super) fn take_ahead(
        &self,
        mut job: Box<dyn Job>,
        client_id: &str,
        versions: &ServerVersions,
    ) -> Result<Vec<Bytes>, Error> {
        let correlation_id = {
            let mut state = self.state();
            let correlation_id = state.next_id;
            state.next_id = state.next_id.wrapping_add(1);
            correlation_id
        };
        let (encoded, _) = job.encode(&self.address, correlation_id, client_id, versions)?;
        let mut state = self.state();
        let now = self.env.now();
        let before = state.in_flight.iter().map(|asked| asked.due).max();
        let begins = before.filter(|due| *due > now && !is_planted("renewal-due-before-its-turn")).unwrap_or(now);
        let due = begins + job.limits().time;
        state.in_flight.push_back(InFlight { job, correlation_id, due });
        if state.watched_until.is_none_or(|until| due < until) {
            self.hurry.notify_one();
        }
        Ok(encoded.into_chunks().collect())
    }

    fn sent(&self, bytes: usize) {
        let mut state = self.state();
        state.unsent_bytes = state.unsent_bytes.saturating_sub(bytes);
        state.last_used = self.env.now();
    }

    /// What was taken is on its way.
    pub(super) fn written(&self, outgoing: &Outgoing) {
        self.sent(outgoing.bytes);
        let left = std::mem::take(&mut self.state().leaving);
        for left in left {
            // Without a frame there is nothing that could be malformed.
            drop(left.job.answered(&self.address, None));
        }
        self.changed.notify_waiters();
    }

    /// An answer has come.
    pub(super) fn answered(&self, correlation_id: i32, frame: Bytes) -> Result<(), String> {
        let oldest = {
            let mut state = self.state();
            state.last_used = self.env.now();
            state.in_flight.pop_front()
        };
        let Some(InFlight { job, correlation_id: asked, due }) = oldest else {
            return Err(format!("it answered request {correlation_id}, and nothing was asked"));
        };
        if asked != correlation_id && !is_planted("answers-out-of-step-taken") {
            // Back, to be told what happened.
            let api = job.api();
            self.state().in_flight.push_front(InFlight { job, correlation_id: asked, due });
            return Err(format!(
                "it answered request {correlation_id}, and the answer to request {asked} ({api}) is due"
            ));
        }
        let api = job.api();
        job.answered(&self.address, Some(frame))
            .map_err(|error| format!("its answer to request {correlation_id} ({api}) cannot be read: {error}"))
    }

    /// Tells those that have waited too long to be sent, and says when to look again. `Err` if an answer is
    /// overdue: those behind it would be too.
    pub(super) fn look_after(&self, idle_timeout: Option<Duration>) -> Result<Option<Moment>, Overdue> {
        let now = self.env.now();
        let mut expired = Vec::new();
        let next = {
            let mut state = self.state();
            if state.under_way().any(|asked| asked.due <= now) {
                return Err(Overdue::Answer);
            }
            let (late, rest) = std::mem::take(&mut state.waiting).into_iter().partition(|waiting| waiting.due() <= now);
            state.waiting = rest;
            expired.extend::<VecDeque<Waiting>>(late);
            let freed: usize = expired.iter().map(|waiting| waiting.job.limits().bytes).sum();
            state.unsent_bytes = state.unsent_bytes.saturating_sub(freed);
            let due = state.under_way().map(|asked| asked.due).chain(state.waiting.iter().map(Waiting::due)).min();
            let next = match (due, idle_timeout) {
                (None, Some(idle_timeout)) => {
                    let idle = state.last_used + idle_timeout;
                    if idle <= now {
                        return Err(Overdue::Idle);
                    }
                    Some(idle)
                }
                (due, _) => due,
            };
            state.watched_until = next;
            next
        };
        for waiting in expired {
            let reason = format!("it waited for a connection for {:?}", waiting.job.limits().time);
            let error = self.not_sent(waiting.job.api(), reason);
            waiting.job.failed(error);
        }
        Ok(next)
    }
}

/// Why a connection is to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// An answer did not come in time.
    Answer,
    /// Nothing was asked for long.
    Idle,
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog").field("address", &self.address).finish_non_exhaustive()
    }
}
