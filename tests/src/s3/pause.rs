//! Holding a client's requests, as if it or its network stood still.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Where a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Before it has any effect.
    Before,
    /// After its effect, before its answer.
    After,
}

#[derive(Debug, Default)]
struct State {
    paused: BTreeMap<String, Hold>,
    held: BTreeMap<String, usize>,
}

/// Who is held, and how many requests of them wait.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    state: Mutex<State>,
    changed: Notify,
}

impl Pauses {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
        result
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn pause(&self, client: &str, hold: Hold) {
        self.change(|state| state.paused.insert(client.to_owned(), hold));
    }

    pub(super) fn release(&self, client: &str) {
        self.change(|state| state.paused.remove(client));
    }

    pub(super) fn release_all(&self) {
        self.change(|state| state.paused.clear());
    }

    pub(super) fn held(&self, client: &str) -> usize {
        self.look(|state| state.held.get(client).copied().unwrap_or_default())
    }

    pub(super) async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change falls between.
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }

    /// Waits here as long as `client` is held at this point.
    pub(super) async fn pass(&self, client: &str, point: Hold) {
        let is_held = |pauses: &Self| pauses.look(|state| state.paused.get(client) == Some(&point));
        if !is_held(self) {
            return;
        }
        self.change(|state| *state.held.entry(client.to_owned()).or_default() += 1);
        self.until(|pauses| !is_held(pauses)).await;
        self.change(|state| {
            if let Some(held) = state.held.get_mut(client) {
                *held = held.saturating_sub(1);
            }
        });
    }
}
