//! Brokers that clients of one process share by the place where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log;
use ottla_broker_core::planted::is_planted;
use tokio::sync::watch;

use super::error::Error;
use crate::cluster::embedded::Owner;

/// How long a newcomer waits for the broker before it to let go of the place. Far more than a last checkpoint takes.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

/// What two clients of one broker must agree on.
pub(super) trait Options: Clone {
    /// The first difference from what is wanted, in words.
    fn difference(&self, wanted: &Self) -> Option<String>;
}

/// What is beneath a broker.
pub(super) trait Beneath: std::fmt::Debug + Send + Sync {
    /// Why it takes nothing more until it is opened anew, if so.
    fn poisoned(&self) -> Option<log::Error>;
}

/// What a place has once it is started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) owner: Owner,
    pub(super) beneath: Box<dyn Beneath>,
}

/// The places where there is a broker. Each has a lock of its own that is held while it starts, so that of
/// two connects at once one waits for the other's broker, and other places do not.
#[derive(Debug)]
pub(super) struct Places<K, O>(Mutex<BTreeMap<K, Arc<Slot<O>>>>);

#[derive(Debug)]
struct Slot<O>(Arc<tokio::sync::Mutex<Option<Instance<O>>>>);

/// A place without a broker, where none starts until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved<O> {
    #[cfg_attr(
        not(any(feature = "disk", feature = "object-store")),
        expect(dead_code, reason = "what is in memory is free as soon as it is dropped")
    )]
    instance: tokio::sync::OwnedMutexGuard<Option<Instance<O>>>,
    /// A place that somebody refers to is not forgotten.
    _slot: Arc<Slot<O>>,
}

#[cfg(any(feature = "disk", feature = "object-store"))]
impl<O> Reserved<O> {
    /// What is to be dropped when the place is free again: whoever comes next waits for that, also where the one who
    /// reserved it was dropped in the midst.
    pub(super) fn taken(&mut self, options: O) -> watch::Sender<()> {
        let (holder, hold) = watch::channel(());
        *self.instance = Some(Instance { owner: Weak::new(), options, beneath: None, hold });
        holder
    }
}

#[derive(Debug)]
struct Instance<O> {
    owner: Weak<Owner>,
    options: O,
    /// `None` until it is started.
    beneath: Option<Box<dyn Beneath>>,
    /// Its sender is dropped when the place is free again.
    hold: watch::Receiver<()>,
}

impl<O> Instance<O> {
    fn is_over(&self) -> bool {
        self.owner.strong_count() == 0 && self.hold.has_changed().is_err()
    }

    /// Nobody is let into a storage that takes nothing more. Nor is it opened anew beside those who have it: the
    /// directory's lock is theirs until they close, and two who write there are one too many.
    fn check(&self, url: &str) -> Result<(), Error> {
        let poisoned = self.beneath.as_ref().and_then(|beneath| beneath.poisoned());
        match poisoned.filter(|_| !is_planted("newcomer-gets-poisoned-broker")) {
            Some(source) => Err(Error::Poisoned { url: url.to_owned(), source }),
            None => Ok(()),
        }
    }
}

impl<K: Ord, O: Options> Places<K, O> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// A share of the broker at `place`, which lives as long as a client of it does. Where there is none `start`
    /// makes one; it drops what it is given when the place is free again.
    ///
    /// # Errors
    /// [`Error::OtherOptions`]; [`Error::Poisoned`] while somebody still has one that takes nothing more; what `start`
    /// fails with.
    pub(super) async fn share<F>(
        &self,
        place: K,
        options: O,
        url: &str,
        env: &Env,
        start: impl FnOnce(watch::Sender<()>) -> F,
    ) -> Result<Arc<Owner>, Error>
    where
        F: Future<Output = Result<Started, Error>>,
    {
        let slot = self.slot(place);
        let mut instance = slot.0.lock().await;
        if let Some(before) = instance.as_mut() {
            if let Some(owner) = before.owner.upgrade().filter(|owner| !owner.broker.is_closed()) {
                before.check(url)?;
                return match before.options.difference(&options) {
                    None => Ok(owner),
                    Some(difference) => Err(Error::OtherOptions { url: url.to_owned(), difference }),
                };
            }
            // Nothing is ever sent: this ends when the sender is dropped. If it never is, `start` says what is wrong.
            if !is_planted("newcomer-does-not-wait") && env.timeout(LEAVES_WITHIN, before.hold.changed()).await.is_err()
            {
                before.check(url)?;
            }
        }
        let (holder, hold) = watch::channel(());
        // Before it starts: if this future is dropped in the midst, the next one waits for what became of it.
        let starting = instance.insert(Instance { owner: Weak::new(), options, beneath: None, hold });
        let Started { owner, beneath } = start(holder).await?;
        let owner = Arc::new(owner);
        (starting.owner, starting.beneath) = (Arc::downgrade(&owner), Some(beneath));
        Ok(owner)
    }

    /// The place for oneself. Who wants a broker there waits.
    ///
    /// # Errors
    /// [`Error::InUseHere`] if there is a broker, one is being started, or another has reserved it.
    pub(super) async fn reserve(&self, place: K, url: &str, env: &Env) -> Result<Reserved<O>, Error> {
        let in_use = || Error::InUseHere { url: url.to_owned() };
        let slot = self.slot(place);
        // Not waiting: two copies in opposite directions would wait for each other.
        let mut instance = Arc::clone(&slot.0).try_lock_owned().map_err(|_| in_use())?;
        if let Some(before) = instance.as_mut() {
            let is_open = before.owner.upgrade().is_some_and(|owner| !owner.broker.is_closed());
            if is_open && !is_planted("copy-beside-a-client") {
                return Err(in_use());
            }
            let _ = env.timeout(LEAVES_WITHIN, before.hold.changed()).await;
        }
        *instance = None;
        Ok(Reserved { instance, _slot: slot })
    }

    fn slot(&self, place: K) -> Arc<Slot<O>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Places come and go (one for each test, perhaps): what nobody has or waits for is forgotten.
        places.retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || slot.0.try_lock().is_ok_and(|instance| instance.as_ref().is_some_and(|found| !found.is_over()))
        });
        Arc::clone(places.entry(place).or_insert_with(|| Arc::new(Slot(Arc::default()))))
    }
}

impl Options for BrokerConfig {
    fn difference(&self, wanted: &Self) -> Option<String> {
        let names = self.entries().keys().chain(wanted.entries().keys());
        let differs = names.into_iter().find(|name| self.entries().get(*name) != wanted.entries().get(*name))?;
        let shown = |config: &Self| {
            config.entries().get(differs).map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"))
        };
        Some(format!("`{differs}` is {} there and {} here", shown(self), shown(wanted)))
    }
}

#[cfg(test)]
mod tests;
