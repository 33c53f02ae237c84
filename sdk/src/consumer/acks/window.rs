//! The bits of what is out.
//!
//! Messages are numbered as they go out. Number `n` has bit `n % 63` of word `n / 63`, in a ring of words;
//! the top bit of every word says that the assignment has ended. An acknowledgement is therefore one
//! `fetch_or`, whose result tells whether it came in time, and closing sees exactly those that did:
//!
//! ```text
//!      ring:  │C 111…111│C 111…001│C 000…011│C 000…000│       C: closed
//!                         ▲ head     ▲ handed
//! ```
//!
//! A word is cleared and used again once all its 63 are acknowledged; nobody can touch it in between,
//! because each message is acknowledged at most once (`Ack::ack` takes `self`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use ottla_broker_core::api::group::Generation;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{LeaderEpoch, Offset};

use super::runs::Runs;
use super::{Acked, AckedMany, Marks, MaxUnacked, NotHandedOver, Position};

/// Messages a word.
const BITS: u64 = 63;
/// The assignment has ended.
const CLOSED: u64 = 1 << BITS;

#[derive(Debug)]
pub(super) struct Window {
    generation: Generation,
    limit: MaxUnacked,
    words: Box<[AtomicU64]>,
    /// How many were handed over. Written by the one tracker.
    handed: AtomicU64,
    /// How many the head had passed when somebody last looked.
    passed: AtomicU64,
    closed: AtomicBool,
    /// Whether the tracker waits for room.
    waits: AtomicBool,
    waker: AtomicWaker,
    head: Mutex<Head>,
}

#[derive(Debug)]
struct Head {
    /// All before it are acknowledged.
    sequence: u64,
    runs: Runs,
    /// The furthest that `acked` was ever said to be: a gap that was skipped stays skipped.
    reached: Position,
    /// The marks at the end.
    last: Option<Marks>,
}

