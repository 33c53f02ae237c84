//! When things are due: heartbeats, retries, and how long partitions may be trusted to be ours.

use std::time::Duration;

use ottla_broker_core::env::{Moment, Rng, SplitMix64};

use super::config::Config;

/// The clocks of one member.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    /// When the last request was sent that the coordinator answered to a living member.
    pub(super) contact: Moment,
    /// When the last request was sent whose answer showed that no rebalance had begun.
    pub(super) calm: Moment,
    /// Since when the group may be rebalancing; it waits for this member so long from there.
    pub(super) rebalancing_since: Option<Moment>,
    /// When the next heartbeat is due.
    pub(super) heartbeat_at: Moment,
    /// Not before this is anything tried again.
    pub(super) retry_at: Moment,
    /// When the application will have been busy for too long.
    pub(super) poll_until: Option<Moment>,
    failures: u32,
}

impl Timing {
    pub(super) fn new(now: Moment, config: &Config) -> Self {
        Self {
            contact: now,
            calm: now,
            rebalancing_since: None,
            heartbeat_at: now,
            retry_at: now,
            poll_until: Some(now + config.max_poll_interval),
            failures: 0,
        }
    }

    /// Something failed: pause, longer each time, by chance between half and all of it.
    pub(super) fn back_off(&mut self, now: Moment, config: &Config) {
        let pause = config.retry_backoff.saturating_mul(1 << self.failures.min(5)).min(config.retry_backoff * 30);
        let chance = SplitMix64::new(config.jitter_seed.wrapping_add(u64::from(self.failures))).next_u64() >> 48;
        let chance = u32::try_from(chance).unwrap_or(0);
        self.retry_at = now + pause / 2 + (pause / 2).saturating_mul(chance) / 65_536;
        self.failures = self.failures.saturating_add(1);
    }

    /// The group is whole.
    pub(super) fn settled(&mut self, now: Moment, config: &Config) {
        (self.contact, self.calm, self.rebalancing_since) = (now, now, None);
        self.heartbeat_at = now + config.heartbeat_interval;
        self.failures = 0;
    }

    /// Until when no coordinator can have given this member's partitions away: one heartbeat interval
    /// short of what it allows, for the time that an answer or the news of a broken connection takes.
    pub(super) fn lease(&self, config: &Config) -> Moment {
        let within = |from: Moment, limit: Duration| from + limit.saturating_sub(config.heartbeat_interval);
        let session = within(self.contact, config.session_timeout);
        match self.rebalancing_since {
            Some(since) => session.min(within(since, config.rebalance_timeout)),
            None => session,
        }
    }
}
