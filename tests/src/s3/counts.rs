//! What was asked, what came of it, and which faults were put in.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::faults::Fault;
use super::request::Kind;

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that arrived with all their bytes.
    pub requests: u64,
    /// Answered with 2xx or 3xx.
    pub ok: u64,
    /// Answered with 412.
    pub preconditions_failed: u64,
    /// Answered with any other 4xx.
    pub refused: u64,
    /// Answered with 5xx.
    pub failed: u64,
    /// Ended by a reset, or never answered.
    pub unanswered: u64,
    /// Bytes of bodies that arrived.
    pub bytes_in: u64,
    /// Bytes of bodies that were to be sent; of one that was cut, those before the cut.
    pub bytes_out: u64,
    /// Most requests at once, from arrival to the end of their effect.
    pub peak: u64,
}

impl Count {
    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64, peak: u64) -> Self {
        Self {
            requests: with(self.requests, other.requests),
            ok: with(self.ok, other.ok),
            preconditions_failed: with(self.preconditions_failed, other.preconditions_failed),
            refused: with(self.refused, other.refused),
            failed: with(self.failed, other.failed),
            unanswered: with(self.unanswered, other.unanswered),
            bytes_in: with(self.bytes_in, other.bytes_in),
            bytes_out: with(self.bytes_out, other.bytes_out),
            peak,
        }
    }
}

/// All counts of a server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    kinds: BTreeMap<Kind, Count>,
    faults: BTreeMap<Fault, u64>,
    /// Requests that met the slow tail of a [`Latency`](super::Latency).
    pub slow: u64,
    /// Effects that came after their connection had ended ([`Fault::Late`], [`Fault::Unanswered`]).
    pub landed_late: u64,
}

impl Requests {
    /// Counts of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Count {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// Counts of all kinds; the greatest of their peaks.
    #[must_use]
    pub fn total(&self) -> Count {
        let add = |sum: Count, count: &Count| sum.zip(*count, |a, b| a + b, sum.peak.max(count.peak));
        self.kinds.values().fold(Count::default(), add)
    }

    /// How often a fault was put in.
    #[must_use]
    pub fn faults(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or_default()
    }

    /// What came after `earlier`; peaks are those of the whole time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let kinds = self.kinds.iter().map(|(kind, count)| {
            (*kind, count.zip(earlier.of(*kind), |now, then| now.saturating_sub(then), count.peak))
        });
        let faults = self.faults.iter().map(|(fault, count)| (*fault, count.saturating_sub(earlier.faults(*fault))));
        Self {
            kinds: kinds.collect(),
            faults: faults.collect(),
            slow: self.slow.saturating_sub(earlier.slow),
            landed_late: self.landed_late.saturating_sub(earlier.landed_late),
        }
    }
}

/// The counts while they are counted.
#[derive(Debug, Default)]
pub(super) struct Counter {
    state: Mutex<(Requests, BTreeMap<Kind, u64>)>,
    changed: Notify,
}

impl Counter {
    fn change(&self, change: impl FnOnce(&mut Requests, &mut BTreeMap<Kind, u64>)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, under_way) = &mut *state;
        change(requests, under_way);
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn snapshot(&self) -> Requests {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(super) async fn until(&self, reached: impl Fn(&Requests) -> bool) -> Requests {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change falls between.
            changed.as_mut().enable();
            let now = self.snapshot();
            if reached(&now) {
                return now;
            }
            changed.await;
        }
    }

    pub(super) fn arrived(&self, kind: Kind, bytes: usize, fault: Option<Fault>, is_slow: bool) {
        self.change(|requests, under_way| {
            let at_once = under_way.entry(kind).or_default();
            *at_once += 1;
            let count = requests.kinds.entry(kind).or_default();
            count.requests += 1;
            count.bytes_in += bytes as u64;
            count.peak = count.peak.max(*at_once);
            if let Some(fault) = fault {
                *requests.faults.entry(fault).or_default() += 1;
            }
            requests.slow += u64::from(is_slow);
        });
    }

    /// A request is over: `answer` has its status and its bytes, unless there was none.
    pub(super) fn ended(&self, kind: Kind, answer: Option<(u16, usize)>) {
        self.change(|requests, under_way| {
            if let Some(at_once) = under_way.get_mut(&kind) {
                *at_once = at_once.saturating_sub(1);
            }
            let count = requests.kinds.entry(kind).or_default();
            let Some((status, bytes)) = answer else {
                count.unanswered += 1;
                return;
            };
            count.bytes_out += bytes as u64;
            match status {
                412 => count.preconditions_failed += 1,
                400..=499 => count.refused += 1,
                500.. => count.failed += 1,
                _ => count.ok += 1,
            }
        });
    }

    pub(super) fn landed_late(&self) {
        self.change(|requests, _| requests.landed_late += 1);
    }
}
