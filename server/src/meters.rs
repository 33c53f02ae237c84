//! What is counted. Metrics go to the recorder of the crate `metrics` that is installed when the server is bound.

use metrics::Counter;
use ottla_wire::ApiKey;

pub(crate) struct Meters {
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    requests: Vec<(ApiKey, Counter)>,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let request = |key: &ApiKey| (*key, metrics::counter!("ottla_server_requests_total", "api" => key.name()));
        Self {
            received: metrics::counter!("ottla_server_received_bytes_total"),
            sent: metrics::counter!("ottla_server_sent_bytes_total"),
            requests: ApiKey::ALL.iter().map(request).collect(),
        }
    }

    pub(crate) fn request(&self, key: ApiKey) {
        if let Some((_, counter)) = self.requests.iter().find(|(of, _)| *of == key) {
            counter.increment(1);
        }
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}
