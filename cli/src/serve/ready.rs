//! What is said once it serves.

use std::fmt;
use std::net::SocketAddr;

use ottla::Durability;
use ottla_server::Server;
use serde::Serialize;

use super::options::Options;

/// What is served, where, and what an acknowledgement means. As JSON it is for scripts.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    listening: SocketAddr,
    advertised: String,
    url: String,
    durability: String,
    tls: bool,
    sasl: Vec<&'static str>,
    metrics: Option<SocketAddr>,
    pid: u32,
}

impl Ready {
    pub(super) fn new(options: &Options, server: &Server, metrics: Option<SocketAddr>, durability: Durability) -> Self {
        Self {
            listening: server.address(),
            advertised: server.advertised().to_string(),
            url: options.url.clone(),
            durability: durability.to_string(),
            tls: options.tls.is_some(),
            sasl: options.mechanisms.iter().map(|mechanism| mechanism.name()).collect(),
            metrics,
            pid: std::process::id(),
        }
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "serving {} at {} (durability: {}", self.url, self.listening, self.durability)?;
        if self.advertised != self.listening.to_string() {
            write!(f, "; clients find it at {}", self.advertised)?;
        }
        if self.tls {
            f.write_str("; TLS")?;
        }
        if !self.sasl.is_empty() {
            write!(f, "; log-in by {}", self.sasl.join(", "))?;
        }
        if let Some(metrics) = self.metrics {
            write!(f, "; metrics at http://{metrics}/metrics")?;
        }
        f.write_str("); Ctrl-C ends it")
    }
}
