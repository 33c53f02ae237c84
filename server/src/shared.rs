//! What the connections of a server have in common.

use std::sync::Arc;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::env::{BoxFuture, Env};
use tokio::sync::watch;

use crate::advertised::Advertised;
use crate::auth::Authentication;
use crate::authorizer::Authorizer;
use crate::budget::Budget;
use crate::limits::Limits;
use crate::meters::Meters;
use crate::sessions::Sessions;

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It serves.
    Serving,
    /// It answers what it has begun, and begins nothing.
    Draining,
    /// It is over.
    Cut,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) broker: Arc<Broker>,
    pub(crate) env: Env,
    pub(crate) limits: Limits,
    pub(crate) advertised: Advertised,
    /// Bytes of requests that are being received or answered.
    pub(crate) budget: Arc<Budget>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) meters: Meters,
    pub(crate) sessions: Sessions,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// `None` lets everybody in.
    pub(crate) authentication: Option<Arc<Authentication>>,
}

impl Shared {
    /// What a server over `broker` shares.
    pub(crate) fn new(
        broker: Arc<Broker>,
        limits: Limits,
        advertised: Advertised,
        authorizer: Arc<dyn Authorizer>,
        authentication: Option<Arc<Authentication>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            env: broker.env().clone(),
            broker,
            advertised,
            budget: Arc::new(Budget::new(limits.request_bytes)),
            phase: watch::Sender::new(Phase::Serving),
            meters: Meters::new(),
            sessions: Sessions::new(limits.fetch_sessions, limits.fetch_session_partitions),
            authorizer,
            authentication,
            limits,
        })
    }

    /// What a server would share that listens nowhere.
    #[cfg(test)]
    pub(crate) fn of(broker: Arc<Broker>, limits: Limits) -> Arc<Self> {
        Self::asking(broker, limits, &[])
    }

    /// What a server would share that listens nowhere and asks its clients who they are.
    #[cfg(test)]
    pub(crate) fn asking(broker: Arc<Broker>, limits: Limits, mechanisms: &[crate::auth::Mechanism]) -> Arc<Self> {
        let advertised = Advertised { host: "localhost".to_owned(), port: 9092 };
        let asked = Authentication::new(mechanisms.to_vec(), limits.session, Arc::clone(&broker)).unwrap();
        let authentication = (!mechanisms.is_empty()).then(|| Arc::new(asked));
        Self::new(broker, limits, advertised, Arc::new(crate::authorizer::AllowAll), authentication)
    }

    /// Waits until the broker's storage has room for about `bytes`. That it is closed is told by the append.
    pub(crate) fn room(&self, bytes: usize) -> BoxFuture<'static, ()> {
        let broker = Arc::clone(&self.broker);
        Box::pin(async move {
            let _ = broker.ready(bytes).await;
        })
    }

    /// Completes when the server no longer serves.
    pub(crate) async fn draining(&self) {
        let mut phase = self.phase.subscribe();
        // Without a sender there is no server.
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    }
}
