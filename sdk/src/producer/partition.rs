//! One partition's batches: what may go next, and what an answer leads to. No clock, no I/O.
//!
//! ```text
//!   records ─► open ──(full, or its turn)──► in_flight ──► answered
//!                 └──(full)─► queue ──────►     │
//!                               ▲               │
//!                               └── again, at its old place, with its old sequence
//! ```

mod give_up;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{self, Appended, ProducerIdentity};
use ottla_broker_core::env::Moment;
use ottla_broker_core::log::Durability;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Batch, ProducerStamp, sequence_after};
use ottla_broker_core::{BrokerId, Offset, TopicPartition};

use super::batch::{self, Content, Pending, Settlement};
use super::completion::Receipt;
use super::crowd::READY;
use super::error::Error;
use super::gather::{Gather, Outlook};
use super::settings::Config;
use super::verdict::{Verdict, judge};

/// How long after `request_timeout` an answer may be on its way back.
const GRACE: Duration = Duration::from_secs(1);

/// The batches of one partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: TopicPartition,
    pub(super) leader: Option<BrokerId>,
    pub(super) open: Option<Pending>,
    /// Not in flight, in order.
    pub(super) queue: VecDeque<Pending>,
    pub(super) in_flight: Vec<Pending>,
    /// Whose sequences the stamped batches have.
    pub(super) identity: Option<ProducerIdentity>,
    pub(super) next_sequence: i32,
    /// Whether the broker has acknowledged a batch of this identity. A leader that knows nothing of a
    /// producer accepts any sequence: were a second batch under way before that, it could be written without
    /// the first, which then never could (invariant 3).
    pub(super) established: bool,
    /// How many batches were numbered.
    pub(super) numbered: u64,
    /// A sequence will never be filled, or the broker has lost count: nothing new goes until every batch
    /// that was sent has a definite fate; then the sequences begin anew under a new epoch (KIP-360).
    pub(super) resetting: bool,
    /// Nothing goes before this.
    pub(super) retry_at: Option<Moment>,
    /// Failed attempts since the last success.
    pub(super) failures: u32,
    /// Whether it waits in a broker's list.
    pub(super) listed: bool,
    /// When it is to be looked at next, as registered.
    pub(super) timer: Option<Moment>,
    /// What batches were large lately, in bytes.
    usual_size: usize,
    pub(super) gather: Gather,
}

/// What was taken to be sent.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) order: (u64, u32),
    pub(super) attempt: u32,
    pub(super) content: Content,
    pub(super) stamp: Option<ProducerStamp>,
    pub(super) bytes: usize,
    pub(super) created: Moment,
    pub(super) records: u32,
}

/// What an answer leads to.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) settled: Vec<Settlement>,
    /// The topic's metadata may be out of date.
    pub(super) refresh: bool,
    /// The batch became two.
    pub(super) split: bool,
    pub(super) retried: bool,
    /// The producer cannot go on.
    pub(super) fenced: Option<Arc<api::Error>>,
}

impl Partition {
    pub(super) fn new(name: TopicPartition, leader: Option<BrokerId>) -> Self {
        Self {
            name,
            leader,
            open: None,
            queue: VecDeque::new(),
            in_flight: Vec::new(),
            identity: None,
            next_sequence: 0,
            established: false,
            numbered: 0,
            resetting: false,
            retry_at: None,
            failures: 0,
            listed: false,
            timer: None,
            usual_size: 0,
            gather: Gather::default(),
        }
    }

    /// Puts the open batch behind the queue: no further record joins it.
    pub(super) fn seal_open(&mut self) {
        if let Some(open) = self.open.take() {
            // Growing means copying, and what is left over is given back: so the guess falls slowly.
            self.usual_size = open.size_in_bytes().max(self.usual_size - self.usual_size / 8);
            open.own.seal(open.own_count);
            self.queue.push_back(open);
        }
    }

    /// How large the next batch may become, in bytes.
    pub(super) const fn guess(&self, config: &Config) -> usize {
        // The next size that it would grow to is a full one.
        if self.usual_size > config.batch_bytes / 2 { usize::MAX } else { self.usual_size + self.usual_size / 8 }
    }

