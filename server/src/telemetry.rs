//! Health and metrics, over HTTP on a port of their own.
//!
//! | path | what it answers |
//! |---|---|
//! | `/health` | 200 while the broker serves, 503 with the reason when it does not |
//! | `/metrics` | all metrics of the process, as Prometheus reads them |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::env::{Env, Task};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::error::Error;

/// Connections that are answered at a time.
const CONNECTIONS: usize = 16;
/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long its request may take: whoever asks nothing is in the way of those who do.
const HEAD_LIMIT: Duration = Duration::from_secs(2);
/// How long accepting pauses after the system refused.
const PAUSE: Duration = Duration::from_millis(100);

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Gathers the metrics of the whole process from now on. MUST come before the server is bound and the broker
    /// is started, which take their counters then; a process has one.
    ///
    /// # Errors
    /// [`Error::Metrics`], if somebody gathers them already.
    pub fn install() -> Result<Self, Error> {
        let handle = PrometheusBuilder::new().install_recorder().map_err(|error| Error::Metrics(error.to_string()))?;
        Ok(Self { handle })
    }

    /// All of them as text, in Prometheus' format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Tells health and metrics until it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    address: SocketAddr,
    serving: Task,
}

struct Told {
    broker: Arc<Broker>,
    metrics: Option<Metrics>,
}

impl Telemetry {
    /// Listens on `address`, in the current tokio runtime; port 0 takes a free one. Anybody who can connect is told.
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn bind(address: SocketAddr, broker: Arc<Broker>, metrics: Option<Metrics>) -> Result<Self, Error> {
        let bind = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let env = broker.env().clone();
        let told = Arc::new(Told { broker, metrics });
        let serving = env.spawn("ottla-telemetry", accept(listener, told, env.clone()));
        tracing::info!(%address, "health and metrics are told");
        Ok(Self { address, serving })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, told: Arc<Told>, env: Env) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes them.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (told, limit) = (Arc::clone(&told), env.clone());
                env.spawn("ottla-telemetry-connection", async move {
                    if let Err(elapsed) = limit.timeout(LIMIT, answer(stream, peer, &told)).await {
                        tracing::debug!(%peer, %elapsed, "a request for health or metrics was not answered");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                env.sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, told: &Told) {
    let service = service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(told.answer(&request)));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a request for health or metrics failed");
    }
}

impl Told {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET and HEAD are answered\n".to_owned());
        }
        match (request.uri().path(), &self.metrics) {
            ("/health", _) => match self.trouble() {
                None => text(StatusCode::OK, "text/plain", "the broker serves\n".to_owned()),
                Some(trouble) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{trouble}\n")),
            },
            ("/metrics", Some(metrics)) => text(StatusCode::OK, "text/plain; version=0.0.4", metrics.render()),
            _ => text(StatusCode::NOT_FOUND, "text/plain", "there are /health and /metrics\n".to_owned()),
        }
    }

    /// Why the broker does not serve, if it does not.
    fn trouble(&self) -> Option<&'static str> {
        if self.broker.is_closed() {
            Some("the broker is closed")
        } else if self.broker.is_superseded() {
            Some("another broker was started on the same storage")
        } else {
            None
        }
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
