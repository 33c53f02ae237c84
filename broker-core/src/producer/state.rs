//! The dedup of one producer in one partition.
//!
//! Source: KIP-98, KIP-360; Kafka's `ProducerStateEntry` and `ProducerAppendInfo`.

use crate::ids::{Offset, ProducerEpoch, ProducerId};
use crate::planted::is_planted;
use crate::record::{Header, sequence_after};

/// How many batches are kept for each producer: as many as a client may have in flight.
pub const KEPT_BATCHES: usize = 5;

/// What dedup needs to know of a batch: the part of its header that names producer and sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// Who wrote it.
    pub producer: ProducerId,
    /// The writer's incarnation.
    pub epoch: ProducerEpoch,
    /// The first record's sequence number.
    pub base_sequence: i32,
    /// The last offset less the first, and so the last sequence number less the first (modulo 2³¹).
    pub last_offset_delta: i32,
    /// The first record's offset; of no meaning before the batch is appended.
    pub base_offset: Offset,
    /// The batch's max timestamp in ms since 1970.
    pub timestamp_ms: i64,
}

impl Sequenced {
    /// The header's part; `None` for a batch of no idempotent producer.
    #[must_use]
    pub const fn of(header: &Header) -> Option<Self> {
        if header.producer_id.0 <= ProducerId::NONE.0 {
            return None;
        }
        Some(Self {
            producer: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_offset_delta: header.last_offset_delta,
            base_offset: header.base_offset,
            timestamp_ms: header.max_timestamp,
        })
    }

    const fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// A batch that was appended and is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first record's offset.
    pub base_offset: Offset,
    /// The batch's max timestamp in ms since 1970: the append time under `LogAppendTime`.
    pub timestamp_ms: i64,
    /// The first record's sequence number.
    pub base_sequence: i32,
    /// The last offset less the first.
    pub last_offset_delta: i32,
}

impl Kept {
    /// The last record's offset.
    #[must_use]
    pub const fn last_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64)
    }

    /// The last record's sequence number.
    #[must_use]
    pub const fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Append it.
    Accept,
    /// It is in the log already: answer with the original.
    Duplicate(Kept),
    /// It leaves a gap, or overlaps what is there (`OUT_OF_ORDER_SEQUENCE_NUMBER`).
    OutOfOrder {
        /// The base sequence that would have been accepted.
        expected: i32,
    },
    /// A newer incarnation has written (`INVALID_PRODUCER_EPOCH`).
    Fenced {
        /// The newer incarnation.
        current: ProducerEpoch,
    },
}

/// One producer in one partition: its incarnation and its last batches. It has always written at least one.
#[derive(Clone, Debug)]
pub struct Producer {
    epoch: ProducerEpoch,
    len: u8,
    /// The first `len` are the batches, oldest first. An array: the state is one small allocation.
    kept: [Kept; KEPT_BATCHES],
    last_seen_ms: i64,
}

impl PartialEq for Producer {
    /// Equal dedup. When it was last seen is not part of it: that is known by the clock, not from the log.
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.kept() == other.kept()
    }
}

impl Eq for Producer {}

impl Producer {
    /// A producer that wrote `first`, at `now_ms`.
    #[must_use]
    pub fn new(first: &Sequenced, now_ms: i64) -> Self {
        let mut producer =
            Self { epoch: first.epoch, len: 0, kept: [Kept::default(); KEPT_BATCHES], last_seen_ms: now_ms };
        producer.push(first);
        producer
    }

    /// Puts a saved state together; `None` if there is no batch or more than [`KEPT_BATCHES`].
    pub(super) fn restore(epoch: ProducerEpoch, batches: &[Kept], last_seen_ms: i64) -> Option<Self> {
        let mut kept = [Kept::default(); KEPT_BATCHES];
        kept.get_mut(..batches.len())?.copy_from_slice(batches);
        let len = u8::try_from(batches.len()).ok().filter(|&len| len > 0)?;
        Some(Self { epoch, len, kept, last_seen_ms })
    }

    /// Its incarnation.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// The batches it is remembered by, oldest first; all of the current epoch.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        self.kept.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// When it last wrote, in ms since 1970 by the broker's clock.
    #[must_use]
    pub const fn last_seen_ms(&self) -> i64 {
        self.last_seen_ms
    }

    /// What to do with `batch`, which this producer sent.
    ///
    /// - Duplicate: its first *and* last sequence match a kept batch of the same epoch.
    /// - The next sequence is the last plus one, where 0 follows 2³¹ − 1; a new epoch starts at 0.
    #[must_use]
    pub fn decide(&self, batch: &Sequenced) -> Decision {
        if batch.epoch < self.epoch && !is_planted("lower-epoch-accepted") {
            return Decision::Fenced { current: self.epoch };
        }
        if batch.epoch != self.epoch {
            return if batch.base_sequence == 0 { Decision::Accept } else { Decision::OutOfOrder { expected: 0 } };
        }
        // Newest first: a retry is mostly of what was sent last.
        let window = if is_planted("dedup-window-of-one") { 1 } else { KEPT_BATCHES };
        let original =
            self.kept().iter().rev().take(window).find(|kept| {
                kept.base_sequence == batch.base_sequence && kept.last_sequence() == batch.last_sequence()
            });
        if let Some(original) = original
            && !is_planted("dedup-off")
        {
            return Decision::Duplicate(*original);
        }
        let expected = self.next_sequence();
        if batch.base_sequence == expected || is_planted("dedup-off") || is_planted("gap-accepted") {
            Decision::Accept
        } else {
            Decision::OutOfOrder { expected }
        }
    }

    fn next_sequence(&self) -> i32 {
        let last = self.kept().last().map_or(-1, Kept::last_sequence);
        if is_planted("sequence-wrap-wrong") {
            return last.wrapping_add(1);
        }
        if last < 0 { 0 } else { sequence_after(last, 1) }
    }

    /// Remembers `batch`, which is in the log at its offset now. A batch at or before the last one
    /// remembered changes nothing, so that a replay may begin before the state's end.
    pub fn record(&mut self, batch: &Sequenced, now_ms: i64) {
        if self.kept().last().is_some_and(|last| batch.base_offset <= last.base_offset) {
            return;
        }
        debug_assert!(
            self.kept().last().is_none_or(|last| batch.base_offset > last.last_offset()) || is_planted("offset-reused"),
            "invariant 3: the batch at {} of producer {} overlaps the one before",
            batch.base_offset,
            batch.producer
        );
        if batch.epoch != self.epoch {
            self.epoch = batch.epoch;
            self.len = 0;
        }
        self.push(batch);
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
    }

    fn push(&mut self, batch: &Sequenced) {
        if usize::from(self.len) == KEPT_BATCHES {
            self.kept.rotate_left(1);
            self.len -= 1;
        }
        if let Some(slot) = self.kept.get_mut(usize::from(self.len)) {
            *slot = Kept {
                base_offset: batch.base_offset,
                timestamp_ms: batch.timestamp_ms,
                base_sequence: batch.base_sequence,
                last_offset_delta: batch.last_offset_delta,
            };
            self.len += 1;
        }
    }

    /// The same as far as the log goes up to `end`; `None` if nothing kept lies wholly before it.
    pub(super) fn up_to(&self, end: Offset) -> Option<Self> {
        let whole = self.kept().iter().take_while(|kept| kept.last_offset() < end).count();
        Self::restore(self.epoch, self.kept().get(..whole)?, self.last_seen_ms)
    }
}
