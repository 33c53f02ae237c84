//! One assignment of one partition, as the application's side, the background task and handles share it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Gauge;
use ottla_broker_core::api::group::Generation;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{Offset, TopicPartition};

use super::acks::{MaxUnacked, NotHandedOver, Position, Progress, Tracker};
use super::commit::{Commit, Ledger, NotKept};
use crate::reader::At;

/// Below every offset: nothing is known to be committed, so that where reading begins is worth a commit.
/// Otherwise a group that began at the end would begin at another end after its first crash.
const NOTHING: Offset = Offset(-1);

#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) partition: Arc<TopicPartition>,
    pub(super) generation: Generation,
    mode: Commit,
    /// Nothing more is to be handed over.
    stopped: AtomicBool,
    /// It is another member's already: nothing is to be committed.
    lost: AtomicBool,
    paused: AtomicBool,
    /// Grows with each seek.
    seeks: AtomicU64,
    /// Where the partition ended when it was last read; −1 before.
    pub(super) end_seen: Arc<AtomicI64>,
    lag: Gauge,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where to begin, if a seek came before the application's side took it over.
    sought: Option<At>,
    installed: bool,
    progress: Option<Progress>,
    ledger: Ledger,
    closed: bool,
    held_back: Option<NotHandedOver>,
}

/// What is to be committed. A seek takes it back, unless somebody named this very offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) position: Position,
    /// How many seeks there were before.
    seeks: u64,
}

/// How a partition was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftPartition {
    /// Which.
    pub partition: TopicPartition,
    /// Up to where it is committed; `None` if nothing is.
    pub committed: Option<Offset>,
    /// How many messages were handed over and lie after the first that is not acknowledged: the next
    /// owner gets them again, unless they were committed before.
    pub unacked: u64,
}

