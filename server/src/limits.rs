//! What a client may take of a server.

use std::time::Duration;

/// Bounds on what clients take. Each holds whatever a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one request (Kafka's `socket.request.max.bytes`).
    pub frame_bytes: usize,
    /// Bytes of one request of a client that has yet to say who it is, where the server asks for that. Up to 16,000 it has
    /// no part in what others wait for, before the request is whole.
    pub unauthenticated_frame_bytes: usize,
    /// Bytes of requests that are being received or answered, over all connections (Kafka's
    /// `queued.max.request.bytes`); at least 1 MiB. Beyond it only one request at a time is read, so that half-read ones cannot
    /// wait for one another for ever; the others wait until something was answered.
    pub request_bytes: usize,
    /// Requests of one connection that are being answered. Beyond it nothing is read from it.
    pub requests_per_connection: usize,
    /// Connections (Kafka's `max.connections`). One more is closed at once.
    pub connections: usize,
    /// Connections of one IP address (Kafka's `max.connections.per.ip`).
    pub connections_per_address: usize,
    /// How long a connection may do nothing (Kafka's `connections.max.idle.ms`).
    pub idle: Duration,
    /// How long the bytes of a request may take that has begun to arrive; again for each part of it that came in time
    /// at [`SLOWEST`](Self::SLOWEST).
    pub receive: Duration,
    /// How long a client may take for the bytes that wait for it; again for each part of them that it took in time
    /// at [`SLOWEST`](Self::SLOWEST).
    pub send: Duration,
    /// How long a client may take to say who it is, where the server asks for that.
    pub authentication: Duration,
    /// How long whoever is not let in waits for that answer (Kafka's `connection.failed.authentication.delay.ms`).
    pub refusal: Duration,
    /// How long a log-in lasts, at least 2 s; `None` for as long as the connection (Kafka's `connections.max.reauth.ms`, KIP-368). Clients are
    /// told, and log in again over the living connection; one that asks something afterwards without having done so
    /// is cut off.
    pub session: Option<Duration>,
    /// Bytes of records in one fetch's answer, whatever the client asks (Kafka's `fetch.max.bytes`).
    pub fetch_bytes: usize,
    /// Fetch sessions that are remembered (Kafka's `max.incremental.fetch.session.cache.slots`).
    pub fetch_sessions: usize,
    /// Partitions that fetch sessions remember in all. Beyond it clients name all their partitions in each fetch.
    pub fetch_session_partitions: usize,
    /// Bytes that the records of one batch may decompress to when they are checked.
    pub decompressed_bytes: usize,
}

impl Limits {
    /// Bytes a second that a client must send at least of a request that is under way, on average over
    /// [`receive`](Self::receive), and take of an answer, over [`send`](Self::send).
    pub const SLOWEST: usize = 128 << 10;
}

impl Default for Limits {
    /// Kafka's values where it has them.
    fn default() -> Self {
        Self {
            frame_bytes: 100 << 20,
            unauthenticated_frame_bytes: 8 << 10,
            request_bytes: 256 << 20,
            requests_per_connection: 64,
            connections: 10_000,
            connections_per_address: 10_000,
            idle: Duration::from_mins(10),
            receive: Duration::from_secs(30),
            send: Duration::from_secs(30),
            authentication: Duration::from_secs(30),
            refusal: Duration::from_millis(100),
            session: None,
            fetch_bytes: 55 << 20,
            fetch_sessions: 1_000,
            fetch_session_partitions: 1_000_000,
            decompressed_bytes: 256 << 20,
        }
    }
}
