//! What a connection may be late with. One timer does for all of it: it is set to the earliest deadline, and
//! what has moved on in the meantime only sets it again when it fires.

use std::time::Duration;

use ottla_broker_core::env::{BoxFuture, Env, Moment};
use ottla_broker_core::planted::is_planted;

use super::ended::Ended;
use crate::limits::Limits;

/// What a connection is at.
pub(super) struct States<'a> {
    pub(super) limits: &'a Limits,
    /// So many bytes are here of a request that is not whole.
    pub(super) receiving: Option<usize>,
    /// Answers wait to be taken.
    pub(super) sending: bool,
    /// Requests are being answered.
    pub(super) busy: bool,
    /// The client has yet to say who it is.
    pub(super) logging_in: bool,
}

/// Bytes that must move at [`Limits::SLOWEST`], on average over a time: who does better goes on, and what
/// is yet to come counts for nothing.
#[derive(Debug)]
struct Pace(Option<(Moment, usize)>);

impl Pace {
    /// When it is late; `moved` are the bytes until now, if any are to move. A new time begins when enough have moved in
    /// the old one.
    fn due(&mut self, moved: Option<usize>, time: Duration, now: Moment) -> Option<Moment> {
        let Some(moved) = moved else {
            self.0 = None;
            return None;
        };
        let enough = Limits::SLOWEST.saturating_mul(usize::try_from(time.as_secs()).unwrap_or(usize::MAX)).max(1);
        let (since, before) = self.0.get_or_insert((now, moved));
        if moved.saturating_sub(*before) >= enough || is_planted("any-byte-buys-time") && moved > *before {
            (*since, *before) = (now, moved);
        }
        Some(*since + time)
    }
}

pub(super) struct Timing {
    env: Env,
    /// How the request arrives of which a part is here.
    receiving: Pace,
    /// How what waits is taken.
    sending: Pace,
    /// Bytes that were taken until now.
    written: usize,
    /// Since when there has been nothing to do.
    idle_since: Option<Moment>,
    /// Since when the client has been asked who it is.
    asked_since: Option<Moment>,
    timer: Option<(Moment, BoxFuture<'static, ()>)>,
}

impl Timing {
    pub(super) const fn new(env: Env) -> Self {
        Self {
            env,
            receiving: Pace(None),
            sending: Pace(None),
            written: 0,
            idle_since: None,
            asked_since: None,
            timer: None,
        }
    }

    pub(super) const fn has_received(&mut self) {
        self.receiving = Pace(None);
        self.idle_since = None;
    }

    pub(super) const fn has_written(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        self.idle_since = None;
    }

    pub(super) const fn is_active(&mut self) {
        self.idle_since = None;
    }

    /// Whether a deadline has passed; else sets the timer to the earliest.
    pub(super) fn look(&mut self, states: States<'_>) -> Option<Ended> {
        let now = self.env.now();
        let limits = states.limits;
        let since = |clock: &mut Option<Moment>, runs: bool| {
            if runs {
                return Some(*clock.get_or_insert(now));
            }
            *clock = None;
            None
        };
        let idle = states.receiving.is_none() && !states.sending && !states.busy;
        let deadlines = [
            self.receiving
                .due(states.receiving.filter(|_| !is_planted("slow-sender-stays")), limits.receive, now)
                .map(|due| (due, Ended::SlowSender(limits.receive))),
            self.sending
                .due(Some(self.written).filter(|_| states.sending), limits.send, now)
                .map(|due| (due, Ended::SlowReceiver(limits.send))),
            since(&mut self.asked_since, states.logging_in)
                .map(|since| (since + limits.authentication, Ended::NoLogIn(limits.authentication))),
            since(&mut self.idle_since, idle).map(|since| (since + limits.idle, Ended::Idle(limits.idle))),
        ];
        let (due, ended) = deadlines.into_iter().flatten().min_by_key(|(at, _)| *at)?;
        if due <= now {
            return Some(ended);
        }
        if self.timer.as_ref().is_none_or(|(set, _)| due < *set) {
            let env = self.env.clone();
            self.timer = Some((due, Box::pin(async move { env.sleep_until(due).await })));
        }
        None
    }

    /// Waits until it is time for another [`look`](Self::look). Cancel-safe.
    pub(super) async fn passed(&mut self) {
        match &mut self.timer {
            Some((_, timer)) => timer.await,
            None => std::future::pending().await,
        }
        self.timer = None;
    }
}
