//! What drives a reader: a state machine that is polled by whoever waits for the next message.
//!
//! ```text
//!   slots ──ask──► fetch in flight, one a leader ──answer──► slots' entries ──► ready queue ──► next
//!         ──ask──► chores: look-ups of offsets, metadata
//! ```
//!
//! There is no task, and one timer whatever the number of partitions. The futures of questions live in the
//! engine, so that dropping `next` drops no answer. The next fetch is in flight while the last one's
//! messages are handed over.
//!
//! Memory (invariant 10): a fetch is asked for only while less than half of `max_buffered_bytes` is
//! buffered, and all fetches in flight may bring the other half; beyond that stands at most the one
//! batch a leader that is returned however large.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures::Stream;
use futures::stream::FuturesUnordered;
use ottla_broker_core::BrokerId;
use ottla_broker_core::api::{FetchPartition, FetchRequest};
use ottla_broker_core::env::{BoxFuture, Moment};
use ottla_broker_core::planted::is_planted;

use super::at::At;
use super::error::Error;
use super::handle::Shared;
use super::messages::Messages;
use super::metrics::Metrics;
use super::selection::Selection;
use super::settings::Settings;
use super::slot::Slot;
use super::work::{self, Asked, Event, Place, Which};
use crate::context::Context;

type Questions = FuturesUnordered<BoxFuture<'static, Event>>;

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) context: Context,
    pub(crate) settings: Settings,
    pub(crate) selection: Selection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) slots: Vec<Slot>,
    /// Slots with entries, in the order in which they are served.
    pub(crate) ready: VecDeque<usize>,
    pub(crate) buffered: usize,
    /// Errors that are about no partition.
    pub(crate) errors: VecDeque<Error>,
    fetches: Questions,
    /// Leaders with a fetch in flight.
    fetching: Vec<BrokerId>,
    chores: Questions,
    pub(super) metadata: super::refresh::Refresh,
    timer: Timer,
    /// Whether something changed since the slots were gone through for what to ask: going through ten
    /// thousand of them for every batch would make each cost as much as all.
    look: bool,
    look_up: bool,
    /// Where the next fetch's list begins, so that no partition starves.
    turn: usize,
    /// Slots that were given up.
    vacant: Vec<usize>,
    pub(super) metrics: Metrics,
}

impl Engine {
    pub(crate) fn new(context: Context, settings: Settings, selection: Selection, shared: Arc<Shared>) -> Self {
        let metrics = Metrics::new(&context.client_id);
        Self {
            context,
            settings,
            selection,
            shared,
            slots: Vec::new(),
            ready: VecDeque::new(),
            buffered: 0,
            errors: VecDeque::new(),
            fetches: Questions::new(),
            fetching: Vec::new(),
            chores: Questions::new(),
            metadata: super::refresh::Refresh::default(),
            timer: Timer::default(),
            look: true,
            look_up: true,
            turn: 0,
            vacant: Vec::new(),
            metrics,
        }
    }

