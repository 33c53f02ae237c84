//! What a reader counts: once a batch, never once a record.

use std::sync::Arc;

use metrics::Counter;

#[derive(Clone)]
pub(super) struct Metrics {
    batches: Counter,
    bytes: Counter,
    retries: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub(super) fn new(client_id: &Arc<str>) -> Self {
        let client: metrics::SharedString = Arc::clone(client_id).into();
        Self {
            batches: metrics::counter!("ottla_reader_batches_total", "client_id" => client.clone()),
            bytes: metrics::counter!("ottla_reader_bytes_total", "client_id" => client.clone()),
            retries: metrics::counter!("ottla_reader_retries_total", "client_id" => client),
        }
    }

    pub(super) fn handed_over(&self, bytes: usize) {
        self.batches.increment(1);
        self.bytes.increment(bytes as u64);
    }

    pub(super) fn retried(&self) {
        self.retries.increment(1);
    }
}
