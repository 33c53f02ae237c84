//! How brokers are reached.

use std::sync::Arc;
use std::time::Duration;

use super::login::Login;

/// How brokers are reached. The defaults are those of Kafka's own clients.
#[derive(Clone, Debug)]
pub struct Options {
    /// The client's own name of itself, in the broker's logs and quotas.
    pub client_id: Arc<str>,
    /// Who the client is, if brokers ask for it.
    pub login: Option<Login>,
    /// How connections are encrypted; `None` is not at all.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<super::Tls>>,
    /// How long connecting may take, with everything that comes before the first request.
    pub connect_timeout: Duration,
    /// The pause after the first failed attempt to connect; it doubles with each, and chance takes off up to half.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A connection without requests is closed after so long: below the ten minutes after which brokers do it.
    pub idle_timeout: Duration,
    /// The largest answer that is taken, in bytes.
    pub max_frame_bytes: usize,
    /// Bytes that wait to be sent to one broker, beyond which [`Link::ready`](super::Link::ready) waits.
    pub max_unsent_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: Arc::from("ottla"),
            login: None,
            #[cfg(feature = "tls")]
            tls: None,
            connect_timeout: Duration::from_secs(10),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(1),
            idle_timeout: Duration::from_mins(9),
            max_frame_bytes: 256 << 20,
            max_unsent_bytes: 8 << 20,
        }
    }
}
