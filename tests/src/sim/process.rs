//! A process that can die: its tasks end where they are, and nobody is told.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{AbortHandle, Abortable};
use ottla::Env;
use ottla_broker_core::env::{BoxFuture, Spawn, Task};

/// Starts tasks that die together.
#[derive(Clone, Debug)]
pub(super) struct Process {
    /// Where they run.
    env: Env,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Process {
    pub(super) fn new(env: &Env) -> Self {
        Self { env: env.clone(), tasks: Arc::default() }
    }

    /// `kill -9`.
    pub(super) fn kill(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl Spawn for Process {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        let (handle, registration) = AbortHandle::new_pair();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        self.env.spawn(name, async move {
            // An error means that the process died.
            let _ = Abortable::new(future, registration).await;
        })
    }
}
