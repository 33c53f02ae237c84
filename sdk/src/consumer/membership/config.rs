//! A member's settings.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::group::InstanceId;

use crate::consumer::assignor::RebalanceProtocol;

/// A member's settings. The defaults are Kafka's.
#[derive(Clone, Debug)]
pub struct Config {
    /// How the group changes hands: [`common_protocol`](crate::consumer::common_protocol) of its assignors.
    pub protocol: RebalanceProtocol,
    /// The name of a static member (KIP-345).
    pub instance: Option<InstanceId>,
    /// Where it stands.
    pub rack: Option<Arc<str>>,
    /// Without a heartbeat for so long, the coordinator takes the member for dead.
    pub session_timeout: Duration,
    /// The time between heartbeats; at most a third of the session time-out is wise.
    pub heartbeat_interval: Duration,
    /// How long the group waits for this member in a rebalance.
    pub rebalance_timeout: Duration,
    /// How long the application may be busy between polls.
    pub max_poll_interval: Duration,
    /// How long a listener may take over what is revoked before it counts as lost.
    pub revoke_timeout: Duration,
    /// The first pause after a failure; it doubles up to thirty times that.
    pub retry_backoff: Duration,
    /// Seeds the pauses, so that members do not return all at once.
    pub jitter_seed: u64,
    /// Whether to leave the group when closing, unsubscribing or breaching the poll interval. `None`: a
    /// dynamic member leaves; a static one stays, and is expected back within the session time-out.
    pub leave_group: Option<bool>,
    /// Keep working on partitions while the coordinator is silent for longer than the session time-out, as
    /// Kafka's clients do: nothing stops when a coordinator is away for long, and two members may work on
    /// one partition when only this one cannot reach it.
    pub hold_through_silence: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            protocol: RebalanceProtocol::Cooperative,
            instance: None,
            rack: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            max_poll_interval: Duration::from_secs(300),
            revoke_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            jitter_seed: 0,
            leave_group: None,
            hold_through_silence: false,
        }
    }
}

impl Config {
    /// Whether it tells the coordinator when it goes.
    pub(super) fn leaves(&self) -> bool {
        self.leave_group.unwrap_or(self.instance.is_none())
    }
}
