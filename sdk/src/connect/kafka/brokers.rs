//! The way to each broker.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::env::Env;
use ottla_broker_core::planted::is_planted;
use ottla_wire::net::{self, Address, Limits, Peer};

use super::known::Known;

/// The way to each broker: connections by address, and addresses by id.
#[derive(Debug)]
pub(super) struct Brokers {
    /// The addresses that were given: they are tried when no broker that is known answers.
    bootstrap: Vec<Address>,
    options: Arc<net::Options>,
    request_timeout: Duration,
    env: Env,
    known: Mutex<Known>,
}

impl Brokers {
    pub(super) fn new(bootstrap: Vec<Address>, options: net::Options, request_timeout: Duration, env: Env) -> Self {
        Self { bootstrap, options: Arc::new(options), request_timeout, env, known: Mutex::default() }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a broker may take to answer at once.
    pub(super) const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(super) async fn pause(&self, pause: Duration) {
        self.env.sleep(pause).await;
    }

    /// Limits of a request for which the broker waits itself for so long.
    pub(super) fn limits(&self, waits: Duration) -> Limits {
        Limits::within(self.request_timeout.saturating_add(waits))
    }

    /// The broker of an id. `unsent` is the code if it is not known where it is: nothing was sent.
    pub(super) fn broker(&self, broker: BrokerId, unsent: ErrorCode) -> Result<Arc<Peer>, Error> {
        let mut known = self.known();
        match known.address(broker).cloned() {
            Some(address) => self.peer(&mut known, address),
            None => Err(Error::new(unsent, format!("broker {broker} is none of those that the cluster told last"))),
        }
    }

    fn peer(&self, known: &mut Known, address: Address) -> Result<Arc<Peer>, Error> {
        if known.closed {
            return Err(Error::new(ErrorCode::BrokerNotAvailable, "the client is closed: connect a new one"));
        }
        let peer = known.peers.entry(address);
        let peer = peer.or_insert_with_key(|address| Arc::new(Peer::new(address.clone(), &self.options, &self.env)));
        Ok(Arc::clone(peer))
    }

    /// Every address at which some broker may answer: those with a connection first, then those that are known, by
    /// chance, then those that were given.
    fn candidates(&self) -> Vec<Address> {
        let known = self.known();
        let mut brokers: Vec<_> = known.addresses().cloned().collect();
        for last in (1..brokers.len()).rev() {
            let other = self.env.random_below(last as u64 + 1);
            brokers.swap(last, usize::try_from(other).unwrap_or(last));
        }
        let connected = |address: &Address| known.peers.get(address).is_some_and(|peer| peer.is_connected());
        brokers.sort_by_key(|address| !connected(address));
        for address in &self.bootstrap {
            if !brokers.contains(address) && !is_planted("bootstrap-forgotten") {
                brokers.push(address.clone());
            }
        }
        brokers
    }

    /// Asks one broker after the other until one answers. What may have been carried out is asked again only if it is
    /// `harmless`.
    pub(super) async fn any<T, F>(
        &self,
        harmless: bool,
        unsent: ErrorCode,
        ask: impl Fn(Arc<Peer>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, net::Error>> + Send,
    {
        let mut refusals: Vec<net::Error> = Vec::new();
        for address in self.candidates() {
            let peer = self.peer(&mut self.known(), address)?;
            match ask(peer).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.may_have_happened() && !harmless => return Err(told(&error, unsent)),
                Err(error) => refusals.push(error),
            }
        }
        // What one has not answered tells more than that another was not there.
        let worst = refusals.iter().find(|error| error.may_have_happened()).or(refusals.first());
        let code = worst.map_or(unsent, |error| error.code(unsent));
        let refusals: Vec<_> = refusals.iter().map(ToString::to_string).collect();
        Err(Error::new(code, format!("no broker answers: {}", refusals.join("; "))))
    }

    /// Ends all connections, and makes no more.
    pub(super) fn close(&self) {
        let peers = {
            let mut known = self.known();
            known.closed = true;
            std::mem::take(&mut known.peers)
        };
        for peer in peers.values() {
            peer.close();
        }
    }
}

/// An error of a connection, as an answer. `unsent` is the code if nothing was sent.
pub(super) fn told(error: &net::Error, unsent: ErrorCode) -> Error {
    Error::new(error.code(unsent), error.to_string())
}
