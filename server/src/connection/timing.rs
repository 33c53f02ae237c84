//! What a connection may be late with. One timer does for all of it: it is set to the earliest deadline, and
//! what has moved on in the meantime only sets it again when it fires.

use ottla_broker_core::env::{BoxFuture, Env, Moment};
use ottla_broker_core::planted::is_planted;

use super::ended::Ended;
use crate::limits::Limits;

/// What a connection is at.
pub(super) struct States<'a> {
    pub(super) limits: &'a Limits,
    /// A part of a request of this length is here.
    pub(super) receiving: Option<usize>,
    /// Answers wait to be taken.
    pub(super) sending: bool,
    /// Requests are being answered.
    pub(super) busy: bool,
    /// The client has yet to say who it is.
    pub(super) logging_in: bool,
}

pub(super) struct Timing {
    env: Env,
    /// Since when the request has been arriving of which a part is here.
    receiving_since: Option<Moment>,
    /// Since when nothing was taken of what waits.
    sending_since: Option<Moment>,
    /// Since when there has been nothing to do.
    idle_since: Option<Moment>,
    /// Since when the client has been asked who it is.
    asked_since: Option<Moment>,
    timer: Option<(Moment, BoxFuture<'static, ()>)>,
}

impl Timing {
    pub(super) const fn new(env: Env) -> Self {
        Self { env, receiving_since: None, sending_since: None, idle_since: None, asked_since: None, timer: None }
    }

    pub(super) const fn has_received(&mut self) {
        self.receiving_since = None;
        self.idle_since = None;
    }

    pub(super) const fn has_written(&mut self) {
        self.sending_since = None;
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
        let receive = limits.receive(states.receiving.unwrap_or(0));
        let idle = states.receiving.is_none() && !states.sending && !states.busy;
        let deadlines = [
            since(&mut self.receiving_since, states.receiving.is_some() && !is_planted("slow-sender-stays"))
                .map(|since| (since + receive, Ended::SlowSender(receive))),
            since(&mut self.sending_since, states.sending)
                .map(|since| (since + limits.send, Ended::SlowReceiver(limits.send))),
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