    /// The next batch and its slot; `None` when everything wanted was handed over or the reader was ended.
    pub(crate) fn poll_batch(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<(usize, Messages), Error>>> {
        // A log that is always ahead must not keep the runtime's other tasks from running.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        self.shared.waker.register(cx.waker());
        loop {
            if self.shared.is_stopped() {
                return Poll::Ready(None);
            }
            let moved = self.step(cx);
            if let Some(error) = self.errors.pop_front() {
                budget.made_progress();
                return Poll::Ready(Some(Err(error)));
            }
            if let Some(item) = self.pop() {
                budget.made_progress();
                return Poll::Ready(Some(item));
            }
            if self.slots.iter().all(Slot::is_finished) && !self.selection.follows() {
                return Poll::Ready(None);
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Waits until every start and end is known.
    pub(crate) fn poll_resolved(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        loop {
            let moved = self.step(cx);
            if let Some(error) = self.errors.pop_front() {
                return Poll::Ready(Err(error));
            }
            if is_planted("reader-drops-what-came-early") {
                self.slots.iter_mut().for_each(|slot| drop(slot.pop()));
            }
            // Records that are here already stay for the first `next`.
            if let Some(error) = self.slots.iter_mut().find_map(Slot::take_error) {
                return Poll::Ready(Err(error));
            }
            if !self.slots.iter().any(Slot::is_unresolved) {
                return Poll::Ready(Ok(()));
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Takes in what has come and asks for what is missing. Returns whether anything changed, so that it
    /// is worth looking again; when not, the task is woken by what it waits for.
    fn step(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some(event)) = Pin::new(&mut self.chores).poll_next(cx) {
            self.take_in(event);
            moved = true;
        }
        while let Poll::Ready(Some(event)) = Pin::new(&mut self.fetches).poll_next(cx) {
            self.take_in(event);
            moved = true;
            if !self.has_room() {
                break;
            }
        }
        let now = self.context.env.now();
        moved |= self.refresh_metadata(now);
        if std::mem::take(&mut self.look_up) {
            moved |= self.ask_places(now);
        }
        if self.look && self.has_room() {
            self.look = false;
            moved |= self.ask_fetches(now);
        }
        let wake_at = [self.metadata.retry_at(), self.metadata.due_at()].into_iter().flatten().min();
        if self.timer.poll(&self.context, wake_at, cx) {
            // Only the earliest is remembered: the others have to be found again, or nobody wakes for them.
            let now = self.context.env.now();
            let next = self.slots.iter().filter_map(|slot| slot.retry_at).filter(|at| *at > now).min();
            self.metadata.retry_came(next.filter(|_| !is_planted("reader-forgets-look-ups")));
            self.look_again();
            moved = true;
        }
        moved
    }

    /// Has the slots gone through for what to ask.
    pub(crate) const fn look_again(&mut self) {
        self.look = true;
        self.look_up = true;
    }

    pub(super) fn ask(&self, question: impl Future<Output = Event> + Send + 'static) {
        self.chores.push(Box::pin(question));
    }

    fn take_in(&mut self, event: Event) {
        self.look_again();
        match event {
            Event::Fetched { broker, asked, answer } => {
                self.fetching.retain(|busy| *busy != broker);
                self.take_fetched(&asked, answer);
            }
            Event::Resolved { answers } => self.take_resolved(answers),
            Event::Metadata { topics, answer } => self.take_metadata(&topics, answer),
        }
    }

    fn has_room(&self) -> bool {
        self.buffered < self.settings.max_buffered_bytes.div_ceil(2) || is_planted("reader-buffer-unbounded")
    }

    /// Looks up starts and ends, one question a leader.
    fn ask_places(&mut self, now: Moment) -> bool {
        let mut places: BTreeMap<BrokerId, Vec<Place>> = BTreeMap::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(leader) = slot.leader.filter(|_| slot.is_unresolved() && slot.may_ask(now)) else {
                continue;
            };
            slot.asked = true;
            let asked = Asked { slot: index, generation: slot.generation };
            for (which, at) in [(Which::Start, slot.start), (Which::End, slot.end)] {
                if let Some(at) = at {
                    let partition = (*slot.source).clone();
                    places.entry(leader).or_default().push(Place { asked, which, partition, at });
                }
            }
        }
        let any = !places.is_empty();
        for (leader, places) in places {
            self.ask(work::resolve(Arc::clone(&self.context.cluster), leader, self.settings.isolation, places));
        }
        any
    }

    /// Asks each leader without a fetch in flight for all that is wanted of it.
    fn ask_fetches(&mut self, now: Moment) -> bool {
        let mut wanted: BTreeMap<BrokerId, (Vec<Asked>, Vec<FetchPartition>)> = BTreeMap::new();
        let count = self.slots.len();
        let turn = self.turn.checked_rem(count).unwrap_or(0);
        for index in (turn..count).chain(0..turn) {
            let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.wants_fetch(now)) else {
                continue;
            };
            let Some(leader) = slot.leader.filter(|leader| !self.fetching.contains(leader)) else {
                continue;
            };
            (slot.asked, slot.late) = (true, false);
            let (asked, partitions) = wanted.entry(leader).or_default();
            asked.push(Asked { slot: index, generation: slot.generation });
            partitions.push(FetchPartition {
                partition: (*slot.source).clone(),
                offset: slot.fetch_from(),
                max_bytes: self.settings.partition_bytes,
                current_leader_epoch: Some(slot.epoch),
            });
        }
        let any = !wanted.is_empty();
        // The other half of the buffer is shared by the leaders.
        let leaders = wanted.len() + self.fetching.len();
        let max_bytes = (self.settings.max_buffered_bytes / 2).checked_div(leaders).unwrap_or(0).max(1);
        for (broker, (asked, partitions)) in wanted {
            let request = FetchRequest {
                replica: None,
                max_wait: self.settings.max_wait,
                min_bytes: self.settings.min_bytes,
                max_bytes,
                isolation: self.settings.isolation,
                partitions,
            };
            tracing::trace!(%broker, partitions = asked.len(), max_bytes, buffered = self.buffered, "fetch");
            self.fetching.push(broker);
            self.fetches.push(Box::pin(work::fetch(Arc::clone(&self.context.cluster), broker, asked, request)));
        }
        any
    }

    /// Begins the next list after the last partition that had something, so that one with much does
    /// not use up the bytes of every answer.
    pub(crate) const fn had_something(&mut self, slot: usize) {
        self.turn = slot + 1;
    }

    /// Drops the fetches in flight, because they ask for what is no longer wanted and would keep the
    /// others waiting.
    pub(crate) fn ask_anew(&mut self) {
        self.fetches = Questions::new();
        self.fetching.clear();
        for slot in self.slots.iter_mut().filter(|slot| !slot.is_unresolved()) {
            slot.asked = false;
        }
        self.look_again();
        self.shared.waker.wake();
    }

    /// Reads one more partition. Returns the place of its slot, which may have been another's before.
    /// After the last of several call [`ask_anew`](Self::ask_anew).
    pub(crate) fn install(&mut self, mut slot: Slot) -> usize {
        self.selection.add_partition(slot.source.topic.clone(), slot.source.partition);
        let leaderless = slot.leader.is_none();
        let index = match self.vacant.pop() {
            Some(index) => {
                if let Some(place) = self.slots.get_mut(index) {
                    // What was asked for in the name of the former one is not for this one.
                    slot.generation = place.generation.wrapping_add(1);
                    slot.queued = place.queued;
                    *place = slot;
                }
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        let now = self.context.env.now();
        self.metadata.at(if leaderless { now } else { now + self.settings.metadata_refresh });
        index
    }

    /// Reads a partition no more.
    pub(crate) fn remove(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index).filter(|_| !self.vacant.contains(&index)) else { return };
        slot.gone = true;
        slot.generation = slot.generation.wrapping_add(1);
        self.buffered = self.buffered.saturating_sub(slot.clear());
        self.selection.remove_partition(&slot.source.topic.clone(), slot.source.partition);
        self.vacant.push(index);
        self.look_again();
    }

    /// Goes to another place of a partition, forgetting what was fetched of it.
    pub(crate) fn go(&mut self, index: usize, to: At) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.asked = false;
            self.buffered = self.buffered.saturating_sub(slot.seek(to));
            self.ask_anew();
        }
    }

    pub(crate) fn enqueue(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.is_ready() && !slot.queued) {
            slot.queued = true;
            self.ready.push_back(index);
        }
    }

    fn pop(&mut self) -> Option<Result<(usize, Messages), Error>> {
        while let Some(index) = self.ready.pop_front() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            slot.queued = false;
            if !slot.is_ready() {
                continue;
            }
            let (freed, item) = slot.pop();
            let dry = slot.runs_dry();
            self.buffered = self.buffered.saturating_sub(freed);
            self.enqueue(index);
            if dry {
                self.ask_anew();
            }
            if let Some(item) = item {
                if item.is_err() {
                    // The slot stood still for the error, or forgot what it had.
                    self.look_again();
                }
                self.metrics.handed_over(freed);
                return Some(item.map(|messages| (index, messages)));
            }
        }
        None
    }
}

/// One sleep at a time.
#[derive(Default)]
struct Timer(Option<(Moment, BoxFuture<'static, ()>)>);

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Timer").field(&self.0.as_ref().map(|(at, _)| at)).finish()
    }
}

impl Timer {
    /// Whether `wake_at` has come; if not, the task is woken then.
    fn poll(&mut self, context: &Context, wake_at: Option<Moment>, cx: &mut TaskContext<'_>) -> bool {
        let Some(wake_at) = wake_at else {
            self.0 = None;
            return false;
        };
        if self.0.as_ref().is_none_or(|(at, _)| *at != wake_at) {
            let env = context.env.clone();
            self.0 = Some((wake_at, Box::pin(async move { env.sleep_until(wake_at).await })));
        }
        let done = self.0.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if done {
            self.0 = None;
        }
        done
    }
}