    /// Whether its next batch is not to wait for the sender's pace: it is full, or somebody waits for it.
    pub(super) fn is_urgent(&self) -> bool {
        let awaited = |open: &Pending| open.own.is_awaited() && !is_planted("who-waits-is-not-seen");
        !self.queue.is_empty() || self.open.as_ref().is_some_and(|open| open.forced || awaited(open))
    }

    /// Whether there is a full batch for whatever the next answers make way for.
    pub(super) fn has_enough(&self) -> bool {
        self.queue.len() >= READY
    }

    /// Whether what is full already will not be sent before the next answers come, which is soon.
    pub(super) fn is_crowded(&self, now: Moment) -> bool {
        self.has_enough()
            && self.in_flight.iter().map(|sent| sent.sent).min().is_some_and(|oldest| self.gather.flows(oldest, now))
    }

    /// Whether its next batch is one that is not full, and others are in flight: when it goes depends on the broker.
    pub(super) fn gathers(&self) -> bool {
        self.open.is_some() && self.queue.is_empty() && !self.in_flight.is_empty()
    }

    /// Whether there is a batch that may go now. `outlook` matters only if it [gathers](Self::gathers).
    pub(super) fn sendable(&self, now: Moment, outlook: Outlook, config: &Config) -> bool {
        if self.leader.is_none()
            || self.in_flight.len() >= self.most_in_flight(config)
            || self.retry_at.is_some_and(|at| at > now)
        {
            return false;
        }
        if self.resetting {
            return self.queue.iter().any(|batch| batch.in_doubt);
        }
        // The broker remembers the last five batches. One whose fate is open MUST stay among them, or its
        // retry would not be recognised: nothing goes further than four batches ahead of it.
        let next = self.queue.front().filter(|front| front.stamp.is_some()).map_or(self.numbered, |front| front.nth);
        let sent = self.in_flight.iter().filter(|sent| sent.stamp.is_some()).map(|sent| sent.nth).min();
        if sent.is_some_and(|oldest| next >= oldest + Config::MAX_IN_FLIGHT as u64)
            && !is_planted("outrun-the-brokers-memory")
        {
            return false;
        }
        match (self.queue.front(), &self.open) {
            // What was refused for coming too early waits for what must come first.
            (Some(front), _) => !front.behind || self.in_flight.iter().all(|sent| sent.order > front.order),
            // A batch that is not full gathers while one is in flight, if that is not for long.
            (None, Some(open)) => {
                (self.in_flight.is_empty() || self.gather.beside(outlook).is_some_and(|at| now >= at))
                    && (open.forced || now >= open.created + config.linger)
            }
            (None, None) => false,
        }
    }

    fn most_in_flight(&self, config: &Config) -> usize {
        if config.idempotent && !self.established && !is_planted("pipelines-before-first-ack") {
            1
        } else {
            config.in_flight()
        }
    }

    /// Takes the next batch, and numbers it if it is new. Only when [`sendable`](Self::sendable).
    pub(super) fn take(&mut self, now: Moment, current: Option<ProducerIdentity>) -> Option<Taken> {
        if self.queue.is_empty() {
            self.seal_open();
        }
        let place = if self.resetting { self.queue.iter().position(|batch| batch.in_doubt)? } else { 0 };
        let mut batch = self.queue.remove(place)?;
        if batch.stamp.is_none()
            && let Some(current) = current
        {
            // Another partition's trouble renewed the producer's epoch: follow once nothing is numbered by
            // the old one, for the broker wants sequences of one epoch without a gap.
            if self.identity != Some(current)
                && self.in_flight.is_empty()
                && self.queue.iter().all(|b| b.stamp.is_none())
            {
                self.identity = Some(current);
                self.next_sequence = 0;
                self.established = false;
            }
            let identity = self.identity.unwrap_or(current);
            batch.stamp =
                Some(ProducerStamp { id: identity.id, epoch: identity.epoch, base_sequence: self.next_sequence });
            self.next_sequence = sequence_after(self.next_sequence, batch.records.cast_signed());
            batch.nth = self.numbered;
            self.numbered += 1;
        }
        self.gather.sent(now);
        batch.sent = now;
        batch.attempts += 1;
        batch.behind = false;
        let taken = Taken {
            // Before its content goes.
            bytes: if is_planted("request-bytes-unseen") { 0 } else { batch.size_in_bytes() },
            order: batch.order,
            attempt: batch.attempts,
            content: std::mem::replace(&mut batch.content, Content::Away),
            stamp: batch.stamp,
            created: batch.created,
            records: batch.records,
        };
        self.in_flight.push(batch);
        Some(taken)
    }

