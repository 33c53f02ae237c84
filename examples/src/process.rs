//! A process of a made-up service, which can be killed.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Tasks and timers of their own, as a process has: when it crashes they all stop at once where they are, and nothing
/// of it commits, leaves a group or says goodbye.
#[derive(Debug)]
pub struct Process(Option<Runtime>);

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// That no thread could be started.
    pub fn start(name: &str) -> io::Result<Self> {
        Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().map(Some).map(Self)
    }

    /// Runs `work` in it. After a crash the answer is an error.
    ///
    /// # Panics
    /// Never: it has its runtime until it is dropped.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<JoinHandle<T>> {
        self.0.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Kills it.
    pub fn crash(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
