//! One broker's end of the network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::BrokerId;
use ottla_broker_core::replica::{PeerRequest, PeerResponse, ReplicaTransport, TransportError};
use tokio::sync::oneshot;

use super::{MemoryNetwork, NetworkCounts, Node};

/// The transport of one incarnation of one broker. Once the broker has left, everything fails with `Closed`.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    from: BrokerId,
    incarnation: u64,
}

/// Why a message went no further.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    Dropped,
    Cut,
    Gone,
}

impl MemoryTransport {
    pub(super) const fn new(network: MemoryNetwork, from: BrokerId, incarnation: u64) -> Self {
        Self { network, from, incarnation }
    }

    fn happens(&self, chance: u32) -> bool {
        // No draw for what cannot happen: a run without a fault is the same whatever faults exist.
        chance > 0 && self.network.env.random_below(1000) < u64::from(chance)
    }

    fn count(&self, change: impl FnOnce(&mut NetworkCounts)) {
        change(&mut self.network.lock().counts);
    }

    fn is_here(&self) -> bool {
        self.network.lock().nodes.get(&self.from).is_some_and(|node| node.incarnation == self.incarnation)
    }

    /// The time that a message takes, and whether it arrives.
    async fn travel(&self, from: BrokerId, to: BrokerId, drop_chance: u32) -> Result<(), Stopped> {
        let faults = self.network.lock().faults;
        let spread = faults.max_delay.saturating_sub(faults.min_delay);
        let mut delay = faults.min_delay;
        if !spread.is_zero() {
            let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
            delay += Duration::from_nanos(self.network.env.random_below(nanos.saturating_add(1)));
        }
        if self.happens(faults.reorder) {
            self.count(|counts| counts.reordered += 1);
            delay += faults.reorder_by;
        }
        let dropped = self.happens(drop_chance);
        if !delay.is_zero() {
            self.count(|counts| counts.delayed += 1);
            self.network.env.sleep(delay).await;
        }
        // A link that was cut meanwhile takes what is under way with it.
        let mut state = self.network.lock();
        if state.cut.contains(&(from, to)) {
            state.counts.cut += 1;
            return Err(Stopped::Cut);
        }
        if dropped { Err(Stopped::Dropped) } else { Ok(()) }
    }

    /// The asker learns of a loss only by waiting.
    async fn lost(&self) {
        let lost_after = self.network.lock().faults.lost_after;
        if !lost_after.is_zero() {
            self.network.env.sleep(lost_after).await;
        }
    }

    /// Has the request handled at its receiver, in a task of its own: it goes on when the asker gives up.
    fn handle(&self, node: &Node, request: PeerRequest, after: Duration) -> oneshot::Receiver<PeerResponse> {
        let (answer, answered) = oneshot::channel();
        let (handler, from) = (Arc::clone(&node.handler), self.from);
        let env = self.network.env.clone();
        self.count(|counts| counts.handled += 1);
        self.network.env.spawn("peer request", async move {
            if !after.is_zero() {
                env.sleep(after).await;
            }
            // The asker may have given up.
            let _ = answer.send(handler.handle(from, request).await);
        });
        answered
    }

    async fn deliver(&self, to: BrokerId, request: PeerRequest) -> Result<PeerResponse, (Stopped, bool)> {
        let faults = self.network.lock().faults;
        self.travel(self.from, to, faults.drop_request).await.map_err(|stopped| (stopped, false))?;
        let Some(node) = self.network.lock().nodes.get(&to).cloned() else { return Err((Stopped::Gone, false)) };
        let answered = self.handle(&node, request.clone(), Duration::ZERO);
        if self.happens(faults.duplicate) {
            self.count(|counts| counts.duplicated += 1);
            drop(self.handle(&node, request, faults.reorder_by));
        }
        let answer = answered.await.map_err(|_| (Stopped::Gone, true))?;
        self.travel(to, self.from, faults.drop_answer).await.map_err(|stopped| (stopped, true))?;
        // Of a broker that crashed meanwhile nothing more is heard.
        let same = self.network.lock().nodes.get(&to).is_some_and(|now| now.incarnation == node.incarnation);
        if same { Ok(answer) } else { Err((Stopped::Gone, true)) }
    }
}

#[async_trait]
impl ReplicaTransport for MemoryTransport {
    async fn send(&self, node: BrokerId, request: PeerRequest) -> Result<PeerResponse, TransportError> {
        if !self.is_here() {
            return Err(TransportError::Closed);
        }
        self.count(|counts| counts.sent += 1);
        let result = self.deliver(node, request).await;
        if !self.is_here() {
            return Err(TransportError::Closed);
        }
        let (stopped, handled) = match result {
            Ok(answer) => {
                self.count(|counts| counts.answered += 1);
                return Ok(answer);
            }
            Err(stopped) => stopped,
        };
        match (stopped, handled) {
            (Stopped::Dropped, false) => self.count(|counts| counts.requests_dropped += 1),
            (Stopped::Dropped, true) => self.count(|counts| counts.answers_dropped += 1),
            (Stopped::Cut, _) => {}
            (Stopped::Gone, _) => self.count(|counts| counts.unreachable += 1),
        }
        if !matches!(stopped, Stopped::Gone) {
            self.lost().await;
        }
        Err(match stopped {
            Stopped::Gone if !handled => TransportError::Unreachable(node, "no such broker is running".to_owned()),
            Stopped::Gone => TransportError::Lost(node, "the broker went away".to_owned()),
            // Which way the message was lost the asker cannot know.
            Stopped::Dropped | Stopped::Cut => TransportError::Lost(node, "no answer came in time".to_owned()),
        })
    }
}