    /// Keeps the encoded batch for a retry.
    pub(super) fn keep(&mut self, order: (u64, u32), encoded: Batch) {
        if let Some(sent) = self.in_flight.iter_mut().find(|sent| sent.order == order) {
            sent.content = Content::Sealed(encoded);
        }
    }

    /// A broker answered the given attempt of a batch. An answer to an attempt that was given up is not heard.
    pub(super) fn answer(
        &mut self,
        (order, attempt): ((u64, u32), u32),
        result: Result<Appended, api::Error>,
        now: Moment,
        config: &Config,
        jitter: u64,
    ) -> Effects {
        let mut effects = Effects::default();
        let place = self.in_flight.iter().position(|sent| sent.order == order && sent.attempts == attempt);
        let Some(place) = place else { return effects };
        let mut batch = self.in_flight.remove(place);
        let error = match result {
            Ok(appended) => {
                self.gather.answered(now.since(batch.sent));
                return self.written(batch, appended, effects);
            }
            Err(error) => Arc::new(error),
        };
        let verdict = judge(&error);
        if verdict == Verdict::Written {
            return self.written(batch, unknown_place(), effects);
        }
        if let Verdict::Fenced = verdict {
            effects.fenced = Some(error);
            // With the others, when the producer is stopped.
            self.requeue(batch);
            return effects;
        }
        batch.last = Some(Arc::clone(&error));
        if batch.expired {
            // Its deliveries were told; its sequence stays a gap.
            self.resetting |= batch.stamp.is_some();
            return effects;
        }
        match verdict {
            Verdict::Retry { in_doubt, refresh } => {
                batch.in_doubt |= in_doubt;
                effects.refresh = refresh;
                effects.retried = true;
                self.back_off(now, jitter);
                self.requeue(batch);
            }
            Verdict::OutOfOrder | Verdict::StateLost => {
                batch.in_doubt = false;
                effects.retried = true;
                let earlier = |other: &Pending| other.stamp.is_some() && other.order < order;
                if verdict == Verdict::OutOfOrder
                    && (self.in_flight.iter().any(earlier) || self.queue.iter().any(earlier))
                {
                    batch.behind = true;
                } else if batch.stamp.is_some() {
                    // The broker has less than it acknowledged, or forgot the producer. What is here goes on.
                    tracing::warn!(partition = %self.name, %error, "the broker lost count of this producer: starting a new epoch");
                    self.resetting = true;
                    self.back_off(now, jitter);
                } else {
                    effects.settled.push(self.refuse(&mut batch, error));
                    return effects;
                }
                self.requeue(batch);
            }
            Verdict::TooLarge => self.halve(batch, error, config, &mut effects),
            Verdict::Refused | Verdict::Written | Verdict::Fenced => {
                self.resetting |= batch.stamp.is_some();
                effects.settled.push(self.refuse(&mut batch, error));
            }
        }
        effects
    }

    fn written(&mut self, mut batch: Pending, appended: Appended, mut effects: Effects) -> Effects {
        self.failures = 0;
        self.retry_at = None;
        // Not by an answer about an older epoch's batch.
        self.established |= batch.stamp.is_some_and(|stamp| self.identity.is_some_and(|i| i.epoch == stamp.epoch));
        let receipt = Receipt { partition: self.name.clone(), appended, first_delta: 0 };
        if !batch.expired {
            effects.settled.push(batch.settle(Ok(receipt)));
        }
        effects
    }

    fn refuse(&self, batch: &mut Pending, source: Arc<api::Error>) -> Settlement {
        let TopicPartition { topic, partition } = self.name.clone();
        // An earlier attempt may have been written, and this answer does not take that back.
        batch.settle(Err(if batch.in_doubt {
            Error::InDoubt { topic, partition, source }
        } else {
            Error::Refused { topic, partition, source }
        }))
    }

