//! What fails, and when.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Error, ErrorKind};

use crate::decorators::Operation;

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused at once. Of an append nothing is taken, and the handle lives on (`Full`).
    Refuse(ErrorKind),
    /// Nothing takes effect. An append is taken, its ticket fails, and the handle is closed.
    Before(ErrorKind),
    /// It takes effect, and its answer is lost. An append is in the log, its ticket fails, and the handle is closed.
    After(ErrorKind),
    /// A read gives a batch of which one bit is wrong, as memory that rots would. Elsewhere it does nothing.
    FlipBit,
}

/// Decides which calls fail: by a script, by chance, or all after a failed sync. Shared by the decorators
/// of one backend; clones are the same.
#[derive(Clone, Debug)]
pub struct Faults {
    env: Env,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// For the next calls of each kind; `None` lets one pass.
    script: BTreeMap<Operation, VecDeque<Option<Fault>>>,
    /// In 1,000.
    chances: BTreeMap<Operation, (u32, Fault)>,
    poisoned: bool,
    /// How often it was poisoned: handles of before stay so.
    poisonings: u64,
    /// How often each fault came. A handful: a list serves.
    counts: Vec<((Operation, Fault), u64)>,
}

impl Faults {
    /// No fault yet. Chance comes from `env`.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self { env, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails the next call of this kind that has no fault yet.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.next_n(operation, 1, fault);
    }

    /// Fails the next `calls` of this kind that have no fault yet.
    pub fn next_n(&self, operation: Operation, calls: usize, fault: Fault) {
        self.lock().script.entry(operation).or_default().extend(std::iter::repeat_n(Some(fault), calls));
    }

    /// Lets the next `calls` of this kind pass, before what is scripted after.
    pub fn pass(&self, operation: Operation, calls: usize) {
        self.lock().script.entry(operation).or_default().extend(std::iter::repeat_n(None, calls));
    }

    /// Fails each call of this kind that has no script by a chance in 1,000.
    pub fn by_chance(&self, operation: Operation, in_thousand: u32, fault: Fault) {
        self.lock().chances.insert(operation, (in_thousand, fault));
    }

    /// A sync failed: every write through the open handles fails with `Poisoned` for good, and partitions
    /// do not open until [`heal`](Self::heal).
    pub fn poison(&self) {
        let mut state = self.lock();
        state.poisoned = true;
        state.poisonings += 1;
    }

    /// No more faults. Handles that were poisoned or closed stay so: open the partitions again.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.script.clear();
        state.chances.clear();
        state.poisoned = false;
    }

    /// How many calls of this kind were made to fail.
    #[must_use]
    pub fn count(&self, operation: Operation) -> u64 {
        self.lock().counts.iter().filter(|((of, _), _)| *of == operation).map(|(_, count)| count).sum()
    }

    /// How many calls of this kind were made to fail in this way.
    #[must_use]
    pub fn count_of(&self, operation: Operation, fault: Fault) -> u64 {
        self.lock().counts.iter().filter(|(kind, _)| *kind == (operation, fault)).map(|(_, count)| count).sum()
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.lock().poisoned
    }

    pub(super) fn poisonings(&self) -> u64 {
        self.lock().poisonings
    }

    pub(super) fn random_below(&self, bound: usize) -> usize {
        usize::try_from(self.env.random_below(bound as u64)).unwrap_or(0)
    }

    /// The fault of this call.
    pub(super) fn decide(&self, operation: Operation) -> Option<Fault> {
        let mut state = self.lock();
        let scripted = state.script.get_mut(&operation).and_then(VecDeque::pop_front);
        let fault = match scripted {
            Some(fault) => fault,
            None => state
                .chances
                .get(&operation)
                .filter(|(chance, _)| *chance > 0 && self.env.random_below(1000) < u64::from(*chance))
                .map(|(_, fault)| *fault),
        };
        if let Some(fault) = fault {
            let kind = (operation, fault);
            match state.counts.iter_mut().find(|(counted, _)| *counted == kind) {
                Some((_, count)) => *count += 1,
                None => state.counts.push((kind, 1)),
            }
        }
        fault
    }

    /// Runs a call, or lets it fail.
    pub(super) async fn around<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        match self.decide(operation) {
            None | Some(Fault::FlipBit) => call.await,
            Some(Fault::Refuse(kind) | Fault::Before(kind)) => Err(injected(operation, kind)),
            Some(Fault::After(kind)) => {
                call.await?;
                Err(injected(operation, kind))
            }
        }
    }
}

pub(super) fn injected(operation: Operation, kind: ErrorKind) -> Error {
    Error::new(kind, format!("injected fault: {operation:?} fails as {kind:?}"))
}
