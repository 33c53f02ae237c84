//! A value that can be waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value that many may wait for to become what they need. Who waits is woken in the order of waiting: tokio's own
/// `watch` wakes in an order that it draws from a generator that no seed reaches, so with more than one waiter a
/// simulation would not repeat.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone> Watched<T> {
    /// A value to begin with.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value now.
    pub fn get(&self) -> T {
        self.lock().clone()
    }

    /// Another value, for all who wait.
    pub fn set(&self, value: T) {
        self.change(|old| *old = value);
    }

    /// Changes the value, for all who wait.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    /// The value as soon as it is `wanted`. Cancel-safe.
    pub async fn wait_for(&self, wanted: impl Fn(&T) -> bool + Send) -> T {
        loop {
            // Before the look: whoever changes it afterwards wakes this.
            let changed = self.changed.notified();
            let value = self.get();
            if wanted(&value) {
                return value;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::env::Env;

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_in_order() {
        let env = Env::seeded(1);
        let value = Arc::new(Watched::new(0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let (value, order) = (Arc::clone(&value), Arc::clone(&order));
                env.spawn("waiter", async move {
                    value.wait_for(|value| *value > 0).await;
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        value.set(1);
        for task in tasks {
            assert!(task.await);
        }
        assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
        assert_eq!(value.wait_for(|value| *value == 1).await, 1);
    }
}
