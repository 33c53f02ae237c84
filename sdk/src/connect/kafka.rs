//! `kafka://host:9092,host:9092`: brokers over the network, ours or any Kafka cluster.

mod admin;
mod brokers;
mod calls;
mod groups;
mod known;
mod options;
mod remote;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use ottla_broker_core::env::Env;
use ottla_wire::net::{self, Address};

pub use options::KafkaOptions;
pub(super) use options::read;
pub use ottla_wire::net::{Login, Mechanism};
#[cfg(feature = "kafka-tls")]
pub use tls::{ClientCertificate, Pem, TlsOptions};

use super::error::Error;
use super::url::Url;
use brokers::Brokers;
use remote::Remote;

/// Finds the cluster through the first of the URL's addresses that answers.
pub(super) async fn open(url: &Url, options: &KafkaOptions, client_id: &str, env: &Env) -> Result<Arc<Remote>, Error> {
    let (addresses, options) = options.of_url(url)?;
    let net = net::Options {
        client_id: Arc::from(client_id),
        login: options.login,
        #[cfg(feature = "kafka-tls")]
        tls: match &options.tls {
            Some(tls) => Some(Arc::new(tls.open().map_err(|reason| Error::Tls { url: url.shown.clone(), reason })?)),
            None => None,
        },
        connect_timeout: options.connect_timeout,
        idle_timeout: options.idle_timeout,
        max_frame_bytes: options.max_response_bytes,
        ..net::Options::default()
    };
    let brokers = Arc::new(Brokers::new(addresses, net, options.request_timeout, env.clone()));
    let remote = Remote::new(brokers);
    remote.look_around().await.map_err(|source| Error::Unreachable { url: url.shown.clone(), source })?;
    Ok(Arc::new(remote))
}

/// The addresses of a URL, without its parameters.
fn addresses(url: &Url, text: &str) -> Result<Vec<Address>, Error> {
    let malformed = |reason: String| Error::Malformed { url: url.shown.clone(), reason };
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() {
        return Err(malformed("it names no broker; write for example `kafka://host:9092,host2:9092`".to_owned()));
    }
    text.split(',')
        .map(|one| one.trim().parse().map_err(|error: net::InvalidAddress| malformed(error.to_string())))
        .collect()
}
