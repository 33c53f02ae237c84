//! When a chunk goes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;

use crate::engine::Waiting;

/// Who gathers until the writer goes is told a moment that is this much earlier: timers count whole milliseconds, and are
/// late.
const LEAD: Duration = Duration::from_millis(3);

/// Bounds how often chunks below full size are written.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    last: Option<Moment>,
}

/// What to do with what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Go,
    /// More may be gathered until then.
    At(Moment),
    Nothing,
}

impl Pace {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Now, later, or not at all.
    pub(super) fn decide(&self, now: Moment, waiting: Waiting) -> Decision {
        match waiting {
            Waiting::Full => Decision::Go,
            Waiting::Gathering => self.partial(now),
            Waiting::Nothing | Waiting::Ended => Decision::Nothing,
        }
    }

    /// When a chunk that is not full may go.
    pub(super) fn partial(&self, now: Moment) -> Decision {
        match self.last.map(|last| last + self.interval) {
            Some(next) if now < next => Decision::At(next),
            _ => Decision::Go,
        }
    }

    /// A chunk that is not full goes: when the next may.
    pub(super) fn went(&mut self, now: Moment) -> Option<Moment> {
        // A timer is a little late each time; what it was to keep apart goes on from where it was to be.
        self.last = match self.last.map(|last| last + self.interval) {
            Some(due) if now.since(due) <= LEAD.min(self.interval / 10) => Some(due),
            _ => Some(now),
        };
        // What goes this often is not worth gathering for.
        self.last.filter(|_| self.interval >= 10 * LEAD).map(|last| last + self.interval)
    }
}

/// When the writer goes next, for those who gather until then.
#[derive(Debug, Default)]
pub(super) struct Next(Mutex<Option<Moment>>);

impl Next {
    pub(super) fn set(&self, at: Option<Moment>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// How long one may gather and still be in time. What comes while it says zero is in time, too.
    pub(super) fn remaining(&self, now: Moment) -> Option<Duration> {
        let at = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        // Long past: nothing was there to write, and what comes goes at once; or as many chunks as may be are on their way,
        // and nobody knows when the next goes.
        if now > at + LEAD {
            return None;
        }
        let lead = if is_planted("bucket-pace-told-without-lead") { Duration::ZERO } else { LEAD };
        Some(at.since(now).saturating_sub(lead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_write_goes_at_once_and_many_are_spread() {
        let at = |ms| Moment(Duration::from_millis(ms));
        let mut pace = Pace::new(Duration::from_millis(100));
        assert_eq!(pace.decide(at(5), Waiting::Gathering), Decision::Go);
        assert_eq!(pace.went(at(5)), Some(at(105)));
        assert_eq!(pace.decide(at(6), Waiting::Gathering), Decision::At(at(105)));
        assert_eq!(pace.decide(at(6), Waiting::Full), Decision::Go);
        assert_eq!(pace.decide(at(6), Waiting::Nothing), Decision::Nothing);
        assert_eq!(pace.decide(at(105), Waiting::Gathering), Decision::Go);
        // Late by a timer's lateness, and late because there was nothing to write.
        assert_eq!(pace.went(at(107)), Some(at(205)));
        assert_eq!(pace.went(at(220)), Some(at(320)));
    }

    #[test]
    fn who_gathers_is_told_a_moment_before_the_writer_goes() {
        let at = |ms| Moment(Duration::from_millis(ms));
        let next = Next::default();
        assert_eq!(next.remaining(at(1)), None);
        next.set(Pace::new(Duration::from_millis(100)).went(at(5)));
        let told = |now| next.remaining(at(now)).map(|left| left.as_millis());
        assert_eq!(
            [5, 6, 101, 102, 105, 108, 109].map(told),
            [Some(97), Some(96), Some(1), Some(0), Some(0), Some(0), None]
        );
        next.set(Pace::new(Duration::from_millis(10)).went(at(5)));
        assert_eq!(told(6), None, "often enough for nobody to wait");
    }
}
