//! A process of a made-up service, which can be killed.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Tasks and timers of their own, as a process has: when it crashes they all stop where they are, and nothing of it
/// commits, leaves a group or says goodbye.
#[derive(Debug)]
pub struct Process {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// That no thread could be started.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs `work` in it. After a crash the answer is that it was cancelled.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(work)
    }

    /// Kills it.
    pub fn crash(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crash_ends_what_hangs() {
        let process = Process::start("test").unwrap();
        assert_eq!(process.run(async { 7 }).await.unwrap(), 7);
        let hangs = process.run(std::future::pending::<()>());
        process.crash();
        assert!(hangs.await.unwrap_err().is_cancelled());
    }
}
