//! The orderly end.

use std::time::Duration;

use futures::StreamExt;

use super::Broker;
use super::adopt::AT_ONCE;
use crate::api::{Error, ErrorCode};

impl Broker {
    /// Stops taking requests, makes durable what was appended, saves snapshots, and closes the storage.
    /// Requests that wait are woken. Idempotent: a later call returns what came of the first.
    ///
    /// # Errors
    /// What could not be made durable; `REQUEST_TIMED_OUT` if it took longer than `limit`, and then a
    /// later call goes on with it.
    pub async fn close(&self, limit: Duration) -> Result<(), Error> {
        self.closed.send_replace(true);
        match self.env.timeout(limit, self.close_once()).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(Error::new(
                ErrorCode::RequestTimedOut,
                format!("broker {} was not closed in time: {elapsed}; what is in flight may be lost", self.id()),
            )),
        }
    }

    async fn close_once(&self) -> Result<(), Error> {
        let mut outcome = self.outcome.lock().await;
        if let Some(outcome) = &*outcome {
            return outcome.clone();
        }
        // No partition is opened after this: opening looks at `closed` under the lock.
        let adopting = self.adopting.lock().await;
        drop(adopting);
        self.groups.resign_all();
        let superseded = self.is_superseded();
        let closing = self.led().into_iter().map(|partition| async move { partition.close().await });
        let closed: Vec<_> = futures::stream::iter(closing).buffer_unordered(AT_ONCE).collect().await;
        // A fenced broker's appends failed long ago, and were answered so.
        let first_failure = closed.into_iter().find_map(Result::err).filter(|_| !superseded);
        let storage = self.backend.logs.close().await.map_err(Error::from);
        let result = first_failure.map_or(Ok(()), Err).and(storage);
        match &result {
            Ok(()) => tracing::info!(broker = %self.id(), "the broker has closed"),
            Err(error) => tracing::warn!(broker = %self.id(), %error, "the broker has closed with losses"),
        }
        *outcome = Some(result.clone());
        result
    }
}
