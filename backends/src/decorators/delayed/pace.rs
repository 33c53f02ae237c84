//! The one task that resolves delayed tickets, in the order of the appends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::log::{BoundsCell, Error, ErrorKind, Resolver, Ticket};
use ottla_broker_core::{Offset, PartitionId};
use tokio::sync::mpsc;

/// One handle's life as seen through the delay.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: PartitionId,
    /// The bounds as they are shown: behind those beneath.
    pub(super) cell: Arc<BoundsCell>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Appends are refused; those outstanding still succeed.
    closed: bool,
    /// Nothing succeeds any more, outstanding or not.
    ended: Option<Error>,
    /// The newest append's.
    last: Option<Ticket>,
}

impl State {
    pub(super) fn check(&self, id: PartitionId) -> Result<(), Error> {
        match &self.ended {
            Some(error) if error.kind() == ErrorKind::Fenced => Err(error.clone()),
            Some(error) => Err(Error::new(ErrorKind::Closed, format!("the log of {id} has ended: {error}"))),
            None if self.closed => Err(Error::new(ErrorKind::Closed, format!("the log of {id} is closed"))),
            None => Ok(()),
        }
    }

    pub(super) fn appended(&mut self, ticket: Ticket) {
        self.last = Some(ticket);
    }
}

impl Life {
    pub(super) fn new(id: PartitionId, cell: Arc<BoundsCell>) -> Self {
        Self { id, cell, state: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.lock().check(self.id)
    }

    /// Refuses appends from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.cell.wake();
    }

    /// Nothing that is outstanding succeeds any more.
    pub(super) fn end(&self, error: Error) {
        self.lock().ended.get_or_insert(error);
        self.cell.wake();
    }

    /// Waits until everything appended so far is shown to be durable.
    pub(super) async fn drained(&self) -> Result<(), Error> {
        let last = self.lock().last.clone();
        match last {
            Some(ticket) => ticket.await,
            None => Ok(()),
        }
    }
}

/// An append on its way to being shown as durable.
#[derive(Debug)]
pub(super) struct Delayed {
    pub(super) life: Arc<Life>,
    pub(super) due: Moment,
    pub(super) beneath: Ticket,
    pub(super) next_offset: Offset,
    pub(super) resolver: Resolver,
}

impl Delayed {
    fn finish(self, result: Result<(), Error>) {
        let mut state = self.life.lock();
        let result = state.ended.clone().map_or(result, Err);
        match &result {
            Ok(()) => {
                self.life.cell.update(|bounds| bounds.durable_end = bounds.durable_end.max(self.next_offset));
            }
            Err(error) => {
                state.ended = Some(error.clone());
                self.life.cell.wake();
            }
        }
        drop(state);
        self.resolver.resolve(result);
    }
}

/// Runs until the storage and its handles are gone. One queue for all partitions, as a journal has.
pub(super) async fn run(env: Env, mut appends: mpsc::UnboundedReceiver<Delayed>) {
    while let Some(append) = appends.recv().await {
        if env.now() < append.due {
            env.sleep_until(append.due).await;
        }
        let result = append.beneath.clone().await;
        append.finish(result);
    }
}
