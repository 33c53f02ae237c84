//! When a task that enqueues lets others run.
//!
//! While there is room nothing in `enqueue` waits, so a task that calls it in a loop would keep its worker from all else, and
//! the sender above all: whom a task wakes runs next on that task's own worker, and no other can take it from there. So
//! who woke the sender lets it run before the next record, and now and then whatever else there is.
//!
//! Several records that one task enqueues beside each other keep their order: while one of them lets others run, those
//! behind it do, too.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use ottla_broker_core::planted::is_planted;
use tokio::task::Id;

thread_local! {
    /// The producer whose sender was woken on this thread, since when no task has let others run here. A task that has not
    /// is still on the thread on which it woke it.
    static OWED: Cell<u64> = const { Cell::new(0) };
}

/// A producer's tasks that let others run.
#[derive(Debug)]
pub(super) struct Turns {
    /// Names the producer within this process.
    producer: u64,
    waiting: AtomicUsize,
    tasks: Mutex<Vec<Option<Id>>>,
}

impl Default for Turns {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let producer = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { producer, waiting: AtomicUsize::new(0), tasks: Mutex::default() }
    }
}

/// A record that let others run and is not at its place yet.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    task: Option<Id>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut tasks = self.turns.tasks();
        if let Some(at) = tasks.iter().position(|task| *task == self.task) {
            tasks.swap_remove(at);
        }
        self.turns.waiting.store(tasks.len(), Ordering::Release);
    }
}

impl Turns {
    /// Others are to run before this thread's next record.
    pub(super) fn owe(&self) {
        if !is_planted("enqueue-never-yields") {
            OWED.set(self.producer);
        }
    }

    /// The sender runs on this thread, or the task will wait anyway.
    pub(super) fn settle(&self) {
        self.is_owed();
    }

    fn is_owed(&self) -> bool {
        let owed = OWED.get() == self.producer;
        if owed {
            OWED.set(0);
        }
        owed
    }

    /// Lets others run if it is time. What comes is to be kept until the record is at its place. Cancel-safe.
    #[inline]
    pub(super) async fn take(&self) -> Option<Turn<'_>> {
        if self.waiting.load(Ordering::Acquire) == 0 && OWED.get() != self.producer {
            return None;
        }
        self.let_others_run().await
    }

    #[cold]
    async fn let_others_run(&self) -> Option<Turn<'_>> {
        let task = tokio::task::try_id();
        let behind = self.tasks().contains(&task) && !is_planted("enqueue-overtakes-its-own-task");
        if !self.is_owed() && !behind {
            return None;
        }
        let turn = {
            let mut tasks = self.tasks();
            tasks.push(task);
            self.waiting.store(tasks.len(), Ordering::Release);
            Turn { turns: self, task }
        };
        // Unlike tokio's `yield_now`, which comes back once its worker has nothing else to do, this is seen by other workers:
        // one that is idle goes on with the task while this one runs what the task woke.
        let mut ran = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut ran, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Some(turn)
    }

    /// As [`take`](Self::take), for who has one record at a time.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_owed() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Option<Id>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
