//! What a consumer, its handles, its client and its background task share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_broker_core::api::PartitionMetadata;
use ottla_broker_core::api::group::GroupId;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{Offset, TopicId, TopicPartition};
use tokio::sync::{mpsc, oneshot};

use super::assigned::{Assigned, Due, LeftPartition};
use super::error::Error;
use crate::reader::{self, At};

/// What a consumer left behind when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The partitions that it had, each as it was left.
    pub partitions: Vec<LeftPartition>,
}

impl Left {
    /// How many messages the next owners get again.
    #[must_use]
    pub fn unacked(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.unacked).sum()
    }
}

/// For the application's side to do before it hands anything over.
#[derive(Debug)]
pub(super) enum Change {
    Install {
        assigned: Arc<Assigned>,
        topic: TopicId,
        metadata: PartitionMetadata,
        /// Where to begin, unless a seek has come meanwhile.
        start: Result<At, Error>,
    },
    Remove(Arc<Assigned>),
    Seek(Arc<Assigned>, At),
    /// Paused or resumed: as the assignment says.
    Paused(Arc<Assigned>),
    /// A partition's stream took a batch.
    Taken(Arc<Assigned>),
    Failed(Error),
}

/// For the background task.
#[derive(Debug)]
pub(super) enum Control {
    /// What is acknowledged.
    Commit {
        reply: Reply,
    },
    CommitOffsets {
        offsets: Vec<(TopicPartition, Offset, String)>,
        reply: Reply,
    },
    /// Before a batch is handed over.
    CommitAhead {
        assigned: Arc<Assigned>,
        due: Due,
        reply: Reply,
    },
    /// The application was told that it had been busy for too long.
    Told,
    /// And it polled again.
    Polled,
    Shutdown {
        limit: Duration,
        reply: Option<oneshot::Sender<Result<Left, Error>>>,
    },
}

pub(super) type Reply = oneshot::Sender<Result<(), Error>>;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) group: GroupId,
    /// Ends the application's side, and wakes it.
    pub(super) reader: Arc<reader::Shared>,
    /// Whether there are changes, or the end has come: looked at before every message.
    attention: AtomicBool,
    changes: Mutex<VecDeque<Change>>,
    pub(super) assigned: Mutex<BTreeMap<TopicPartition, Arc<Assigned>>>,
    control: mpsc::UnboundedSender<Control>,
    /// Grows with every poll.
    pub(super) polls: AtomicU64,
    /// How many polls wait.
    pub(super) waiting: AtomicU64,
    /// Whether each partition has a stream, and how many batches wait in them.
    streams: AtomicBool,
    pub(super) queued: AtomicU64,
    /// How it ended.
    pub(super) ended: Mutex<Option<Result<Left, Error>>>,
}

impl Shared {
    pub(super) fn new(group: GroupId, control: mpsc::UnboundedSender<Control>) -> Self {
        Self {
            group,
            reader: Arc::default(),
            attention: AtomicBool::new(false),
            changes: Mutex::default(),
            assigned: Mutex::default(),
            control,
            polls: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            streams: AtomicBool::new(false),
            queued: AtomicU64::new(0),
            ended: Mutex::default(),
        }
    }

    pub(super) fn assigned(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Arc<Assigned>>> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, partition: &TopicPartition) -> Result<Arc<Assigned>, Error> {
        self.assigned().get(partition).cloned().ok_or_else(|| self.not_assigned(partition))
    }

    pub(super) fn not_assigned(&self, partition: &TopicPartition) -> Error {
        Error::NotAssigned { group: self.group.clone(), partition: partition.clone() }
    }

    /// Has the application's side do something first.
    pub(super) fn change(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
        self.attention.store(true, Ordering::Release);
        self.reader.waker.wake();
    }

    #[inline]
    pub(super) fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::Acquire)
    }

    /// What there is to do; whether the end has come stays to be asked.
    pub(super) fn take_changes(&self) -> VecDeque<Change> {
        self.attention.store(false, Ordering::SeqCst);
        // In this order: a stop after the look sets it itself.
        if self.reader.is_stopped() {
            self.attention.store(true, Ordering::SeqCst);
        }
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the application's side.
    pub(super) fn stop(&self) {
        if is_planted("next-hangs-after-shutdown") {
            return;
        }
        self.reader.stop();
        self.attention.store(true, Ordering::Release);
    }

    /// Notes a poll. Only the one poller calls this, so it need not be one operation.
    #[inline]
    pub(super) fn polled(&self) {
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Each partition has a stream from now on.
    pub(super) fn in_streams(&self) {
        self.streams.store(true, Ordering::SeqCst);
    }

    /// Whether the application waits for messages, rather than messages for the application.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
            || self.streams.load(Ordering::SeqCst) && self.queued.load(Ordering::SeqCst) == 0
    }

    /// Tells the background task; false if it has ended.
    pub(super) fn tell(&self, control: Control) -> bool {
        self.control.send(control).is_ok()
    }

    /// The runtime that the background task was on is gone.
    pub(super) fn abandoned(&self, limit: Duration) -> Error {
        let left = "its background task ended with its runtime, so that nothing was committed at the end".to_owned();
        Error::NotClosed { group: self.group.clone(), limit, left }
    }

    pub(super) fn closed(&self) -> Error {
        Error::Closed { group: self.group.clone() }
    }

    /// Ends the consumer within `limit`; however often it is called, each call has the answer.
    pub(crate) async fn shutdown(&self, limit: Duration) -> Result<Left, Error> {
        self.stop();
        let (reply, answer) = oneshot::channel();
        self.tell(Control::Shutdown { limit, reply: Some(reply) });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => {
                let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
                ended.unwrap_or_else(|| Err(self.abandoned(limit)))
            }
        }
    }

    /// Ends the consumer in the background.
    pub(super) fn abandon(&self, limit: Duration) {
        self.stop();
        self.tell(Control::Shutdown { limit, reply: None });
    }
}