impl Window {
    pub(super) fn new(generation: Generation, start: Position, limit: MaxUnacked) -> Self {
        // One word more than the limit fills, as the head may lie in the midst of one.
        let words = u64::from(limit.get()).div_ceil(BITS) + 1;
        Self {
            generation,
            limit,
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            handed: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            head: Mutex::new(Head { sequence: 0, runs: Runs::new(start), reached: start, last: None }),
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn ack(&self, sequence: u64) -> Acked {
        match self.set(sequence, 1 << (sequence % BITS)) {
            true => Acked::Counted,
            false => Acked::Revoked,
        }
    }

    pub(super) fn ack_many(&self, first: u64, end: u64) -> AckedMany {
        let (mut acked, mut sequence) = (AckedMany::default(), first);
        while sequence < end {
            let bit = sequence % BITS;
            let count = (BITS - bit).min(end - sequence);
            if !self.set(sequence, ((1 << count) - 1) << bit) {
                break;
            }
            acked.counted += count;
            sequence += count;
        }
        // Closing goes word by word from the front: what lies behind a closed one is behind a hole, and counts
        // for nothing even where its own word is still open.
        acked.revoked = end.saturating_sub(sequence);
        acked
    }

    /// Sets bits of one word; whether that was in time. Late bits are set too, but nobody reads them.
    fn set(&self, sequence: u64, bits: u64) -> bool {
        // SeqCst here, in `wait_for_room` and in `advance`: either this sees that somebody waits, or that
        // somebody sees the bits.
        let before = self.word(sequence).map_or(CLOSED, |word| word.fetch_or(bits, Ordering::SeqCst));
        if self.waits.load(Ordering::SeqCst) && self.waits.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
        before & CLOSED == 0 || is_planted("ack-after-revoke-counted")
    }

    fn word(&self, sequence: u64) -> Option<&AtomicU64> {
        let words = u64::try_from(self.words.len()).ok()?;
        self.words.get(usize::try_from((sequence / BITS).checked_rem(words)?).ok()?)
    }

    /// Whether the message with number `next` may go out.
    pub(super) fn make_room(&self, next: u64) -> Result<(), NotHandedOver> {
        if self.is_closed() {
            return Err(NotHandedOver::Revoked);
        }
        let limit = u64::from(self.limit.get());
        if next - self.passed.load(Ordering::Acquire) < limit {
            return Ok(());
        }
        let mut head = self.head();
        self.advance(&mut head);
        if next - head.sequence < limit {
            return Ok(());
        }
        let first_unacked = head.runs.offset(head.sequence).unwrap_or_default();
        let acked: u64 =
            self.words.iter().map(|word| u64::from((word.load(Ordering::Acquire) & !CLOSED).count_ones())).sum();
        // Bits that the head has passed within its word are set as well.
        let unacked = (next - head.sequence).saturating_sub(acked.saturating_sub(head.sequence % BITS));
        Err(NotHandedOver::Full { first_unacked, unacked, limit: self.limit.get() })
    }

    /// Whether there is room for number `next`, or the assignment has ended; if not, `cx` is woken when
    /// something is acknowledged.
    pub(super) fn wait_for_room(&self, next: u64, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        self.waits.store(true, Ordering::SeqCst);
        if matches!(self.make_room(next), Err(NotHandedOver::Full { .. })) {
            return Poll::Pending;
        }
        self.waits.store(false, Ordering::SeqCst);
        Poll::Ready(())
    }

    /// How many messages may go out from number `next` on.
    pub(super) fn room(&self, next: u64) -> Result<u64, NotHandedOver> {
        self.make_room(next)?;
        Ok(u64::from(self.limit.get()).saturating_sub(next - self.passed.load(Ordering::Acquire)))
    }

    pub(super) fn begin_run(&self, sequence: u64, offset: Offset, leader_epoch: LeaderEpoch) {
        self.head().runs.begin(sequence, offset, leader_epoch);
    }

    pub(super) fn skip_to(&self, sequence: u64, position: Position) {
        self.head().runs.skip_to(sequence, position);
    }

    pub(super) fn set_handed(&self, handed: u64) {
        self.handed.store(handed, Ordering::Release);
    }

    pub(super) fn marks(&self) -> Marks {
        let mut head = self.head();
        if let Some(last) = head.last {
            return last;
        }
        self.advance(&mut head);
        self.marks_of(&mut head)
    }

    pub(super) fn close(&self) -> Marks {
        let mut head = self.head();
        if let Some(last) = head.last {
            return last;
        }
        self.closed.store(true, Ordering::SeqCst);
        if self.waits.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
        // Word by word from the head: what each held when it was closed is what counts.
        let (first, mut unbroken) = (head.sequence / BITS, true);
        for turn in (first..).take(self.words.len()) {
            let before = self.word(turn * BITS).map_or(0, |word| word.fetch_or(CLOSED, Ordering::AcqRel));
            if unbroken {
                let bit = head.sequence % BITS;
                let ones = ones_from(before, bit);
                head.sequence += ones;
                unbroken = bit + ones == BITS;
            }
        }
        let marks = self.marks_of(&mut head);
        head.last = Some(marks);
        marks
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the head over what is acknowledged. Each word is passed once.
    fn advance(&self, head: &mut Head) {
        if head.last.is_some() {
            return;
        }
        while let Some(word) = self.word(head.sequence) {
            let bit = head.sequence % BITS;
            let ones = ones_from(word.load(Ordering::SeqCst), bit);
            head.sequence += ones;
            if bit + ones < BITS {
                break;
            }
            word.store(0, Ordering::Release);
        }
        head.runs.forget_before(head.sequence);
        self.passed.store(head.sequence, Ordering::Release);
    }

    fn marks_of(&self, head: &mut Head) -> Marks {
        let acked = head.runs.position(head.sequence);
        if acked.offset > head.reached.offset {
            head.reached = acked;
        }
        let handed = self.handed.load(Ordering::Acquire);
        Marks { acked: head.reached, handed: head.runs.position(handed), window: handed.saturating_sub(head.sequence) }
    }
}

/// How many bits from `bit` on are set without a hole.
fn ones_from(word: u64, bit: u64) -> u64 {
    let rest = (word & !CLOSED) >> bit;
    if is_planted("ack-skips-hole") {
        return u64::from(u64::BITS - rest.leading_zeros());
    }
    u64::from(rest.trailing_ones())
}
