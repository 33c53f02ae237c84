//! All connections to one broker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla_broker_core::env::{BoxFuture, Env};

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
    /// Connections on which nothing is asked, the last used one last.
    spare: Arc<Mutex<Vec<Arc<Link>>>>,
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
            spare: Arc::default(),
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
        let link = {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare.retain(|link| link.is_connected());
            spare.pop()
        };
        let link = link.unwrap_or_else(|| self.link(&self.polling));
        let asked = link.ask::<A>(limits, prepare);
        let spare = Arc::clone(&self.spare);
        Box::pin(async move {
            let answer = asked.await;
            // Only one whose answer has come: of one that was given up, the answer may still come.
            if link.is_connected() {
                spare.lock().unwrap_or_else(PoisonError::into_inner).push(link);
            }
            answer
        })
    }
}
