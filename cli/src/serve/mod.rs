//! `ottla serve`.

mod args;
mod file;
mod options;
mod ready;

use std::sync::Arc;
use std::time::Duration;

use ottla::{Broker, Client};
use ottla_broker_core::planted::is_planted;
use ottla_server::{Mechanism, Server};

pub(crate) use args::Args;
use options::Options;
use ready::Ready;

use crate::connect::Context;
use crate::error::Error;
use crate::signals::Signals;

/// How often the broker is asked whether it is still the one.
const LOOK: Duration = Duration::from_secs(1);
/// What shells say of a program that an interrupt has ended.
const INTERRUPTED: i32 = 130;

pub(crate) async fn run(args: Args, mut context: Context) -> Result<(), Error> {
    let options = Options::new(args, &mut context)?;
    let secure = secure(&options)?;
    let metrics = gather(&options)?;
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let opening = context.builder(&options.url)?.client_id("ottla-serve").connect();
    let client = tokio::select! {
        biased;
        // Nothing is served yet: there is nothing to bring to an end.
        signal = signals.next() => return Err(Error::Failed(format!("{signal} came before the log was open"))),
        opened = opening => opened.map_err(|error| context.refused(error))?,
    };
    let served = serve(&client, &options, secure, metrics, &context, &mut signals).await;
    let closed = hurry(&mut signals, client.close(options.shutdown)).await;
    served.and_then(|()| closed.map_err(Error::from))
}

/// The broker of `client`, until a signal comes or it is not the broker any more.
async fn serve(
    client: &Client,
    options: &Options,
    secure: Secure,
    metrics: Gathered,
    context: &Context,
    signals: &mut Signals,
) -> Result<(), Error> {
    let Some(broker) = client.broker() else {
        return Err(Error::Usage(format!("`{}` is no log of this process that could be served", options.url)));
    };
    admit(&broker, options).await?;
    let mut builder =
        Server::builder(Arc::clone(&broker)).limits(options.limits.clone()).sasl(options.mechanisms.iter().copied());
    if let Some((host, port)) = &options.advertise {
        builder = match port {
            Some(port) => builder.advertised(host, *port),
            None => builder.advertised_host(host),
        };
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = secure {
        builder = builder.tls(tls);
    }
    #[cfg(not(feature = "tls"))]
    let Secure = secure;
    let server = builder.bind(options.listen).await?;
    let telemetry = tell(options, &broker, metrics).await?;
    let ready = Ready::new(options, &server, telemetry.address(), broker.durability());
    context.out.show(&ready, ToString::to_string)?;
    let ended = tokio::select! {
        biased;
        signal = signals.next() => {
            tracing::info!(signal, "the server is told to end");
            Ok(())
        }
        () = replaced(&broker, context) => Err(Error::Failed(format!(
            "another process has taken `{}` over: this one serves no more", options.url
        ))),
    };
    // What was cut off is in the server's log.
    let _ = hurry(signals, server.shutdown(options.shutdown)).await;
    ended
}

/// Until another broker has taken the log over.
async fn replaced(broker: &Broker, context: &Context) {
    while !broker.is_superseded() {
        context.env.sleep(LOOK).await;
    }
}

/// What `ending` comes to, unless another signal comes.
async fn hurry<T>(signals: &mut Signals, ending: impl Future<Output = T>) -> T {
    if is_planted("cli-second-signal-waits") {
        return ending.await;
    }
    tokio::select! {
        biased;
        signal = signals.next() => {
            tracing::warn!(signal, "told to end once more: at once");
            std::process::exit(INTERRUPTED)
        }
        ended = ending => ended,
    }
}

/// Sees to it that somebody can log in, if everybody has to.
async fn admit(broker: &Broker, options: &Options) -> Result<(), Error> {
    if options.mechanisms.is_empty() {
        return Ok(());
    }
    let failed = |error: ottla_broker_core::api::Error| Error::Failed(format!("cannot see to the users: {error}"));
    if options.mechanisms.contains(&Mechanism::Plain) && options.tls.is_none() {
        tracing::warn!("clients that log in by PLAIN send their passwords for everybody to read: there is no TLS");
    }
    if !broker.describe_scram(None).map_err(failed)?.is_empty() || is_planted("cli-serves-nobody") {
        return Ok(());
    }
    match &options.first_user {
        None => Err(Error::Usage(
            "nobody could log in: there are no users yet. Make the first one with `--first-user NAME`, or with `ottla user set`".to_owned(),
        )),
        Some((name, password)) => {
            ottla_server::set_password(broker, name, password).await.map_err(failed)?;
            tracing::info!(user = %name, "the first user was made");
            Ok(())
        }
    }
}

#[cfg(feature = "tls")]
type Secure = Option<ottla_server::Tls>;

#[cfg(feature = "tls")]
fn secure(options: &Options) -> Result<Secure, Error> {
    let Some(pem) = &options.tls else { return Ok(None) };
    let clients = pem.clients.as_deref().map(str::as_bytes);
    let tls = ottla_server::Tls::from_pem(pem.chain.as_bytes(), pem.key.as_bytes(), clients);
    tls.map(Some).map_err(|error| Error::Usage(format!("TLS cannot be spoken: {error}")))
}

#[cfg(not(feature = "tls"))]
#[derive(Debug)]
struct Secure;

#[cfg(not(feature = "tls"))]
fn secure(options: &Options) -> Result<Secure, Error> {
    match &options.tls {
        None => Ok(Secure),
        Some(_) => Err(Error::Usage("this `ottla` was built without the feature `tls`".to_owned())),
    }
}

#[cfg(feature = "telemetry")]
type Gathered = Option<ottla_server::Metrics>;

/// Before the broker starts, which takes its counters then.
#[cfg(feature = "telemetry")]
fn gather(options: &Options) -> Result<Gathered, Error> {
    options.metrics.map(|_| ottla_server::Metrics::install()).transpose().map_err(Error::from)
}

#[cfg(not(feature = "telemetry"))]
#[derive(Debug)]
struct Gathered;

#[cfg(not(feature = "telemetry"))]
fn gather(options: &Options) -> Result<Gathered, Error> {
    match options.metrics {
        None => Ok(Gathered),
        Some(_) => Err(Error::Usage("this `ottla` was built without the feature `telemetry`".to_owned())),
    }
}

/// Health and metrics, while this is held.
#[derive(Debug)]
struct Told {
    #[cfg(feature = "telemetry")]
    telemetry: Option<ottla_server::Telemetry>,
}

impl Told {
    #[cfg(feature = "telemetry")]
    fn address(&self) -> Option<std::net::SocketAddr> {
        self.telemetry.as_ref().map(ottla_server::Telemetry::address)
    }

    #[cfg(not(feature = "telemetry"))]
    const fn address(&self) -> Option<std::net::SocketAddr> {
        None
    }
}

#[cfg(feature = "telemetry")]
async fn tell(options: &Options, broker: &Arc<Broker>, metrics: Gathered) -> Result<Told, Error> {
    let Some(address) = options.metrics else { return Ok(Told { telemetry: None }) };
    let telemetry = ottla_server::Telemetry::bind(address, Arc::clone(broker), metrics).await?;
    Ok(Told { telemetry: Some(telemetry) })
}

#[cfg(not(feature = "telemetry"))]
async fn tell(_: &Options, _: &Arc<Broker>, _: Gathered) -> Result<Told, Error> {
    Ok(Told {})
}
