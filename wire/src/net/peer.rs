//! All connections to one broker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_broker_core::env::{BoxFuture, Env};
use ottla_broker_core::planted::is_planted;

use super::address::Address;
use super::ask::{Answer, Ask, Limits};
use super::error::Error;
use super::link::Link;
use super::options::Options;
use crate::api::Api;
use crate::negotiate::{NoCommonVersion, ServerVersions};

/// How long a connection for long polls is kept for the next one.
const SPARE_TIMEOUT: Duration = Duration::from_secs(30);

/// All connections to one broker: one for record batches on their way there, one for what is answered at once, and one
/// for each long poll that waits at this moment.
#[derive(Debug)]
pub struct Peer {
    address: Address,
    options: Arc<Options>,
    polling: Arc<Options>,
    env: Env,
    produce: Mutex<Option<Arc<Link>>>,
    quick: Mutex<Option<Arc<Link>>>,
    spare: Arc<Spare>,
}

/// Connections for the next long poll, the last used one last. On some the answer to a poll that was given up may still
/// be awaited. `None` when there is to be no next poll.
#[derive(Debug)]
struct Spare(Mutex<Option<Vec<Arc<Link>>>>);

impl Spare {
    fn links(&self) -> MutexGuard<'_, Option<Vec<Arc<Link>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One on which nothing is asked.
    fn take(&self) -> Option<Arc<Link>> {
        let mut links = self.links();
        let links = links.as_mut()?;
        links.retain(|link| link.is_connected());
        let at = links.iter().rposition(|link| link.is_free() || is_planted("long-polls-share-a-connection"))?;
        Some(links.remove(at))
    }
}

/// A connection on which a long poll is asked. It comes back when the poll is over, or was given up.
struct Borrowed {
    link: Arc<Link>,
    spare: Arc<Spare>,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(links) = self.spare.links().as_mut()
            && self.link.is_connected()
        {
            links.push(Arc::clone(&self.link));
        }
    }
}

impl Peer {
    /// A broker, with no connection yet.
    #[must_use]
    pub fn new(address: Address, options: &Arc<Options>, env: &Env) -> Self {
        let idle_timeout = options.idle_timeout.min(SPARE_TIMEOUT);
        let polling = Arc::new(Options { idle_timeout, ..Options::clone(options) });
        Self {
            address,
            options: Arc::clone(options),
            polling,
            env: env.clone(),
            produce: Mutex::default(),
            quick: Mutex::default(),
            spare: Arc::new(Spare(Mutex::new(Some(Vec::new())))),
        }
    }

    /// Where the broker is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    fn link(&self, options: &Arc<Options>) -> Arc<Link> {
        Link::new(self.address.clone(), Arc::clone(options), &self.env)
    }

    fn standing(&self, link: &Mutex<Option<Arc<Link>>>) -> Arc<Link> {
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose runtime has ended is followed by one on the runtime that is current.
        let usable = link.take().filter(|link| !link.is_ended()).unwrap_or_else(|| self.link(&self.options));
        Arc::clone(link.insert(usable))
    }

    /// The connection for record batches.
    #[must_use]
    pub fn produce(&self) -> Arc<Link> {
        self.standing(&self.produce)
    }

    /// The connection for what is answered at once.
    #[must_use]
    pub fn quick(&self) -> Arc<Link> {
        self.standing(&self.quick)
    }

    /// Asks what may wait long, over a connection on which nothing else is asked meanwhile.
    ///
    /// # Errors
    /// [`Error`].
    pub fn poll<A: Api>(
        &self,
        limits: Limits,
        prepare: impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    ) -> BoxFuture<'static, Result<Answer<A>, Error>> {
        let link = self.spare.take().unwrap_or_else(|| self.link(&self.polling));
        let asked = link.ask::<A>(limits, prepare);
        let borrowed = Borrowed { link, spare: Arc::clone(&self.spare) };
        Box::pin(async move {
            let answer = asked.await;
            drop(borrowed);
            answer
        })
    }

    /// Whether there is a connection for what is answered at once.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.quick.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|link| link.is_connected())
    }

    /// Ends the connections, but for those of long polls that somebody still waits for. What is in flight fails.
    pub fn close(&self) {
        let mut links = self.spare.links().take().unwrap_or_default();
        for standing in [&self.produce, &self.quick] {
            links.extend(standing.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        for link in links {
            link.close();
        }
    }
}
