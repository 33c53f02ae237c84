//! A producer's state behind its lock, and the way from there to the cluster.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_broker_core::api::{self, ErrorCode, ProduceResponse, ProducerIdentity, TopicMetadata};
use ottla_broker_core::env::{BoxFuture, Moment};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{BrokerId, TopicName};
use tokio::sync::Notify;

use super::backoff;
use super::barrier::Barrier;
use super::batch::Settlement;
use super::budget::Budget;
use super::crowd::Crowd;
use super::delivery::Delivery;
use super::error::{Error, NotEnqueued};
use super::reports::Reports;
use super::settings::Config;
use super::state::{Index, Parts, Placed, State};
use super::turns::Turns;
use super::unacknowledged::Unacknowledged;
use crate::context::Context;
use crate::partitioner::Partitioner;
use crate::record::Record;

/// A batch's header, which counts against `batch_bytes`.
const HEADER_BYTES: usize = 61;
/// Records and KiB that are enqueued without letting others run: about a millisecond's.
const IN_A_ROW: usize = 4096;

pub(super) struct Shared {
    pub(super) context: Context,
    pub(super) parts: Parts,
    pub(super) budget: Arc<Budget>,
    pub(super) reports: Arc<Reports>,
    pub(super) barrier: Arc<Barrier>,
    state: Mutex<State>,
    /// Held while batches go from the state to the cluster, so that they arrive in their order.
    pub(super) submitting: Mutex<()>,
    /// What was submitted by someone else than the sender, who waits for its answer.
    pub(super) inbox: Mutex<Vec<BoxFuture<'static, Event>>>,
    /// There is something new to look at.
    pub(super) wake: Notify,
    /// There is something that the sender must look at even while it paces itself.
    pub(super) prompt: Notify,
    /// What can go must not wait for the sender's pace.
    pub(super) hurry: AtomicBool,
    /// Whether `enqueue` waits for what is ahead.
    pub(super) crowd: Crowd,
    pub(super) turns: Turns,
}

/// Something that the sender waited for.
pub(super) enum Event {
    Answered(Sent, Result<ProduceResponse, api::Error>),
    Ready(BrokerId, Result<(), api::Error>),
    Refreshed(Vec<TopicName>, Result<Vec<Result<Arc<TopicMetadata>, api::Error>>, api::Error>),
    Renewed(Result<ProducerIdentity, api::Error>),
    Loaded(TopicName, Result<Arc<TopicMetadata>, Error>),
}

