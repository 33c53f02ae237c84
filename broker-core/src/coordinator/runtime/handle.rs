//! One shard with its log: decisions under a short lock, waiting outside of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::log::{Commit, ShardLog};
use crate::api::{Error, ErrorCode};
use crate::config::GroupConfig;
use crate::coordinator::group::{Context, Effects, Reply, ReplyTo, Write};
use crate::coordinator::shard::Shard;
use crate::env::{Env, Moment};
use crate::ids::Offset;
use crate::planted::is_planted;
use crate::record::{Batch, Builder, BuilderOptions, Flags};

/// An answer on its way, and what must be committed before it may be told.
pub(super) type Answer = (Reply, Option<Commit>);

#[derive(Debug)]
pub(super) struct ShardHandle {
    pub(super) partition: i32,
    pub(super) log: Arc<dyn ShardLog>,
    pub(super) env: Env,
    pub(super) config: GroupConfig,
    wake: Arc<Notify>,
    inner: Mutex<Inner>,
    /// Whether a load or a snapshot is under way.
    pub(super) busy: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Grows with each failure: who waited for an earlier one's commit must not fail the next.
    era: u64,
    waiting: BTreeMap<ReplyTo, oneshot::Sender<Answer>>,
    next_reply: u64,
    /// The last append that is not known to be committed.
    tail: Option<Commit>,
    /// What the driver knows of the next deadline.
    announced: Option<Moment>,
}

#[derive(Debug)]
enum Phase {
    /// To be replayed, not before the moment.
    Loading {
        not_before: Moment,
        failures: u32,
        /// What the last try failed with.
        failure: Option<Error>,
    },
    Active(Box<Shard>),
    Resigned,
}

/// What a decision gave: the answer, and what to wait for before it is told.
#[derive(Debug)]
pub(super) struct Decided<T> {
    pub(super) answer: T,
    pub(super) commit: Option<Commit>,
    pub(super) era: u64,
    /// Where the decision's first record went.
    pub(super) base_offset: Option<Offset>,
}

