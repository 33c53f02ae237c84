//! Replication: the transport between brokers.
//!
//! The transport is a dumb pipe; the rules of replication are pure and sit beside it.

mod transport;

pub use transport::{PeerHandler, PeerRequest, PeerResponse, ReplicaTransport, TransportError};
