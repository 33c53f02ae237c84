//! Who is connected, and how many may be.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Gauge;
use ottla_broker_core::planted::is_planted;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use crate::limits::Limits;

/// The connections of a server.
pub(crate) struct Connections {
    state: Mutex<State>,
    count: watch::Sender<usize>,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct State {
    by_address: FxHashMap<IpAddr, usize>,
    ended: BTreeMap<&'static str, u64>,
}

/// One connection's place, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
}

/// Which limit a connection would go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("there are {0} connections, which is the limit")]
    InAll(usize),
    #[error("there are {0} connections of this address, which is the limit")]
    OfAddress(usize),
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        let gauge = metrics::gauge!("ottla_server_connections");
        Arc::new(Self { state: Mutex::default(), count: watch::Sender::new(0), gauge })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// The limit that there is no room within.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Result<Place, Full> {
        let mut state = self.state();
        let unlimited = is_planted("connections-unlimited");
        if self.len() >= limits.connections && !unlimited {
            return Err(Full::InAll(limits.connections));
        }
        let of_address = state.by_address.entry(address).or_default();
        if *of_address >= limits.connections_per_address && !unlimited {
            return Err(Full::OfAddress(limits.connections_per_address));
        }
        *of_address += 1;
        self.count.send_modify(|count| *count += 1);
        self.gauge.increment(1.0);
        Ok(Place { connections: Arc::clone(self), address })
    }

    /// Counts an end by its reason's name.
    pub(crate) fn count_end(&self, reason: &'static str) {
        *self.state().ended.entry(reason).or_default() += 1;
        metrics::counter!("ottla_server_connections_ended_total", "reason" => reason).increment(1);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// How many have ended, by reason.
    pub(crate) fn ended(&self) -> BTreeMap<&'static str, u64> {
        self.state().ended.clone()
    }

    /// Completes when there is none.
    pub(crate) async fn none(&self) {
        // The sender is this value's own.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("state", &self.state).field("count", &self.count).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.gauge.decrement(1.0);
        let mut state = self.connections.state();
        if let Some(count) = state.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.by_address.remove(&self.address);
            }
        }
        self.connections.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}
