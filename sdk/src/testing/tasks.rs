//! Tasks that are counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{AbortHandle, Abortable};
use ottla_broker_core::env::{BoxFuture, Env, Spawn, Task};

/// The tasks that live, by name. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of each name live; names of none are left out.
    #[must_use]
    pub fn live(&self) -> BTreeMap<&'static str, usize> {
        self.lock().clone()
    }

    /// How many live in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.lock().values().sum()
    }

    fn enter(&self, name: &'static str) -> Counted {
        *self.lock().entry(name).or_default() += 1;
        Counted { tasks: self.clone(), name }
    }
}

/// One task's presence: it leaves when its future is dropped, at its end or by an abort.
struct Counted {
    tasks: Tasks,
    name: &'static str,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut live = self.tasks.lock();
        if let Some(count) = live.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                live.remove(self.name);
            }
        }
    }
}

/// Starts tasks that are counted, and that end with the process that they belong to.
#[derive(Clone, Debug)]
pub(super) struct Process {
    world: Env,
    tasks: Tasks,
    running: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Process {
    pub(super) fn new(world: Env, tasks: Tasks) -> Self {
        Self { world, tasks, running: Arc::default() }
    }

    /// Ends all its tasks, as the death of a process does.
    pub(super) fn kill(&self) {
        for task in self.running.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl Spawn for Process {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        let counted = self.tasks.enter(name);
        let (handle, registration) = AbortHandle::new_pair();
        let ended = handle.clone();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|task| !task.is_aborted());
        running.push(handle);
        drop(running);
        self.world.spawn(name, async move {
            let _counted = counted;
            // An error means that the process died.
            let _ = Abortable::new(future, registration).await;
            // Only so that it is forgotten.
            ended.abort();
        })
    }
}
