//! What a reader knows of one partition. Plain state: no task, no timer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ottla_broker_core::api::Fetched;
use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, TopicId, TopicPartition, record};

use super::aborted::Aborted;
use super::at::At;
use super::error::Error;
use super::messages::Messages;
use super::work::Which;

/// What was fetched of a partition and not handed over yet, in order.
#[derive(Debug)]
enum Entry {
    Batch(Batch),
    /// A control batch, or one of an aborted transaction: only moves the position.
    Skipped(Batch),
    Failed(Error),
}

/// One partition of a reader.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) source: Arc<TopicPartition>,
    pub(crate) topic_id: TopicId,
    pub(crate) leader: Option<BrokerId>,
    pub(crate) epoch: LeaderEpoch,
    /// Changes with each seek: an answer to an older question is dropped.
    pub(crate) generation: u32,
    /// The next offset to hand over.
    pub(crate) position: Offset,
    /// The next offset to fetch: the position, or after what is buffered.
    fetch_from: Offset,
    /// A start or end that has to be asked for before anything is fetched.
    pub(crate) start: Option<At>,
    pub(crate) end: Option<At>,
    /// The first offset that is not wanted.
    pub(crate) until: Offset,
    entries: VecDeque<Entry>,
    pub(crate) paused: bool,
    /// Whether the leader is being asked about it.
    pub(crate) asked: bool,
    /// What is in flight to its leader does not ask for what it wants next.
    pub(crate) late: bool,
    /// Whether an error waits to be handed over: nothing is fetched before that.
    failed: bool,
    /// Whether its topic is gone.
    pub(crate) gone: bool,
    /// Whether the engine's queue has it.
    pub(crate) queued: bool,
    /// Since when the leader has given nothing but retriable errors, and how many.
    pub(crate) failing: Option<(Moment, u32)>,
    /// Not to be asked about before.
    pub(crate) retry_at: Option<Moment>,
    /// Where the partition ended when it was last read: HW, or LSO when reading committed.
    pub(crate) known_end: Option<Offset>,
    /// The same for others to see.
    pub(crate) end_seen: Option<Arc<AtomicI64>>,
}

impl Slot {
    pub(crate) fn new(partition: TopicPartition, topic_id: TopicId, start: At, end: Option<At>) -> Self {
        let mut slot = Self {
            source: Arc::new(partition),
            topic_id,
            leader: None,
            epoch: LeaderEpoch::NONE,
            generation: 0,
            position: Offset::ZERO,
            fetch_from: Offset::ZERO,
            start: None,
            end,
            until: Offset::MAX,
            entries: VecDeque::new(),
            paused: false,
            asked: false,
            late: false,
            failed: false,
            gone: false,
            queued: false,
            failing: None,
            retry_at: None,
            known_end: None,
            end_seen: None,
        };
        slot.seek(start);
        slot
    }

    /// Goes to `to`, forgetting what was fetched. Returns the bytes that were buffered.
    pub(crate) fn seek(&mut self, to: At) -> usize {
        self.generation = self.generation.wrapping_add(1);
        self.start = Some(to);
        if let At::Offset(offset) = to {
            self.start_at(offset);
        }
        if is_planted("reader-repeats-after-seek") { 0 } else { self.clear() }
    }

    /// The start is known.
    pub(crate) fn start_at(&mut self, offset: Offset) {
        self.start = None;
        self.position = offset;
        self.fetch_from = offset;
    }

    /// A look-up was answered.
    pub(super) fn resolved(&mut self, which: Which, offset: Offset) {
        match which {
            Which::Start => self.start_at(offset),
            Which::End => {
                self.end = None;
                self.until = offset;
            }
        }
    }

    /// Forgets what was fetched; the position stays. Returns the bytes that were buffered.
    pub(crate) fn clear(&mut self) -> usize {
        let bytes = self.entries.iter().map(Entry::size).sum();
        self.entries = VecDeque::new();
        self.forgot_the_rest(self.position);
        bytes
    }

    /// Forgets what was fetched beyond the first `bytes`: it is fetched again. Returns the bytes that were buffered.
    pub(super) fn keep(&mut self, bytes: usize) -> usize {
        let mut kept = 0;
        let mut fits = |entry: &Entry| {
            kept += entry.size();
            kept <= bytes
        };
        let stays = self.entries.iter().take_while(|entry| fits(entry)).count();
        // That its topic is gone is told only once.
        if stays == self.entries.len() || self.gone {
            return 0;
        }
        let freed = self.entries.drain(stays..).map(|entry| entry.size()).sum();
        // What is in flight begins after what was forgotten.
        self.generation = self.generation.wrapping_add(1);
        let next = match self.entries.back() {
            Some(Entry::Batch(batch) | Entry::Skipped(batch)) => batch.next_offset(),
            Some(Entry::Failed(_)) | None => self.position,
        };
        self.forgot_the_rest(next);
        self.late = true;
        freed
    }

    /// Goes on to fetch at `next`, as if nothing had ever failed.
    const fn forgot_the_rest(&mut self, next: Offset) {
        self.failed = false;
        self.retry_at = None;
        self.failing = None;
        self.late = false;
        self.fetch_from = next;
    }

    /// Whether nothing is left, and what it wants is not being asked for. Says so once.
    pub(super) fn runs_dry(&mut self) -> bool {
        self.entries.is_empty()
            && !self.gone
            && std::mem::take(&mut self.late)
            && !is_planted("held-partitions-run-dry")
    }

    pub(crate) const fn fetch_from(&self) -> Offset {
        self.fetch_from
    }

