//! A broker that runs, and how it ends.

use std::sync::Arc;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::env::{Env, Watched};
use ottla_broker_core::log;

use super::faults::Survives;
use super::tasks::Process;
use crate::cluster::embedded::Embedded;
use crate::connect::crashable::Session;

/// A broker as a process has it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) cluster: Embedded,
    pub(super) broker: Arc<Broker>,
    session: Session,
    process: Process,
    dead: Watched<bool>,
}

impl Running {
    pub(super) fn new(cluster: Embedded, broker: Arc<Broker>, session: Session, process: Process) -> Self {
        Self { cluster, broker, session, process, dead: Watched::new(false) }
    }

    /// Waits for the answer, or for the death of the broker.
    pub(super) async fn unless_dead<T>(&self, answer: impl Future<Output = T> + Send) -> Option<T> {
        let died = std::pin::pin!(self.dead.wait_for(|dead| *dead));
        match futures::future::select(died, std::pin::pin!(answer)).await {
            futures::future::Either::Left(_) => None,
            futures::future::Either::Right((answer, _)) => Some(answer),
        }
    }

    /// Ends its tasks, and every request under way. Its storage goes on.
    pub(super) fn end(&self) {
        self.dead.set(true);
        self.process.kill();
    }

    /// Why its storage takes nothing more.
    pub(super) fn poisoned(&self) -> Option<log::Error> {
        self.session.poisoned()
    }

    /// Returns how many bytes that were not durable it took with it.
    pub(super) fn die(&self, survives: Survives, env: &Env) -> u64 {
        self.end();
        self.session.crash(survives, env)
    }
}