    /// Larger than the topic takes: its halves go, in its place and with its sequences.
    fn halve(&mut self, mut batch: Pending, error: Arc<api::Error>, config: &Config, effects: &mut Effects) {
        let halves = match &batch.content {
            Content::Sealed(sealed) if batch.records > 1 => batch::split(sealed, config.compression_level).ok(),
            _ => None,
        };
        let Some((first, second, half)) = halves else {
            self.resetting |= batch.stamp.is_some();
            effects.settled.push(self.refuse(&mut batch, error));
            return;
        };
        let mut rest = Vec::new();
        let mut left = half;
        let mut kept = Vec::new();
        for segment in std::mem::take(&mut batch.segments) {
            let here = segment.count.min(left);
            left -= here;
            if here > 0 {
                kept.push(batch::Segment { count: here, ..segment.clone() });
            }
            if here < segment.count {
                let first = segment.first + here;
                rest.push(batch::Segment { first, count: segment.count - here, ..segment });
            }
        }
        let later = batch.split_off(second, rest, half);
        batch.content = Content::Sealed(first);
        batch.segments = kept;
        let earlier = batch;
        effects.split = true;
        // There is one batch more among those that the broker has to remember.
        self.numbered += 1;
        let behind = |other: &&mut Pending| other.stamp.is_some() && other.order > later.order;
        for other in self.queue.iter_mut().chain(&mut self.in_flight).filter(behind) {
            other.nth += 1;
        }
        self.requeue(later);
        self.requeue(earlier);
    }

    /// Puts a batch back at its place: before everything that was enqueued after it.
    pub(super) fn requeue(&mut self, mut batch: Pending) {
        if is_planted("retry-new-sequence") {
            batch.stamp = None;
        }
        let place = if is_planted("retry-reorders") {
            self.queue.len()
        } else {
            self.queue.partition_point(|queued| queued.order < batch.order)
        };
        self.queue.insert(place, batch);
    }

    fn back_off(&mut self, now: Moment, jitter: u64) {
        self.failures += 1;
        self.retry_at = Some(now + super::backoff::delay(self.failures, jitter));
    }

    /// Whether there is anything to send.
    pub(super) fn has_waiting(&self) -> bool {
        self.open.is_some() || !self.queue.is_empty()
    }

    /// The leader could not be reached: nothing was sent.
    pub(super) fn unreachable(&mut self, now: Moment, jitter: u64) {
        self.back_off(now, jitter);
    }

    /// Whether the sequences can begin anew: every batch that was sent has a definite fate.
    pub(super) fn can_renew(&self) -> bool {
        self.resetting
            && (is_planted("bump-without-waiting")
                || (self.in_flight.is_empty() && self.queue.iter().all(|batch| !batch.in_doubt)))
    }

    /// Begins the sequences anew: what is queued is numbered when it goes.
    pub(super) fn renew(&mut self, identity: ProducerIdentity) {
        self.resetting = false;
        self.identity = Some(identity);
        self.next_sequence = 0;
        self.established = false;
        for batch in &mut self.queue {
            batch.stamp = None;
            batch.behind = false;
        }
    }

    /// When the partition has to be looked at next, if nothing happens before.
    pub(super) fn next_look(&self, now: Moment, outlook: Outlook, config: &Config) -> Option<Moment> {
        let first = self.queue.front().or(self.open.as_ref());
        let deadline = first.map(|batch| batch.created + config.delivery_timeout);
        // A pause that is over has done its work: looking again would change nothing.
        let retry = first.and(self.retry_at).filter(|at| *at > now);
        let linger = match &self.open {
            Some(open) if self.queue.is_empty() && !open.forced && !config.linger.is_zero() => {
                Some(open.created + config.linger)
            }
            _ => None,
        };
        // Without room for one more, an answer is what there is to wait for.
        let open = if self.in_flight.is_empty() {
            linger
        } else if self.gathers() && self.in_flight.len() < self.most_in_flight(config) {
            self.gather.beside(outlook).map(|at| linger.map_or(at, |linger| at.max(linger)))
        } else {
            None
        };
        let sent = self.in_flight.iter().map(|sent| {
            let silence = sent.sent + config.request_timeout + GRACE;
            if sent.expired { silence } else { silence.min(sent.created + config.delivery_timeout) }
        });
        sent.chain(deadline).chain(retry).chain(open.filter(|at| *at > now)).min()
    }
}

/// What is known of a batch that the broker says it had before, without saying where.
fn unknown_place() -> Appended {
    Appended {
        base_offset: None,
        log_append_time_ms: None,
        log_start_offset: Offset::ZERO,
        durability: Durability::Unknown,
        replicas: 0,
    }
}
