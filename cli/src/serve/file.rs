//! The table `[server]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ottla_server::Limits;
use serde::Deserialize;

/// The table: each option under its name, with `_` for `-`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) listen: Option<SocketAddr>,
    pub(super) advertise: Option<String>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) auto_create_topics: Option<bool>,
    pub(super) node_id: Option<i32>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_client_ca: Option<PathBuf>,
    pub(super) sasl: Option<Vec<String>>,
    pub(super) first_user: Option<String>,
    pub(super) first_password_file: Option<PathBuf>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_request_bytes: Option<usize>,
    pub(super) max_buffered_bytes: Option<usize>,
    pub(super) shutdown_ms: Option<u64>,
    pub(super) limits: Table,
}

/// The table `[server.limits]`: [`Limits`] by the names of its fields, durations in milliseconds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    frame_bytes: Option<usize>,
    unauthenticated_frame_bytes: Option<usize>,
    request_bytes: Option<usize>,
    requests_per_connection: Option<usize>,
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    idle_ms: Option<u64>,
    receive_ms: Option<u64>,
    send_ms: Option<u64>,
    authentication_ms: Option<u64>,
    refusal_ms: Option<u64>,
    leave_ms: Option<u64>,
    session_ms: Option<u64>,
    fetch_bytes: Option<usize>,
    fetch_sessions: Option<usize>,
    fetch_session_partitions: Option<usize>,
    decompressed_bytes: Option<usize>,
}

impl Table {
    /// The server's own where nothing is said.
    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (to, from) in [
            (&mut limits.frame_bytes, self.frame_bytes),
            (&mut limits.unauthenticated_frame_bytes, self.unauthenticated_frame_bytes),
            (&mut limits.request_bytes, self.request_bytes),
            (&mut limits.requests_per_connection, self.requests_per_connection),
            (&mut limits.connections, self.connections),
            (&mut limits.connections_per_address, self.connections_per_address),
            (&mut limits.fetch_bytes, self.fetch_bytes),
            (&mut limits.fetch_sessions, self.fetch_sessions),
            (&mut limits.fetch_session_partitions, self.fetch_session_partitions),
            (&mut limits.decompressed_bytes, self.decompressed_bytes),
        ] {
            *to = from.unwrap_or(*to);
        }
        for (to, from) in [
            (&mut limits.idle, self.idle_ms),
            (&mut limits.receive, self.receive_ms),
            (&mut limits.send, self.send_ms),
            (&mut limits.authentication, self.authentication_ms),
            (&mut limits.refusal, self.refusal_ms),
            (&mut limits.leave, self.leave_ms),
        ] {
            *to = from.map_or(*to, Duration::from_millis);
        }
        limits.session = self.session_ms.map(Duration::from_millis).or(limits.session);
        limits
    }
}