impl ShardHandle {
    pub(super) fn new(
        partition: i32,
        log: Arc<dyn ShardLog>,
        env: Env,
        config: GroupConfig,
        wake: Arc<Notify>,
    ) -> Self {
        let phase = Phase::Loading { not_before: Moment::default(), failures: 0, failure: None };
        let inner =
            Inner { phase, era: FIRST_ERA, waiting: BTreeMap::new(), next_reply: 0, tail: None, announced: None };
        let busy = std::sync::atomic::AtomicBool::new(false);
        Self { partition, log, env, config, wake, inner: Mutex::new(inner), busy }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A decision that panicked may have left half a state: the era's end is the only safe answer.
        self.inner.lock().unwrap_or_else(|poisoned| {
            let mut inner = PoisonError::into_inner(poisoned);
            self.inner.clear_poison();
            inner.fail(Moment::default());
            inner
        })
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            config: &self.config,
            // Room for the batch's and the record's own headers and the topic's name in the key.
            max_record_bytes: self.log.max_batch_bytes().saturating_sub(512),
            now: self.env.now(),
            wall_ms: self.env.wall_ms(),
        }
    }

    /// Decides, appends and hands out the answers that others wait for: one critical section, so that records
    /// lie in the log in the order of the decisions.
    pub(super) fn decide<T>(
        &self,
        act: impl FnOnce(&mut Shard, &Context<'_>, &mut Effects) -> T,
    ) -> Result<Decided<T>, Error> {
        let mut inner = self.lock();
        if !inner.check_tail(self.env.now()) {
            self.wake.notify_one();
        }
        let cx = self.context();
        let Phase::Active(shard) = &mut inner.phase else { return Err(self.absent(&inner.phase)) };
        let mut effects = Effects::default();
        let answer = act(shard, &cx, &mut effects);
        let records = effects.records.len();
        let base_offset = if records == 0 {
            None
        } else {
            match self.append(effects.records, cx.wall_ms) {
                Ok((base, commit)) => {
                    shard.appended(records);
                    inner.tail = Some(commit);
                    base
                }
                Err(error) => {
                    inner.fail(cx.now);
                    drop(inner);
                    self.wake.notify_one();
                    return Err(self.refused(&error));
                }
            }
        };
        let commit = inner.tail.clone();
        for (to, reply) in effects.replies {
            if let Some(waiter) = inner.waiting.remove(&to) {
                // Whoever has stopped waiting needs no answer.
                let _ = waiter.send((reply, commit.clone()));
            }
        }
        let deadline = inner.deadline();
        let closer = deadline.is_some_and(|at| inner.announced.is_none_or(|announced| at < announced));
        let wants_snapshot = matches!(&inner.phase, Phase::Active(shard) if shard.wants_snapshot(&cx));
        let decided = Decided { answer, commit, era: inner.era, base_offset };
        drop(inner);
        if closer || wants_snapshot {
            self.wake.notify_one();
        }
        Ok(decided)
    }

    /// As [`ShardHandle::decide`] for a question whose answer may come later.
    pub(super) fn ask(
        &self,
        act: impl FnOnce(&mut Shard, &Context<'_>, ReplyTo, &mut Effects),
    ) -> Result<(oneshot::Receiver<Answer>, u64), Error> {
        let (sender, receiver) = oneshot::channel();
        let to = {
            let mut inner = self.lock();
            let to = ReplyTo(inner.next_reply);
            inner.next_reply += 1;
            // Those who went away are found when something new is asked, so the map stays small.
            if inner.next_reply.is_multiple_of(1024) {
                inner.waiting.retain(|_, waiter| !waiter.is_closed());
            }
            inner.waiting.insert(to, sender);
            to
        };
        let decided = self.decide(|shard, cx, effects| act(shard, cx, to, effects));
        match decided {
            Ok(decided) => Ok((receiver, decided.era)),
            Err(error) => {
                self.lock().waiting.remove(&to);
                Err(error)
            }
        }
    }

    fn append(&self, records: Vec<Write>, wall_ms: i64) -> Result<(Option<Offset>, Commit), Error> {
        let mut base = None;
        let mut last = None;
        for batch in batches(&records, wall_ms, self.log.max_batch_bytes())? {
            let appended = self.log.append(batch)?;
            base.get_or_insert(appended.base_offset);
            last = Some(appended.commit);
        }
        let commit = last.unwrap_or_else(|| Commit::new(std::future::ready(Ok(()))));
        Ok((base, commit))
    }

    /// Waits until what an answer reveals is committed.
    pub(super) async fn wait(&self, commit: Option<Commit>, era: u64) -> Result<(), Error> {
        let Some(commit) = commit else { return Ok(()) };
        if is_planted("reply-before-commit") {
            return Ok(());
        }
        if let Some(result) = commit.peek() {
            return result.map_err(|error| self.failed(&error, era));
        }
        match self.env.timeout(self.config.commit_timeout, commit).await {
            Ok(result) => result.map_err(|error| self.failed(&error, era)),
            Err(elapsed) => Err(Error::new(
                ErrorCode::CoordinatorNotAvailable,
                format!(
                    "partition {} of __consumer_offsets has not committed a record within {:?} \
                     (offsets.commit.timeout.ms); it may have been written",
                    self.partition, elapsed.0
                ),
            )),
        }
    }

    /// Waits for a commit however long it takes.
    pub(super) async fn commit_of(&self, commit: Option<Commit>, era: u64) -> Result<(), Error> {
        match commit {
            Some(commit) => commit.await.map_err(|error| self.failed(&error, era)),
            None => Ok(()),
        }
    }

    /// A load or a snapshot was dropped or has ended: a snapshot that is not at its end is given up.
    pub(super) fn dropped_job(&self) {
        if let Phase::Active(shard) = &mut self.lock().phase {
            shard.abandon_snapshot();
        }
    }

    fn failed(&self, error: &Error, era: u64) -> Error {
        let mut inner = self.lock();
        if inner.era == era {
            inner.fail(self.env.now());
        }
        drop(inner);
        self.wake.notify_one();
        self.refused(error)
    }

    /// As Kafka answers for its own log's errors: look for the coordinator anew, or try again.
    fn refused(&self, error: &Error) -> Error {
        let code = match error.code {
            ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError | ErrorCode::FencedLeaderEpoch => {
                ErrorCode::NotCoordinator
            }
            _ => ErrorCode::CoordinatorNotAvailable,
        };
        let partition = self.partition;
        Error::new(code, format!("partition {partition} of __consumer_offsets: {error}; it may have been written"))
    }

    fn absent(&self, phase: &Phase) -> Error {
        let partition = self.partition;
        match phase {
            Phase::Resigned => Error::new(
                ErrorCode::NotCoordinator,
                format!("partition {partition} of __consumer_offsets is led elsewhere now"),
            ),
            Phase::Loading { failure: Some(failure), .. } => Error::new(
                ErrorCode::CoordinatorLoadInProgress,
                format!(
                    "partition {partition} of __consumer_offsets could not be replayed, and is tried again: {failure}"
                ),
            ),
            Phase::Loading { .. } | Phase::Active(_) => Error::new(
                ErrorCode::CoordinatorLoadInProgress,
                format!("partition {partition} of __consumer_offsets is being replayed: try again"),
            ),
        }
    }

    /// What someone is told whose question was thrown away with the shard.
    pub(super) fn forgotten(&self) -> Error {
        let partition = self.partition;
        let why = format!("the coordinator of partition {partition} of __consumer_offsets has started over");
        Error::new(ErrorCode::NotCoordinator, why)
    }

    pub(super) fn resign(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Resigned;
        inner.era += 1;
        inner.waiting.clear();
        inner.tail = None;
    }

    /// When the driver is to look at it next; remembers that the driver knows.
    pub(super) fn announce(&self) -> Option<Moment> {
        let mut inner = self.lock();
        inner.announced = inner.deadline();
        inner.announced
    }

    /// The era of a shard that is to be loaded now.
    pub(super) fn load_due(&self) -> Option<u64> {
        let mut inner = self.lock();
        // The driver is who asks: it looks again at once.
        let _ = inner.check_tail(self.env.now());
        match inner.phase {
            Phase::Loading { not_before, .. } if not_before <= self.env.now() => Some(inner.era),
            _ => None,
        }
    }

    pub(super) fn wants_snapshot(&self) -> bool {
        let inner = self.lock();
        matches!(&inner.phase, Phase::Active(shard) if shard.wants_snapshot(&self.context()))
    }

    /// The end of a load: serves from now on, or tries again later. A shard that was given up meanwhile stays so.
    pub(super) fn loaded(&self, era: u64, result: Result<Shard, Error>) {
        let mut inner = self.lock();
        if inner.era != era {
            return;
        }
        let Phase::Loading { not_before, failures, failure } = &mut inner.phase else { return };
        match result {
            Ok(mut shard) => {
                let mut effects = Effects::default();
                shard.resume(&self.context(), &mut effects);
                debug_assert!(effects.records.is_empty(), "resuming writes nothing");
                inner.phase = Phase::Active(Box::new(shard));
                inner.tail = None;
            }
            Err(error) => {
                *failures = failures.saturating_add(1);
                let backoff = FIRST_RETRY.saturating_mul(1 << (*failures).min(7));
                *not_before = self.env.now() + backoff;
                tracing::warn!(partition = self.partition, %error, ?backoff, "a shard could not be loaded");
                *failure = Some(error);
            }
        }
    }

    pub(super) fn group_count(&self) -> usize {
        match &self.lock().phase {
            Phase::Active(shard) => shard.len(),
            Phase::Loading { .. } | Phase::Resigned => 0,
        }
    }
}

/// That of a new handle.
pub(super) const FIRST_ERA: u64 = 0;

const FIRST_RETRY: std::time::Duration = std::time::Duration::from_millis(50);

impl Inner {
    /// Nothing of the state is trusted any more: replay. Who waits is told by its channel closing.
    fn fail(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Active(_)) {
            self.phase = Phase::Loading { not_before: now, failures: 0, failure: None };
            self.era += 1;
            self.waiting.clear();
            self.tail = None;
        }
    }

    /// Learns of a failed commit that nobody waited for (an expired session's). False if it has just failed.
    fn check_tail(&mut self, now: Moment) -> bool {
        match self.tail.as_ref().and_then(Commit::peek) {
            Some(Ok(())) => self.tail = None,
            Some(Err(_)) => {
                self.fail(now);
                return false;
            }
            None => {}
        }
        true
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Loading { not_before, .. } => Some(*not_before),
            Phase::Active(shard) => shard.deadline(),
            Phase::Resigned => None,
        }
    }
}

/// Records as batches, each within the log's limit. A decision's records are one batch but for snapshots and mass
/// deletions, whose records do not depend on each other.
fn batches(records: &[Write], wall_ms: i64, max_bytes: usize) -> Result<Vec<Batch>, Error> {
    let invalid = |error: &dyn std::fmt::Display| Error::new(ErrorCode::UnknownServerError, error.to_string());
    let options = BuilderOptions { capacity: 512, ..BuilderOptions::default() };
    let finish = |builder: Builder| builder.finish(None, Flags::default()).map_err(|error| invalid(&error));
    let mut done = Vec::new();
    let mut builder = Builder::new(options);
    for record in records {
        let key = record.key.encode().map_err(|error| invalid(&error))?;
        let value = record.value.as_deref();
        let size = Builder::record_size(Some(&key), value, &[]);
        if !builder.is_empty() && builder.size_in_bytes() + size > max_bytes {
            done.push(finish(std::mem::replace(&mut builder, Builder::new(options)))?);
        }
        builder.append(wall_ms, Some(&key), value, &[]).map_err(|error| invalid(&error))?;
    }
    if !builder.is_empty() {
        done.push(finish(builder)?);
    }
    Ok(done)
}
