//! What was sent and has not arrived.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use object_store::path::Path;
use object_store::{PutOptions, PutPayload};

/// A request that changes something.
#[derive(Debug)]
pub(super) enum Write {
    Put(Path, PutPayload, PutOptions),
    Delete(Vec<Path>),
}

impl Write {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Put(_, payload, _) => payload.content_length() as u64,
            Self::Delete(_) => 0,
        }
    }
}

/// The writes of one process that are on their way, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    writes: BTreeMap<u64, Write>,
    dead: bool,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under way, by the number that this returns.
    pub(super) fn start(&self, write: Write) -> u64 {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        state.writes.insert(number, write);
        number
    }

    /// What arrives, and whether who sent it is dead. `None`: it was lost with the sender.
    pub(super) fn arrive(&self, number: u64) -> Option<(Write, bool)> {
        let mut state = self.lock();
        let dead = state.dead;
        state.writes.remove(&number).map(|write| (write, dead))
    }

    /// The sender is dead from now on; what was under way.
    pub(super) fn die(&self) -> BTreeMap<u64, Write> {
        let mut state = self.lock();
        state.dead = true;
        std::mem::take(&mut state.writes)
    }

    /// It goes on as if nothing had happened.
    pub(super) fn go_on(&self, number: u64, write: Write) {
        self.lock().writes.insert(number, write);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.lock().dead
    }
}
