//! Reading many partitions at once, and waiting until there is enough.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use super::Partition;
use super::read::Read;
use crate::api::{Error, FetchResponse, Fetched, IsolationLevel};
use crate::env::Env;
use crate::log::{Bounds, Signal};
use crate::planted::is_planted;

/// What is wanted of one partition.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of which.
    pub partition: Arc<Partition>,
    /// From where, and how much.
    pub read: Read,
}

/// Limits over all partitions of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// How long to wait for `min_bytes`. Zero looks once.
    pub max_wait: Duration,
    /// Bytes to wait for; 0 and 1 answer as soon as there is any record.
    pub min_bytes: usize,
    /// Bytes to return at most; the first batch is returned however large.
    pub max_bytes: usize,
    /// Which partition is read first, modulo their number. A caller that moves it on from one fetch to
    /// the next keeps the first partitions from starving the last.
    pub first: usize,
}

/// Reads `wanted`, one answer each, in order; waits until there are `min_bytes`, one has an error or as much as it
/// may, or `max_wait` has passed. Cancel-safe: it only reads.
///
/// Waiting costs one timer, whatever the number of partitions; only those that changed are looked at
/// again, and what was read is not read twice.
pub async fn fetch(wanted: &[Wanted], limits: FetchLimits, env: &Env) -> FetchResponse {
    let mut gathering = Gathering::new(wanted, limits);
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.rotate_left(limits.first.checked_rem(wanted.len()).unwrap_or_default());
    for &index in &order {
        gathering.look(index).await;
    }
    // Of no partitions there is nothing to wait for (as in Kafka).
    if !wanted.is_empty() && !gathering.is_enough() && !limits.max_wait.is_zero() {
        gathering.wait(&order, env).await;
    }
    gathering.answers.into_iter().map(|answer| answer.result).collect()
}

struct Answer {
    result: Result<Fetched, Error>,
    /// The bounds before the last look: other ones mean that another look is due.
    seen: Bounds,
    /// Where the next look goes on.
    next: Read,
}

struct Gathering<'a> {
    wanted: &'a [Wanted],
    limits: FetchLimits,
    answers: Vec<Answer>,
    bytes: usize,
    failed: bool,
    /// More is there than was taken, for want of room in all or of one partition: waiting brings no more of it. Kafka
    /// waits for the rest of `min_bytes` in the latter case, and a reader that lags behind would, for each fetch.
    full: bool,
}

impl<'a> Gathering<'a> {
    fn new(wanted: &'a [Wanted], limits: FetchLimits) -> Self {
        let answers = wanted
            .iter()
            .map(|wanted| Answer {
                result: Ok(wanted.partition.fetched()),
                seen: wanted.partition.bounds(),
                next: wanted.read,
            })
            .collect();
        Self { wanted, limits, answers, bytes: 0, failed: false, full: false }
    }

    fn is_enough(&self) -> bool {
        let enough = self.bytes >= self.limits.min_bytes.max(1) || self.bytes >= self.limits.max_bytes.max(1);
        self.failed || self.full || enough
    }

    /// Reads what is new in one partition.
    async fn look(&mut self, index: usize) {
        let (Some(wanted), Some(answer)) = (self.wanted.get(index), self.answers.get_mut(index)) else {
            return;
        };
        answer.seen = wanted.partition.bounds();
        let Ok(fetched) = &mut answer.result else {
            return;
        };
        let room = self.limits.max_bytes.saturating_sub(self.bytes);
        let started = !fetched.batches.is_empty();
        if (self.bytes > 0 && room == 0) || (started && answer.next.max_bytes == 0) {
            return;
        }
        let max_bytes = answer.next.max_bytes.min(room);
        match wanted.partition.read(&Read { max_bytes, ..answer.next }).await {
            Ok(more) => {
                fetched.high_watermark = more.high_watermark;
                fetched.last_stable_offset = more.last_stable_offset;
                fetched.log_start_offset = more.log_start_offset;
                for batch in more.batches {
                    let size = batch.size_in_bytes();
                    // The log returns one batch however large. That is for the first of all, and,
                    // within the room of all, for the first of a partition.
                    let over_all = self.bytes > 0 && self.bytes.saturating_add(size) > self.limits.max_bytes;
                    let over_own = !fetched.batches.is_empty() && size > answer.next.max_bytes;
                    if over_all || over_own {
                        self.full |= over_all;
                        if over_own {
                            answer.next.max_bytes = 0;
                        }
                        break;
                    }
                    self.bytes += size;
                    answer.next.max_bytes = answer.next.max_bytes.saturating_sub(size);
                    answer.next.from = batch.next_offset();
                    fetched.batches.push(batch);
                }
                let end = match wanted.read.isolation {
                    IsolationLevel::ReadCommitted => fetched.last_stable_offset,
                    IsolationLevel::ReadUncommitted => fetched.high_watermark,
                };
                let is_left = !fetched.batches.is_empty() && answer.next.from < end;
                self.full |= is_left && !is_planted("poll-waits-at-a-partitions-limit");
            }
            // What was gathered is good; the trouble shows at the next fetch.
            Err(_) if started => self.failed = true,
            Err(error) => {
                answer.result = Err(error);
                self.failed = true;
            }
        }
    }

    /// Whether a look at the partition may tell something new.
    fn is_due(&self, index: usize) -> bool {
        let (Some(wanted), Some(answer)) = (self.wanted.get(index), self.answers.get(index)) else {
            return false;
        };
        let partition = &wanted.partition;
        partition.bounds() != answer.seen || partition.check_readable().is_err()
    }

    async fn wait(&mut self, order: &[usize], env: &Env) {
        let deadline = env.now() + self.limits.max_wait;
        let signal = Signal::new();
        let subscriptions: Vec<_> = (0..)
            .zip(self.wanted)
            .map(|(token, wanted): (u32, _)| wanted.partition.log.bounds_cell().subscribe(&signal, token))
            .collect();
        // What changed between the first look and the subscription raised nothing.
        for &index in order {
            if self.is_due(index) {
                self.look(index).await;
            }
        }
        if is_planted("poll-deaf") {
            drop(subscriptions);
            return env.sleep_until(deadline).await;
        }
        let mut sleep = Box::pin(env.sleep_until(deadline));
        while !self.is_enough() {
            // Biased to the records: what is there by the deadline is served.
            match select(Box::pin(signal.changed()), sleep.as_mut()).await {
                Either::Left((tokens, _)) => {
                    for token in tokens {
                        let index = usize::try_from(token).unwrap_or(usize::MAX);
                        if self.is_due(index) {
                            self.look(index).await;
                        }
                    }
                }
                Either::Right(((), _)) => break,
            }
        }
        drop(subscriptions);
    }
}
