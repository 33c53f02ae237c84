//! Under which address clients find this broker.

use std::fmt;
use std::net::SocketAddr;

use ottla_broker_core::BrokerId;

/// The address that Metadata, DescribeCluster and FindCoordinator tell for this broker: clients connect to
/// it, whatever address they came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address that clients can reach.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Advertised {
    /// The address that a listener is bound to. One that is bound to all interfaces has none that it could tell:
    /// then it is `localhost`, and clients of other machines need a name that the operator gives.
    pub(crate) fn of_listener(bound: SocketAddr) -> Self {
        let host = if bound.ip().is_unspecified() { "localhost".to_owned() } else { bound.ip().to_string() };
        Self { host, port: bound.port() }
    }

    /// Where `broker` is: here, if it is `own`; else where it registered.
    pub(crate) fn place(&self, own: BrokerId, broker: BrokerId, host: &str, port: u16) -> (String, u16) {
        if broker == own { (self.host.clone(), self.port) } else { (host.to_owned(), port) }
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
