//! Threads that read, so that nobody's runtime waits for a disk.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// How often a thread that has run a job lets others go first before it sleeps: some 50 µs on an idle machine. Who reads on
/// asks again sooner than that; a thread that slept begins late, and often on the processor of who woke it, where both
/// then take turns while another processor is idle.
const PATIENCE: usize = 100;

/// A few threads, started when there is something to do. Without any, jobs run where they are given.
pub(super) struct Pool {
    most: usize,
    state: Mutex<State>,
    /// How many jobs there are, for those who look without the lock.
    queued: AtomicUsize,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    ended: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Pool {
    /// At most so many threads.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default(), queued: AtomicUsize::new(0), work: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job`; the answer fails if the pool was ended before.
    pub(super) fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let job = move || {
            // A job that panics takes no thread with it: who asked is told, for the reply is dropped.
            if let Ok(outcome) = catch_unwind(AssertUnwindSafe(job)) {
                // Whoever asked may have given up.
                let _ = reply.send(outcome);
            }
        };
        if self.most == 0 {
            job();
            return answer;
        }
        let mut state = self.lock();
        if state.ended {
            return answer;
        }
        state.jobs.push_back(Box::new(job));
        self.queued.store(state.jobs.len(), Ordering::Release);
        if state.idle == 0 && state.threads.len() < self.most {
            let pool = Arc::clone(self);
            let thread = std::thread::Builder::new().name("ottla-read".to_owned()).spawn(move || pool.work());
            match thread {
                Ok(thread) => state.threads.push(thread),
                // The threads that there are do it; with none, the caller does.
                Err(error) => {
                    tracing::warn!(%error, "no thread for reading could be started");
                    if state.threads.is_empty()
                        && let Some(job) = state.jobs.pop_back()
                    {
                        self.queued.store(state.jobs.len(), Ordering::Release);
                        drop(state);
                        job();
                        return answer;
                    }
                }
            }
        }
        let sleeps = state.idle > 0;
        drop(state);
        if sleeps {
            self.work.notify_one();
        }
        answer
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                self.queued.store(state.jobs.len(), Ordering::Release);
                drop(state);
                job();
                self.linger();
                state = self.lock();
                continue;
            }
            if state.ended {
                return;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Waits a little for the next job.
    fn linger(&self) {
        for _ in 0..PATIENCE {
            if self.queued.load(Ordering::Acquire) > 0 {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Ends the threads and waits for them; what was asked for and not begun is not done.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.jobs.clear();
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.work.notify_all();
        for thread in threads {
            // No job can make it panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
