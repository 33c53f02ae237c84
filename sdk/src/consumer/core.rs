//! The application's side of a consumer: the reader's engine, with a tracker a partition.
//!
//! Nothing here is asynchronous of itself: it is polled by whoever waits for a message, and does first what the
//! background task has left for it.

mod changes;

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{Offset, TopicPartition};
use tokio::sync::oneshot;

use super::acks::{AckMany, MaxUnacked, NotHandedOver, Position};
use super::commit::Commit;
use super::error::Error;
use super::lane::Lane;
use super::membership::Trouble;
use super::message::{Batch, Message};
use super::shared::{Control, Shared};
use crate::reader::{At, Engine, Messages};

/// A batch that is handed over once the commit of its end is answered.
#[derive(Debug)]
struct Ahead {
    index: usize,
    messages: Messages,
    answer: oneshot::Receiver<Result<(), Error>>,
}

#[derive(Debug)]
pub(super) struct Core {
    engine: Engine,
    pub(super) shared: Arc<Shared>,
    commit: Commit,
    max_unacked: MaxUnacked,
    /// By slot of the engine.
    lanes: Vec<Option<Lane>>,
    places: BTreeMap<TopicPartition, usize>,
    /// The batch that is being handed over.
    current: Option<(usize, Messages)>,
    ahead: Option<Ahead>,
    /// Lanes that wait for acks.
    full: Vec<usize>,
    /// Lanes whose rest may be handed over.
    runnable: VecDeque<usize>,
    /// Lanes without a tracker.
    unplaced: Vec<usize>,
    failures: VecDeque<Error>,
    /// The application knows that it had been busy for too long.
    told: bool,
    finished: bool,
    waits: bool,
}

impl Core {
    pub(super) fn new(engine: Engine, shared: Arc<Shared>, commit: Commit, max_unacked: MaxUnacked) -> Self {
        Self {
            engine,
            shared,
            commit,
            max_unacked,
            lanes: Vec::new(),
            places: BTreeMap::new(),
            current: None,
            ahead: None,
            full: Vec::new(),
            runnable: VecDeque::new(),
            unplaced: Vec::new(),
            failures: VecDeque::new(),
            told: false,
            finished: false,
            waits: false,
        }
    }

    /// Whether acks mean nothing: the commit came before, or is the application's.
    fn acks_itself(&self) -> bool {
        matches!(self.commit, Commit::BeforeHandover | Commit::Application)
    }