impl Assigned {
    pub(super) fn new(partition: TopicPartition, generation: Generation, mode: Commit, lag: Gauge) -> Self {
        Self {
            partition: Arc::new(partition),
            generation,
            mode,
            stopped: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            seeks: AtomicU64::new(0),
            end_seen: Arc::new(AtomicI64::new(-1)),
            lag,
            state: Mutex::new(State {
                sought: None,
                installed: false,
                progress: None,
                ledger: Ledger::new(mode, NOTHING),
                closed: false,
                held_back: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is handed over; acks still count.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// What the group has committed is known. After a seek that says nothing about what is to be committed.
    pub(super) fn committed_is(&self, committed: Offset) {
        let mut state = self.state();
        if state.sought.is_none() || is_planted("commits-wait-for-the-old-place") {
            state.ledger = Ledger::new(self.mode, committed);
        }
    }

    /// The application's side takes it over, and begins at the place that was sought before, if any. Whatever is
    /// sought from now on is a change that comes to it: a seek that fell between the two would be lost.
    pub(super) fn install(&self) -> Option<At> {
        let mut state = self.state();
        state.installed = true;
        state.sought.take()
    }

    /// A seek. `true`: it is noted for when the application's side takes the partition over; `false`: that has to do it.
    pub(super) fn seek(&self, to: At) -> bool {
        let mut state = self.state();
        let early = !state.installed;
        if early {
            state.sought = Some(to);
        }
        if !early || !is_planted("commits-wait-for-the-old-place") {
            self.begin_anew(&mut state);
        }
        early
    }

    /// Reading begins at `start`; `None` if the assignment has ended.
    pub(super) fn begin(&self, start: Offset, max_unacked: MaxUnacked) -> Option<Tracker> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        let tracker = Tracker::new(self.generation, Position::at(start), max_unacked);
        state.progress = Some(tracker.progress());
        Some(tracker)
    }

    /// The application's side carries a seek out.
    pub(super) fn restart(&self) {
        self.begin_anew(&mut self.state());
    }

    /// A seek ends what was handed over before: its acks count no more, and commits follow the new place,
    /// also backwards.
    fn begin_anew(&self, state: &mut State) {
        self.seeks.fetch_add(1, Ordering::AcqRel);
        if let Some(progress) = state.progress.take() {
            let _ = progress.close();
        }
        state.ledger = Ledger::new(self.mode, NOTHING);
        state.held_back = None;
    }

    /// A number that changes with each seek.
    pub(super) fn seeks(&self) -> u64 {
        self.seeks.load(Ordering::Acquire)
    }

    /// The offset of the next message; `None` while it is being looked up.
    pub(super) fn position(&self) -> Option<Offset> {
        self.state().progress.as_ref().map(|progress| progress.marks().handed.offset)
    }

    pub(super) fn set_held_back(&self, reason: Option<NotHandedOver>) {
        self.state().held_back = reason;
    }

    pub(super) fn held_back(&self) -> Option<NotHandedOver> {
        self.state().held_back
    }

    /// How far the end, as last seen, is ahead of the position.
    pub(super) fn lag(&self) -> Option<u64> {
        let end = self.end_seen.load(Ordering::Relaxed);
        let position = self.position()?;
        (end >= 0).then(|| u64::try_from(end - position.0).unwrap_or(0))
    }

    pub(super) fn report_lag(&self) {
        if let Some(lag) = self.lag() {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            self.lag.set(lag as f64);
        }
    }

    fn due(&self, position: Position) -> Due {
        Due { position, seeks: self.seeks() }
    }

    /// An offset that somebody named.
    pub(super) fn named(&self, offset: Offset) -> Due {
        self.due(Position::at(offset))
    }

    pub(super) fn on_clock(&self) -> Option<Due> {
        let mut state = self.state();
        let marks = state.progress.as_ref()?.marks();
        state.ledger.on_clock(&marks).map(|position| self.due(position))
    }

    pub(super) fn on_request(&self) -> Result<Option<Due>, NotKept> {
        let mut state = self.state();
        let Some(marks) = state.progress.as_ref().map(Progress::marks) else { return Ok(None) };
        Ok(state.ledger.on_request(&marks)?.map(|position| self.due(position)))
    }

    pub(super) fn before_hand_over(&self, end: Position) -> Option<Due> {
        let mut state = self.state();
        state.ledger.before_hand_over(end).map(|position| self.due(position))
    }

    /// Whether there was a seek since. That is so for good; that there was none holds only for now.
    pub(super) fn is_before_a_seek(&self, due: Due) -> bool {
        due.seeks != self.seeks() && !is_planted("commits-outlive-a-seek")
    }

    pub(super) fn confirmed(&self, due: Due) {
        let mut state = self.state();
        if !self.is_before_a_seek(due) {
            state.ledger.confirmed(due.position.offset);
        }
    }

    pub(super) fn failed(&self, due: Due) {
        let mut state = self.state();
        if !self.is_before_a_seek(due) {
            state.ledger.failed(due.position.offset);
        }
    }

    /// The partition is given up in order: closes it and says what to commit first.
    pub(super) fn release(&self) -> Option<Due> {
        self.stop();
        let mut state = self.state();
        state.closed = true;
        let marks = state.progress.as_ref()?.close();
        let position = match self.mode {
            // What was committed ahead and not handed over was seen by nobody: the next owner may have it.
            Commit::BeforeHandover if marks.handed.offset < state.ledger.committed() => Some(marks.handed),
            _ => state.ledger.on_release(&marks),
        };
        position.map(|position| self.due(position))
    }

    /// The partition is somebody else's: closes it.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.stop();
        let mut state = self.state();
        state.closed = true;
        if let Some(progress) = &state.progress {
            let _ = progress.close();
        }
    }

    pub(super) fn left(&self) -> LeftPartition {
        let state = self.state();
        let committed = Some(state.ledger.committed()).filter(|committed| *committed > NOTHING);
        let unacked = state.progress.as_ref().map_or(0, |progress| progress.marks().window);
        LeftPartition { partition: TopicPartition::clone(&self.partition), committed, unacked }
    }
}
