//! A network in this process that misbehaves on request.
//!
//! A request's way: sent → (dropped | cut | delayed) → handled, perhaps twice → (answer dropped | cut |
//! delayed) → answered. What happens is decided by the [`Env`]'s chance, so that a seed reproduces it, and
//! each misfortune is [counted](NetworkCounts).

mod faults;
mod transport;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::BrokerId;
use ottla_broker_core::env::Env;
use ottla_broker_core::replica::PeerHandler;

pub use faults::{NetworkCounts, NetworkFaults};
pub use transport::MemoryTransport;

/// Brokers of one process, and the links between them. Clones are the same network.
#[derive(Clone, Debug)]
pub struct MemoryNetwork {
    env: Env,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<BrokerId, Node>,
    /// How many joined so far: a broker that comes back is another incarnation.
    joined: u64,
    /// Links that carry nothing, from and to.
    cut: BTreeSet<(BrokerId, BrokerId)>,
    faults: NetworkFaults,
    counts: NetworkCounts,
}

#[derive(Clone, Debug)]
struct Node {
    incarnation: u64,
    handler: Arc<dyn PeerHandler>,
}

impl MemoryNetwork {
    /// A network without brokers and without faults.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self { env, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a broker that answers with `handler`, in place of an earlier one of the same id, and gives its
    /// end of the transport.
    pub fn join(&self, node: BrokerId, handler: Arc<dyn PeerHandler>) -> MemoryTransport {
        let mut state = self.lock();
        state.joined += 1;
        let incarnation = state.joined;
        state.nodes.insert(node, Node { incarnation, handler });
        drop(state);
        MemoryTransport::new(self.clone(), node, incarnation)
    }

    /// Takes a broker away, as a crash would: requests under way to it get no answer, its own fail.
    pub fn leave(&self, node: BrokerId) {
        self.lock().nodes.remove(&node);
    }

    /// What may go wrong by chance from now on.
    pub fn set_faults(&self, faults: NetworkFaults) {
        self.lock().faults = faults;
    }

    /// Lets nothing through from `from` to `to` any more, be it request or answer; the other way stays as it is.
    pub fn cut(&self, from: BrokerId, to: BrokerId) {
        self.lock().cut.insert((from, to));
    }

    /// Cuts `node` off from all others, both ways.
    pub fn isolate(&self, node: BrokerId) {
        let mut state = self.lock();
        let others: Vec<_> = state.nodes.keys().copied().filter(|other| *other != node).collect();
        for other in others {
            state.cut.extend([(node, other), (other, node)]);
        }
    }

    /// Mends one link.
    pub fn mend(&self, from: BrokerId, to: BrokerId) {
        self.lock().cut.remove(&(from, to));
    }

    /// Mends all links and ends all faults.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.faults = NetworkFaults::default();
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> NetworkCounts {
        self.lock().counts
    }
}
