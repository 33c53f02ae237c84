//! The listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::env::Task;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::advertised::Advertised;
use crate::auth::{Authentication, LEAST_SESSION, Mechanism};
use crate::authorizer::{AllowAll, Authorizer};
use crate::connection::Ended;
use crate::connections::{Connections, Place};
use crate::error::{Error, Unfinished};
use crate::limits::Limits;
use crate::secure::Secure;
use crate::shared::{Phase, Shared};

/// How long accepting pauses after the system refused: most often there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of requests below which some short request would find no room.
const LEAST_REQUESTS: usize = 1 << 20;

/// A server that is about to be.
#[derive(Debug)]
#[must_use = "it listens once it is bound"]
pub struct Builder {
    broker: Arc<Broker>,
    limits: Limits,
    advertised: Option<(String, Option<u16>)>,
    authorizer: Arc<dyn Authorizer>,
    mechanisms: Vec<Mechanism>,
    #[cfg(feature = "tls")]
    tls: Option<crate::Tls>,
}

/// A listener for Kafka clients over a broker.
///
/// It serves from [`Builder::bind`] on until [`shutdown`](Self::shutdown); dropping it cuts all connections off. It
/// looks after the broker meanwhile, as whoever embeds one must, and leaves it open: close it afterwards.
/// Several servers may share a broker, say one for each address.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    accepting: Task,
    keeping: Task,
}

impl Builder {
    /// What clients may take.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Under which address clients find this broker, if it is not the one that it listens on.
    pub fn advertised(self, host: impl Into<String>, port: u16) -> Self {
        Self { advertised: Some((host.into(), Some(port))), ..self }
    }

    /// Under which name clients find this broker, at the port that it listens on.
    pub fn advertised_host(self, host: impl Into<String>) -> Self {
        Self { advertised: Some((host.into(), None)), ..self }
    }

    /// Who decides what clients may do. Without one they may do everything.
    pub fn authorizer(self, authorizer: impl Authorizer) -> Self {
        Self { authorizer: Arc::new(authorizer), ..self }
    }

    /// Lets only those clients in that log in by one of these mechanisms; [`set_password`](crate::set_password) makes
    /// the first user.
    pub fn sasl(self, mechanisms: impl IntoIterator<Item = Mechanism>) -> Self {
        Self { mechanisms: mechanisms.into_iter().collect(), ..self }
    }

    /// Speaks TLS.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Listens on `address`, in the current tokio runtime. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`Error::Bind`]; [`Error::Limits`]; [`Error::Randomness`].
    pub async fn bind(self, address: SocketAddr) -> Result<Server, Error> {
        let Self {
            broker,
            limits,
            advertised,
            authorizer,
            mechanisms,
            #[cfg(feature = "tls")]
            tls,
        } = self;
        check(&limits)?;
        let bind = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let advertised = match advertised {
            Some((host, port)) => Advertised { host, port: port.unwrap_or(address.port()) },
            None => Advertised::of_listener(address),
        };
        let authentication = if mechanisms.is_empty() {
            None
        } else {
            let asked = Authentication::new(mechanisms, limits.session, Arc::clone(&broker));
            Some(Arc::new(asked.map_err(Error::Randomness)?))
        };
        let shared = Shared::new(broker, limits, advertised, authorizer, authentication);
        let env = shared.env.clone();
        let secure = Secure {
            #[cfg(feature = "tls")]
            tls,
        };
        let connections = Connections::new();
        let keeping = {
            let broker = Arc::clone(&shared.broker);
            env.spawn("ottla-keeper", async move { broker.run_housekeeping().await })
        };
        let accepting =
            env.spawn("ottla-listener", accept(listener, Arc::clone(&shared), Arc::clone(&connections), secure));
        tracing::info!(%address, advertised = %shared.advertised, broker = %shared.broker.id(), "listening");
        Ok(Server { address, shared, connections, accepting, keeping })
    }
}