    /// Whether start or end have to be looked up.
    pub(crate) const fn is_unresolved(&self) -> bool {
        !self.gone && (self.start.is_some() || self.end.is_some())
    }

    /// Whether nothing of it will ever be handed over, unless someone seeks.
    pub(crate) fn is_finished(&self) -> bool {
        self.gone && self.entries.is_empty() || (!self.is_unresolved() && !self.failed && self.position >= self.until)
    }

    /// Whether the leader may be asked about it now.
    pub(crate) fn may_ask(&self, now: Moment) -> bool {
        !self.asked && !self.failed && !self.gone && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Whether it is to be fetched.
    pub(crate) fn wants_fetch(&self, now: Moment) -> bool {
        self.may_ask(now) && !self.paused && !self.is_unresolved() && self.fetch_from < self.until
    }

    /// Whether something is to be handed over, now or later.
    pub(super) fn has_something(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether something can be handed over.
    pub(crate) fn is_ready(&self) -> bool {
        !self.paused && self.has_something()
    }

    /// Takes in what the leader had. Returns the bytes that are buffered more.
    ///
    /// `limit` is where the partition ends for this reader.
    pub(crate) fn take_in(&mut self, fetched: Fetched, limit: Offset, committed_only: bool) -> usize {
        self.failing = None;
        self.known_end = Some(limit);
        if let Some(seen) = &self.end_seen {
            seen.store(limit.0, Ordering::Relaxed);
        }
        let before = self.fetch_from;
        let any = !fetched.batches.is_empty();
        let mut aborted = Aborted::new(if committed_only { fetched.aborted } else { Vec::new() });
        let mut bytes = 0;
        for batch in fetched.batches {
            // What lies before was not asked for, or a leader repeats itself.
            if batch.next_offset() <= self.fetch_from || self.fetch_from >= self.until {
                continue;
            }
            self.fetch_from = batch.next_offset();
            let skipped = aborted.skips(&batch);
            let entry = if skipped { Entry::Skipped(batch) } else { Entry::Batch(batch) };
            bytes += entry.size();
            self.entries.push_back(entry);
        }
        if any && self.fetch_from == before {
            // Asking again would spin for ever.
            let source = record::Error::InvalidHeader {
                base_offset: before,
                reason: "the answer holds only batches before the offset asked for",
            };
            self.fail(Error::Corrupt {
                partition: (*self.source).clone(),
                offset: before,
                next: before.next(),
                source,
            });
        }
        bytes
    }

    /// An error to hand over after what is buffered.
    pub(crate) fn fail(&mut self, error: Error) {
        self.failed = true;
        self.entries.push_back(Entry::Failed(error));
    }

    /// The first error that waits to be handed over, out of its turn: while a reader is built nobody takes what
    /// comes before it.
    pub(super) fn take_error(&mut self) -> Option<Error> {
        let at = self.entries.iter().position(|entry| matches!(entry, Entry::Failed(_)))?;
        match self.entries.remove(at) {
            Some(Entry::Failed(error)) => Some(error),
            _ => None,
        }
    }

    /// The next thing to hand over, and the bytes that it frees. `None` if nothing is buffered.
    pub(crate) fn pop(&mut self) -> (usize, Option<Result<Messages, Error>>) {
        let mut freed = 0;
        while let Some(entry) = self.entries.pop_front() {
            freed += entry.size();
            match entry {
                // One wrong bit makes a control batch of any other, and hides it.
                Entry::Skipped(batch) => match self.check_skipped(&batch) {
                    Ok(()) => self.position = self.position.max(batch.next_offset()),
                    Err(error) => return (freed + self.distrust(), Some(Err(error))),
                },
                Entry::Failed(error) => {
                    self.failed = false;
                    self.failing = None;
                    return (freed, Some(Err(error)));
                }
                Entry::Batch(batch) => match self.open(&batch) {
                    Ok(messages) => {
                        self.position = batch.next_offset().min(self.until);
                        return (freed, Some(Ok(messages)));
                    }
                    Err(error) => return (freed + self.distrust(), Some(Err(error))),
                },
            }
        }
        (freed, None)
    }

    /// The position stays at a batch that is damaged, and what came with it is not trusted either: which batches are
    /// left out follows from those before them. Returns the bytes that were buffered.
    fn distrust(&mut self) -> usize {
        self.generation = self.generation.wrapping_add(1);
        self.clear()
    }

    /// Invariant 9: bytes served are the bytes acknowledged, or an error.
    fn check_bytes(&self, batch: &Batch) -> Result<(), Error> {
        batch.verify_crc().map_err(|source| Error::Corrupt {
            partition: (*self.source).clone(),
            offset: self.position.max(batch.base_offset()),
            next: batch.next_offset(),
            source,
        })
    }

    fn check_skipped(&self, batch: &Batch) -> Result<(), Error> {
        if is_planted("reader-skips-unchecked") { Ok(()) } else { self.check_bytes(batch) }
    }

    fn open(&self, batch: &Batch) -> Result<Messages, Error> {
        if !is_planted("reader-serves-bad-crc") {
            self.check_bytes(batch)?;
        }
        let until = if is_planted("reader-skips-batch-tail") { batch.last_offset() } else { self.until };
        Messages::new(Arc::clone(&self.source), batch, self.position, until.min(self.until))
    }
}

impl Entry {
    fn size(&self) -> usize {
        match self {
            Self::Batch(batch) | Self::Skipped(batch) => batch.size_in_bytes(),
            Self::Failed(_) => 0,
        }
    }
}
