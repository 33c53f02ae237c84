//! Log-ins that do not last as long as their connection (KIP-368).

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;

use super::{Mechanism, Refused};

/// The time after which a client may log in again: hashing passwords is dear, and Kafka's brokers take it no oftener.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The shortest life of a log-in: clients renew it when 85 to 95 % of it have passed, which must not be too soon.
pub(crate) const LEAST_SESSION: Duration = Duration::from_secs(2);

/// One log-in.
#[derive(Debug)]
pub(super) struct Session {
    user: Arc<str>,
    mechanism: Mechanism,
    lifetime: Duration,
    since: Moment,
}

impl Session {
    pub(super) fn new(user: &str, mechanism: Mechanism, lifetime: Duration, since: Moment) -> Self {
        Self { user: Arc::from(user), mechanism, lifetime, since }
    }

    /// What the client is told.
    pub(super) fn lifetime_ms(&self) -> i64 {
        i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn has_expired(&self, now: Moment) -> bool {
        now.since(self.since) > self.lifetime && !is_planted("expired-log-in-served")
    }

    /// Whether the client may begin to log in again. It may when the session is over, too.
    pub(super) fn may_renew(&self, chosen: Option<Mechanism>, version: i16, now: Moment) -> Result<(), Refused> {
        if now.since(self.since) < LEAST_PAUSE {
            return Err(Refused::State("a client has just logged in"));
        }
        // After version 0 come frames without a header, which cannot be told from requests.
        if version == 0 {
            return Err(Refused::State("a client logs in again by SaslAuthenticate"));
        }
        if chosen.is_some_and(|mechanism| mechanism != self.mechanism) {
            return Err(Refused::State("a client cannot change its mechanism when it logs in again"));
        }
        Ok(())
    }

    /// # Errors
    /// If the client has become another one: what it has asked for is not the other's.
    pub(super) fn check_user(&self, user: &str) -> Result<(), Refused> {
        if *self.user == *user || is_planted("another-user-logs-in-again") {
            Ok(())
        } else {
            Err(Refused::Principal(Arc::clone(&self.user)))
        }
    }
}