    /// The application waits, or does not.
    pub(super) fn set_waiting(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            let change = if waits { 1 } else { u64::MAX };
            self.shared.waiting.fetch_add(change, Ordering::SeqCst);
        }
    }

    #[inline]
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let polled = self.poll_next_message(cx);
        self.set_waiting(polled.is_pending());
        self.shared.polled();
        polled
    }

    #[inline]
    fn poll_next_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        loop {
            if !self.shared.wants_attention()
                && let Some((index, messages)) = &mut self.current
            {
                let index = *index;
                let Some(tracker) = self.lanes.get_mut(index).and_then(|lane| lane.as_mut()?.tracker.as_mut()) else {
                    self.current = None;
                    continue;
                };
                match tracker.has_room() {
                    Ok(()) => {}
                    Err(reason) => {
                        self.hold_current(&reason);
                        continue;
                    }
                }
                match messages.next() {
                    Some(Ok(message)) => match tracker.hand_over(message.offset(), messages.leader_epoch()) {
                        Ok(ack) if matches!(self.commit, Commit::OnAck { .. } | Commit::Manual) => {
                            return Poll::Ready(Some(Ok(Message::new(message, Some(ack)))));
                        }
                        Ok(ack) => {
                            let _ = ack.ack();
                            return Poll::Ready(Some(Ok(Message::new(message, None))));
                        }
                        Err(_) => self.current = None,
                    },
                    // Stays at the bad record: leaving it out is the caller's decision.
                    Some(Err(error)) => {
                        let position = messages.next_offset();
                        self.current = None;
                        self.engine.go(index, At::Offset(position));
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    None => self.batch_is_done(),
                }
                continue;
            }
            match ready!(self.poll_current(cx)) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    pub(super) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch, Error>>> {
        let polled = self.poll_next_batch(cx);
        self.set_waiting(polled.is_pending());
        self.shared.polled();
        polled
    }

    fn poll_next_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch, Error>>> {
        loop {
            match ready!(self.poll_current(cx)) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
            if let Some(batch) = self.hand_over_current() {
                return Poll::Ready(Some(Ok(batch)));
            }
        }
    }

    /// The whole current batch, or as much of it as may go.
    pub(super) fn hand_over_current(&mut self) -> Option<Batch> {
        let (index, messages) = self.current.as_mut()?;
        let lane = self.lanes.get_mut(*index).and_then(Option::as_mut);
        let Some(tracker) = lane.and_then(|lane| lane.tracker.as_mut()) else {
            self.current = None;
            return None;
        };
        let epoch = messages.leader_epoch();
        let (handed, end) = match messages.dense_count() {
            Some(0) => {
                self.batch_is_done();
                return None;
            }
            Some(count) => {
                let first = messages.next_offset();
                let handed = tracker.hand_over_run(first, count, epoch);
                let end = handed.as_ref().ok().filter(|acks| acks.len() < count);
                let end = end.map(|acks| first.plus(i64::try_from(acks.len()).unwrap_or(i64::MAX)));
                (handed, end)
            }
            None => {
                let offsets: Vec<Offset> =
                    messages.clone().map_while(Result::ok).map(|message| message.offset()).collect();
                if offsets.is_empty() && messages.clone().next().is_none() {
                    self.batch_is_done();
                    return None;
                }
                let handed = tracker.hand_over_many(offsets.iter().map(|offset| (*offset, epoch)));
                let count = handed.as_ref().map_or(0, AckMany::len);
                let end = offsets.get(usize::try_from(count).unwrap_or(usize::MAX)).copied();
                (handed, end)
            }
        };
        let acks = match handed {
            Ok(acks) => acks,
            Err(reason) => {
                self.hold_current(&reason);
                return None;
            }
        };
        let whole = match end {
            None => {
                let whole = messages.clone();
                messages.exhaust();
                self.batch_is_done();
                whole
            }
            Some(end) => {
                let rest = messages.split_at(end);
                std::mem::replace(messages, rest)
            }
        };
        let acks = if self.acks_itself() {
            let _ = acks.ack();
            None
        } else {
            Some(acks)
        };
        Some(Batch::new(whole, acks))
    }

    /// Waits until there is a current batch.
    pub(super) fn poll_current(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Error>>> {
        if std::mem::take(&mut self.told) {
            self.shared.tell(Control::Polled);
        }
        loop {
            self.shared.reader.waker.register(cx.waker());
            if self.shared.wants_attention() {
                self.attend();
            }
            if self.shared.reader.is_stopped() || self.finished {
                return Poll::Ready(None);
            }
            if let Some(error) = self.failures.pop_front() {
                self.yields(&error);
                return Poll::Ready(Some(Err(error)));
            }
            if self.current.is_some() {
                return Poll::Ready(Some(Ok(())));
            }
            self.look_for_room(cx);
            if let Some(index) = self.runnable.pop_front() {
                // Since it was let go it may have been paused again: then its rest stays until the next time.
                let lane = self.lane(index).filter(|lane| !lane.is_held() || is_planted("pause-misses-runnable"));
                self.current = lane.and_then(|lane| lane.rest.take()).map(|rest| (index, rest));
                continue;
            }
            if self.ahead.is_some() {
                if let Some(error) = ready!(self.poll_ahead(cx)) {
                    return Poll::Ready(Some(Err(error)));
                }
                continue;
            }
            match self.engine.poll_batch(cx) {
                Poll::Ready(Some(Ok((index, messages)))) => self.take(index, messages),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    self.place();
                    if !self.shared.wants_attention() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn yields(&mut self, error: &Error) {
        if let Error::Membership { trouble, .. } = error {
            if matches!(trouble, Trouble::PollInterval { .. }) {
                self.shared.tell(Control::Told);
                self.told = true;
            }
            self.finished = trouble.is_fatal();
        }
        self.finished |= matches!(error, Error::Closed { .. });
    }

    fn lane(&mut self, index: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(index)?.as_mut()
    }

    /// A batch came.
    fn take(&mut self, index: usize, messages: Messages) {
        let max_unacked = self.max_unacked;
        let Some(lane) = self.lane(index) else { return };
        if lane.assigned.is_stopped() {
            return;
        }
        if lane.tracker.is_none() {
            lane.tracker = lane.assigned.begin(messages.from(), max_unacked);
        }
        let position = Position { offset: messages.end(), leader_epoch: messages.leader_epoch() };
        match lane.assigned.before_hand_over(position) {
            None => self.current = Some((index, messages)),
            Some(due) => {
                let assigned = Arc::clone(&lane.assigned);
                let (reply, answer) = oneshot::channel();
                self.shared.tell(Control::CommitAhead { assigned, due, reply });
                self.ahead = Some(Ahead { index, messages, answer });
            }
        }
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        let Some(ahead) = &mut self.ahead else { return Poll::Ready(None) };
        let answer = ready!(Pin::new(&mut ahead.answer).poll(cx)).unwrap_or_else(|_| Err(self.shared.closed()));
        let Some(Ahead { index, messages, .. }) = self.ahead.take() else { return Poll::Ready(None) };
        match answer {
            Ok(()) => {
                // Meanwhile it may have been paused: then the batch waits as any other does.
                match self.lane(index).filter(|lane| lane.is_held() && !is_planted("pause-misses-commit-ahead")) {
                    Some(lane) => lane.rest = Some(messages),
                    None => self.current = Some((index, messages)),
                }
                Poll::Ready(None)
            }
            // Somebody else's; it was not handed over here.
            Err(Error::NotAssigned { .. }) => Poll::Ready(None),
            Err(error) => {
                self.engine.go(index, At::Offset(messages.next_offset()));
                Poll::Ready(Some(error))
            }
        }
    }

    /// All of the current batch was handed over.
    fn batch_is_done(&mut self) {
        let Some((index, messages)) = self.current.take() else { return };
        if messages.is_dense() {
            return;
        }
        let position = Position { offset: messages.end(), leader_epoch: messages.leader_epoch() };
        if let Some(tracker) = self.lane(index).and_then(|lane| lane.tracker.as_mut()) {
            tracker.skip_to(position);
        }
    }

    /// The rest of the current batch has to wait, or is nobody's here any more.
    fn hold_current(&mut self, reason: &NotHandedOver) {
        let Some((index, messages)) = self.current.take() else { return };
        if !matches!(reason, NotHandedOver::Full { .. }) {
            return;
        }
        let Some(lane) = self.lane(index) else { return };
        lane.rest = Some(messages);
        lane.full = true;
        lane.assigned.set_held_back(Some(*reason));
        if !std::mem::replace(&mut lane.warned, true) {
            tracing::warn!(partition = %lane.assigned.partition, %reason, "a partition is held back");
        }
        self.full.push(index);
        self.hold(index);
    }

    /// Stops fetching a partition. What was fetched ahead stays, as far as it takes no room from the others.
    fn hold(&mut self, index: usize) {
        let rest = match &self.current {
            Some((current, _)) if *current == index => self.current.take().map(|(_, messages)| messages),
            _ => None,
        };
        if let (Some(lane), Some(rest)) = (self.lane(index), rest) {
            lane.rest = Some(rest);
        }
        self.engine.hold(index);
    }

    /// Goes on with a partition unless something else holds it.
    fn let_go(&mut self, index: usize) {
        let Some(lane) = self.lane(index).filter(|lane| !lane.is_held()) else { return };
        if lane.rest.is_some() {
            self.runnable.push_back(index);
        }
        self.engine.let_go(index);
    }

    /// The lane of the current batch.
    pub(super) fn current_lane(&mut self) -> Option<&mut Lane> {
        let index = self.current.as_ref()?.0;
        self.lane(index)
    }

    /// The stream of the current batch's partition has not taken the last one.
    pub(super) fn clog_current(&mut self) {
        let Some((index, messages)) = self.current.take() else { return };
        let Some(lane) = self.lane(index) else { return };
        (lane.rest, lane.clogged) = (Some(messages), true);
        self.hold(index);
    }

    fn look_for_room(&mut self, cx: &Context<'_>) {
        if self.full.is_empty() {
            return;
        }
        for index in std::mem::take(&mut self.full) {
            let Some(lane) = self.lane(index).filter(|lane| lane.full) else { continue };
            if lane.tracker.as_ref().is_some_and(|tracker| tracker.poll_room(cx).is_pending()) {
                self.full.push(index);
                continue;
            }
            lane.full = false;
            lane.assigned.set_held_back(None);
            self.let_go(index);
        }
    }

    /// Begins to track partitions whose places are known by now, so that they can be committed.
    fn place(&mut self) {
        for index in std::mem::take(&mut self.unplaced) {
            let position = self.engine.slots.get(index).filter(|slot| slot.start.is_none()).map(|slot| slot.position);
            let max_unacked = self.max_unacked;
            let Some(lane) = self.lane(index).filter(|lane| lane.tracker.is_none()) else { continue };
            match position {
                _ if lane.homeless => {}
                Some(position) => lane.tracker = lane.assigned.begin(position, max_unacked),
                None => self.unplaced.push(index),
            }
        }
    }
}