fn check(limits: &Limits) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Limits(message));
    if limits.frame_bytes > limits.request_bytes {
        let (one, all) = (limits.frame_bytes, limits.request_bytes);
        return refuse(format!("one request may have {one} bytes and all together {all}: the largest would not fit"));
    }
    if limits.request_bytes < LEAST_REQUESTS {
        return refuse(format!(
            "all requests together need at least {LEAST_REQUESTS} bytes, not {}",
            limits.request_bytes
        ));
    }
    if i32::try_from(limits.frame_bytes).is_err() {
        return refuse(format!("requests have at most {} bytes, not {}", i32::MAX, limits.frame_bytes));
    }
    if limits.request_bytes > Semaphore::MAX_PERMITS {
        return refuse(format!("requests take at most {} bytes, not {}", Semaphore::MAX_PERMITS, limits.request_bytes));
    }
    if limits.requests_per_connection == 0 || limits.connections == 0 || limits.connections_per_address == 0 {
        return refuse("a limit of 0 requests or connections would serve nobody".to_owned());
    }
    if limits.session.is_some_and(|session| session < LEAST_SESSION) {
        return refuse(format!(
            "a log-in lasts at least {LEAST_SESSION:?}: clients renew it before its end, and no sooner than a second after its beginning"
        ));
    }
    Ok(())
}

impl Server {
    /// A server over `broker`, with default limits.
    pub fn builder(broker: Arc<Broker>) -> Builder {
        Builder {
            broker,
            limits: Limits::default(),
            advertised: None,
            authorizer: Arc::new(AllowAll),
            mechanisms: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients are told to find it.
    #[must_use]
    pub fn advertised(&self) -> &Advertised {
        &self.shared.advertised
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How many connections have ended or were refused, by the reason's name; the log has the details.
    #[must_use]
    pub fn ended_connections(&self) -> BTreeMap<&'static str, u64> {
        self.connections.ended()
    }

    /// Stops accepting and reading, answers what it has begun (fetches with what there is, and members who wait for
    /// their group with "find the coordinator again"), and closes the connections; cuts off what is not done
    /// after `limit`. The broker stays open.
    ///
    /// # Errors
    /// [`Unfinished`], if any had to be cut off.
    pub async fn shutdown(self, limit: Duration) -> Result<(), Unfinished> {
        self.accepting.abort();
        self.shared.phase.send_replace(Phase::Draining);
        if self.shared.env.timeout(limit, self.connections.none()).await.is_ok() {
            tracing::info!(address = %self.address, "the server has shut down");
            return Ok(());
        }
        let connections = self.connections.len();
        self.shared.phase.send_replace(Phase::Cut);
        self.connections.none().await;
        tracing::warn!(address = %self.address, connections, "the server has shut down and cut connections off");
        Err(Unfinished { connections })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Cut);
        self.accepting.abort();
        self.keeping.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: Arc<Connections>, secure: Secure) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match connections.enter(peer.ip(), &shared.limits) {
                Ok(place) => {
                    shared.meters.connections.increment(1.0);
                    let connection =
                        connect(Arc::clone(&shared), Arc::clone(&connections), stream, peer, place, secure.clone());
                    shared.env.spawn("ottla-connection", connection);
                }
                Err(full) => {
                    tracing::warn!(%peer, "a connection was refused: {full}");
                    connections.count_end("refused");
                }
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                shared.env.sleep(PAUSE).await;
            }
        }
    }
}

async fn connect(
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    secure: Secure,
) {
    tracing::debug!(%peer, "connected");
    let ended = match stream.set_nodelay(true) {
        Ok(()) => secure.serve(&shared, peer, stream).await,
        Err(error) => Ended::Io(error),
    };
    if ended.is_ordinary() {
        tracing::debug!(%peer, reason = ended.name(), "the connection has ended: {ended}");
    } else {
        tracing::warn!(%peer, reason = ended.name(), "the connection has ended: {ended}");
    }
    connections.count_end(ended.name());
    shared.meters.connections.decrement(1.0);
    drop(place);
}