/// The batches of a request.
pub(super) struct Sent {
    pub(super) at: Moment,
    pub(super) batches: Vec<(Index, (u64, u32), u32)>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("client_id", &self.context.client_id)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        context: Context,
        config: Config,
        partitioner: Arc<dyn Partitioner>,
        identity: Option<ProducerIdentity>,
    ) -> Arc<Self> {
        let (reports, barrier) = (Arc::new(Reports::default()), Arc::new(Barrier::default()));
        let budget = Arc::new(Budget::new(config.max_unacked_bytes));
        Arc::new_cyclic(|producer| Self {
            budget: Arc::clone(&budget),
            parts: Parts {
                env: context.env.clone(),
                config,
                partitioner,
                reports: Arc::clone(&reports),
                barrier: Arc::clone(&barrier),
                budget,
                cluster: Arc::clone(&context.cluster),
                producer: producer.clone(),
            },
            context,
            reports,
            barrier,
            state: Mutex::new(State::new(identity)),
            submitting: Mutex::new(()),
            inbox: Mutex::default(),
            wake: Notify::new(),
            prompt: Notify::new(),
            hurry: AtomicBool::new(false),
            crowd: Crowd::default(),
            turns: Turns::default(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a record that no batch and no budget can hold; else says what it takes of the budget.
    pub(super) fn admissible(&self, record: &Record, reserved: usize) -> Result<u32, Error> {
        let config = &self.parts.config;
        let too_large = |limit, setting| -> Result<u32, Error> {
            Err(Error::RecordTooLarge { topic: TopicName::new(record.topic.as_str())?, size: reserved, limit, setting })
        };
        // `reserved` bounds what a record adds to a batch.
        if reserved + HEADER_BYTES > config.batch_bytes {
            return too_large(config.batch_bytes - HEADER_BYTES, "batch_bytes");
        }
        if reserved > self.budget.limit() {
            return too_large(self.budget.limit(), "max_unacked_bytes");
        }
        u32::try_from(reserved).or_else(|_| too_large(u32::MAX as usize, "batch_bytes"))
    }

    /// Enqueues a record that has its room. On failure the room goes back.
    pub(super) fn enqueue_reserved(&self, record: Record, reserved: usize) -> Result<Delivery, NotEnqueued> {
        // With a permit, the record may be larger than what was reserved for it.
        if let Err(error) = self.admissible(&record, reserved) {
            self.budget.give_back(reserved);
            return Err(NotEnqueued { error, record: Box::new(record) });
        }
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(|| self.parts.env.wall_ms());
        let mut state = self.state();
        let placed = state.append_or_load(record, reserved, timestamp_ms, &self.parts);
        self.appended(state, reserved);
        let Placed { completion, index, .. } = placed.inspect_err(|_| self.budget.give_back(reserved))?;
        Ok(Delivery::new(completion, index, timestamp_ms))
    }

    /// Enqueues an admissible record that has its room, if its topic is known: else the record comes back,
    /// and the room stays taken.
    pub(super) fn enqueue_known(
        &self,
        record: Record,
        reserved: usize,
    ) -> Result<Result<Delivery, NotEnqueued>, Box<Record>> {
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(|| self.parts.env.wall_ms());
        let mut state = self.state();
        let placed = state.append(&record, reserved, timestamp_ms, &self.parts);
        self.appended(state, reserved);
        match placed {
            Ok(Some(Placed { completion, index, .. })) => Ok(Ok(Delivery::new(completion, index, timestamp_ms))),
            Ok(None) => Err(Box::new(record)),
            Err(error) => {
                self.budget.give_back(reserved);
                Ok(Err(NotEnqueued { error, record: Box::new(record) }))
            }
        }
    }

    /// A record was appended: does what that calls for, with the lock free.
    fn appended(&self, mut state: MutexGuard<'_, State>, reserved: usize) {
        let (news, full) = (std::mem::take(&mut state.news), std::mem::take(&mut state.full));
        let wanted = std::mem::take(&mut state.wanted);
        state.in_a_row += 1 + reserved / 1024;
        let tired = state.in_a_row >= IN_A_ROW;
        if tired {
            state.in_a_row = 0;
        }
        // Under the lock, so that no answer comes in between.
        if let Some(at) = state.crowded.take() {
            self.crowd.gathered(at);
        }
        drop(state);
        wanted.into_iter().for_each(|topic| self.later(self.load_in_background(topic)));
        if full && is_planted("full-batch-waits-for-sender") {
            self.hurry();
        } else if full {
            // From here: a task that only enqueues keeps its worker, and the sender, woken by it, would wait for that
            // very worker until there is no room left.
            self.submit_now();
        }
        if news {
            self.wake.notify_one();
        }
        if news || full || tired {
            self.turns.owe();
        }
    }

    fn load_in_background(&self, topic: TopicName) -> BoxFuture<'static, Event> {
        let producer = self.parts.producer.clone();
        Box::pin(async move {
            let loaded = match producer.upgrade() {
                Some(shared) => shared.ask_for(&topic).await,
                None => Err(Error::Closed { in_doubt: false }),
            };
            Event::Loaded(topic, loaded)
        })
    }

    /// Makes the topic known to this producer.
    pub(super) async fn load_topic(&self, topic: &str) -> Result<Arc<TopicMetadata>, Error> {
        let topic = TopicName::new(topic)?;
        let metadata = self.ask_for(&topic).await?;
        self.install(&metadata);
        Ok(metadata)
    }

    async fn ask_for(&self, topic: &TopicName) -> Result<Arc<TopicMetadata>, Error> {
        let env = &self.parts.env;
        let deadline = env.now() + self.parts.config.delivery_timeout;
        let mut failures = 0;
        loop {
            let error = match self.context.metadata.topic(topic).await {
                Ok(metadata) => return Ok(metadata),
                Err(error) if error.code == ErrorCode::UnknownTopicOrPartition => {
                    return Err(Error::UnknownTopic { topic: topic.clone() });
                }
                Err(error) => error,
            };
            failures += 1;
            let pause = backoff::delay(failures, env.random_u64());
            if !error.is_retriable() || env.now() + pause >= deadline {
                let purpose = format!("looking up the partitions of topic `{topic}`");
                return Err(Error::Cluster { purpose, source: Arc::new(error) });
            }
            env.sleep(pause).await;
        }
    }

    fn install(&self, metadata: &TopicMetadata) {
        let (settled, placed) = self.state().install(metadata, &self.parts);
        self.settle(settled);
        placed.into_iter().for_each(|number| self.barrier.remove(number));
        self.wake.notify_one();
    }

    /// A request's answer: one for each of its batches.
    pub(super) fn answered(&self, sent: Sent, answer: Result<ProduceResponse, api::Error>) {
        let now = self.parts.env.now();
        metrics::histogram!("ottla_producer_request_seconds").record(now.since(sent.at).as_secs_f64());
        let mut settled = Vec::with_capacity(sent.batches.len());
        {
            let mut state = self.state();
            let (mut answers, whole) = match answer {
                Ok(answers) => (answers.into_iter(), None),
                Err(error) => (Vec::new().into_iter(), Some(error)),
            };
            for (index, order, attempt) in sent.batches {
                let result = match (&whole, answers.next()) {
                    (Some(error), _) => Err(error.clone()),
                    (None, Some(result)) => result,
                    (None, None) => Err(api::Error::new(
                        ErrorCode::NetworkException,
                        "the broker's answer leaves out one of the batches",
                    )),
                };
                if let Err(error) = &result {
                    tracing::debug!(%error, "a batch was not acknowledged");
                }
                let Some(partition) = state.partition_mut(index) else { continue };
                let jitter = self.parts.env.random_u64();
                let effects = partition.answer((order, attempt), result, now, &self.parts.config, jitter);
                if effects.split {
                    self.barrier.split(order.0);
                }
                state.apply(index, effects, &mut settled, &self.parts);
            }
            if let Some(at) = self.crowd.at()
                && !state.partition_mut(at).is_some_and(|partition| partition.has_enough())
            {
                self.crowd.dissolved();
            }
            if std::mem::take(&mut state.news) {
                self.wake.notify_one();
            }
        }
        self.settle(settled);
    }

    /// Tells answers, outside the lock: deliveries first, so that whoever passes the barrier finds them told.
    pub(super) fn settle(&self, settled: Vec<Settlement>) {
        let mut room = 0;
        for settlement in &settled {
            if let Err(error) = &settlement.result {
                metrics::counter!("ottla_producer_errors_total").increment(1);
                tracing::debug!(%error, "records failed");
            }
            settlement.tell();
            room += settlement.reserved;
        }
        self.budget.give_back(room);
        for settlement in settled {
            self.barrier.remove(settlement.number);
        }
    }

    /// Looks at every partition whose time has come.
    pub(super) fn fire(&self) {
        let settled = self.state().fire(self.parts.env.now(), &self.parts);
        self.settle(settled);
    }

    pub(super) fn handle(&self, event: Event) {
        match event {
            Event::Answered(sent, answer) => self.answered(sent, answer),
            Event::Ready(broker, ready) => {
                self.state().ungate(broker);
                if let Err(error) = ready {
                    self.unreachable(broker, &error);
                }
            }
            Event::Refreshed(topics, Ok(answers)) => {
                for (topic, answer) in topics.iter().zip(answers) {
                    match answer {
                        Ok(metadata) => self.install(&metadata),
                        Err(error) => {
                            tracing::debug!(%topic, %error, "refreshing metadata failed");
                            self.state().not_refreshed(topic.as_str(), &self.parts);
                        }
                    }
                }
            }
            Event::Refreshed(_, Err(error)) => tracing::debug!(%error, "refreshing metadata failed"),
            Event::Renewed(Ok(identity)) => self.state().renewed(identity, &self.parts),
            Event::Renewed(Err(error)) => tracing::debug!(%error, "asking for a new producer epoch failed"),
            Event::Loaded(_, Ok(metadata)) => self.install(&metadata),
            Event::Loaded(topic, Err(error)) => {
                let settled = self.state().not_loaded(topic.as_str(), &error);
                self.settle(settled);
            }
        }
    }

    pub(super) async fn flush(&self) {
        if !self.parts.config.linger.is_zero() {
            self.state().force(&self.parts);
        }
        // Before the sender looks.
        let answered = self.barrier.wait();
        self.hurry();
        if is_planted("flush-ignores-in-flight") {
            return;
        }
        answered.await;
    }

    pub(super) async fn close(&self, limit: Duration) -> Result<(), Error> {
        {
            let mut state = self.state();
            if let Some(ended) = state.ended.clone() {
                drop(state);
                // What failed since, or with what ended it, has been told to nobody yet.
                return self.reports.take().and(Err(ended));
            }
            state.ended = Some(Error::Closed { in_doubt: false });
        }
        self.budget.close();
        let flushed = self.parts.env.timeout(limit, self.flush()).await;
        // Before those that are given up now report themselves.
        let earlier = self.reports.take().err();
        let left = self.stop();
        let records = left.iter().map(|left| left.records).sum();
        if flushed.is_err() && records > 0 {
            return Err(Error::LeftBehind { records, left, limit, earlier: earlier.map(Box::new) });
        }
        if is_planted("close-swallows-failures") {
            return Ok(());
        }
        earlier.map_or_else(|| self.reports.take(), Err)
    }

    /// The last clone went away, or the task that sends did.
    pub(super) fn abandon(&self) {
        let left = self.stop();
        if !left.is_empty() {
            tracing::warn!(
                client_id = %self.context.client_id,
                records = left.iter().map(|left| left.records).sum::<u64>(),
                "the producer was dropped before its records were acknowledged: call `close` or `flush` first"
            );
        }
    }

    /// Ends at once: which records had no answer.
    pub(super) fn stop(&self) -> Vec<Unacknowledged> {
        let (left, settled) = {
            let mut state = self.state();
            (state.left(), state.end(|_, in_doubt| Error::Closed { in_doubt }))
        };
        self.budget.close();
        self.settle(settled);
        self.state().stopped = true;
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.prompt.notify_one();
        left
    }
}
