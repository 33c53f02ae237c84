//! When a chunk goes.

use std::time::Duration;

use ottla_broker_core::env::Moment;

use crate::engine::Waiting;

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

    /// A chunk that is not full goes.
    pub(super) const fn went(&mut self, now: Moment) {
        self.last = Some(now);
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
        pace.went(at(5));
        assert_eq!(pace.decide(at(6), Waiting::Gathering), Decision::At(at(105)));
        assert_eq!(pace.decide(at(6), Waiting::Full), Decision::Go);
        assert_eq!(pace.decide(at(6), Waiting::Nothing), Decision::Nothing);
        assert_eq!(pace.decide(at(105), Waiting::Gathering), Decision::Go);
    }
}
