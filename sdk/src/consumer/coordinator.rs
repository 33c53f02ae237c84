//! Requests to a group's coordinator, wherever it is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ottla_broker_core::api::group::{FetchedOffset, GroupId, OffsetCommit, OffsetFetch, OffsetsWanted};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::env::Moment;
use ottla_broker_core::{BrokerId, TopicPartition};

use crate::context::Context;

/// Knows who coordinates, as last heard.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) context: Context,
    pub(super) group: GroupId,
    pub(super) request_timeout: Duration,
    pub(super) retry_backoff: Duration,
    broker: Mutex<Option<BrokerId>>,
}

impl Coordinator {
    pub(super) fn new(context: Context, group: GroupId, request_timeout: Duration, retry_backoff: Duration) -> Self {
        Self { context, group, request_timeout, retry_backoff, broker: Mutex::new(None) }
    }

    /// Asks who coordinates.
    pub(super) async fn find(&self) -> Result<BrokerId, Error> {
        let found = self.bounded(self.request_timeout, self.context.cluster.find_coordinator(&self.group)).await?;
        self.set(Some(found));
        Ok(found)
    }

    /// Who coordinates: as last heard, or asked now.
    pub(super) async fn broker(&self) -> Result<BrokerId, Error> {
        let known = *self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(broker) => Ok(broker),
            None => self.find().await,
        }
    }

    fn set(&self, broker: Option<BrokerId>) {
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner) = broker;
    }

    /// Takes an answer in: some mean that the coordinator is elsewhere.
    pub(super) fn heard(&self, error: &Error) {
        if matches!(
            error.code,
            ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NetworkException
                | ErrorCode::RequestTimedOut
        ) {
            self.set(None);
        }
    }

    /// The answer, or `REQUEST_TIMED_OUT` after `limit`.
    pub(super) async fn bounded<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let answer = match self.context.env.timeout(limit, request).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(Error::new(
                ErrorCode::RequestTimedOut,
                format!("the coordinator of group `{}` did not answer within {:?}", self.group, elapsed.0),
            )),
        };
        if let Err(error) = &answer {
            self.heard(error);
        }
        answer
    }

    /// One attempt to commit.
    pub(super) async fn commit(&self, request: OffsetCommit, limit: Duration) -> Result<Vec<Result<(), Error>>, Error> {
        let broker = self.broker().await?;
        let count = request.partitions.len();
        let answers = self.bounded(limit, self.context.cluster.offset_commit(broker, request)).await?;
        if answers.len() != count {
            return Err(miscounted());
        }
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            self.heard(error);
        }
        Ok(answers)
    }

    /// What is committed of these partitions, one answer each, in order. Retriable errors are waited out,
    /// until `until`.
    pub(super) async fn committed(
        &self,
        partitions: Vec<TopicPartition>,
        until: Option<Moment>,
    ) -> Result<Vec<FetchedOffset>, Error> {
        let mut failures = 0;
        loop {
            match self.committed_once(partitions.clone()).await {
                Err(error) if error.is_retriable() && until.is_none_or(|until| self.context.env.now() < until) => {
                    tracing::debug!(group = %self.group, %error, "committed offsets are asked for again");
                    self.pause(failures).await;
                    failures += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn committed_once(&self, partitions: Vec<TopicPartition>) -> Result<Vec<FetchedOffset>, Error> {
        let broker = self.broker().await?;
        let count = partitions.len();
        let request = OffsetFetch {
            group: self.group.clone(),
            wanted: OffsetsWanted::Partitions(partitions),
            require_stable: true,
        };
        let answers = self.bounded(self.request_timeout, self.context.cluster.offset_fetch(broker, request)).await?;
        if answers.len() != count {
            return Err(miscounted());
        }
        // A retriable answer for one is asked again with the rest: they come from one place.
        for answer in &answers {
            if let Err(error) = &answer.committed {
                self.heard(error);
                if error.is_retriable() {
                    return Err(error.clone());
                }
            }
        }
        Ok(answers)
    }

    /// Waits before attempt `failures + 2`: doubling up to 30 times the first pause, by chance between half and all.
    pub(super) async fn pause(&self, failures: u32) {
        let full = self.retry_backoff.saturating_mul(1 << failures.min(5)).min(self.retry_backoff.saturating_mul(30));
        let half = full / 2;
        let chance = self.context.env.random_below(u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1));
        self.context.env.sleep(half + Duration::from_micros(chance)).await;
    }
}

fn miscounted() -> Error {
    Error::new(ErrorCode::UnknownServerError, "the coordinator gave another number of answers than was asked for")
}
