//! CreatePartitions (37), versions 0 to 3: gives topics more partitions.
//!
//! Source: `CreatePartitionsRequest.json`, `CreatePartitionsResponse.json`; KIP-195.
//!
//! Deviations: replicas that are assigned by hand must all be on the broker that answers (else
//! `INVALID_REPLICA_ASSIGNMENT`), and their number must be that of the new partitions, which the broker knows. The time
//! limit is read and not needed.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, TopicName};

use crate::answers::{InOrder, Keyed, outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum CreatePartitions {}

impl Api for CreatePartitions {
    const KEY: ApiKey = ApiKey::CreatePartitions;
    const SPEC: Spec = Spec::new(0, 3, 2);
    type Request = CreatePartitionsRequest;
    type Response = CreatePartitionsResponse;
}

message! {
    /// Gives topics more partitions.
    pub struct CreatePartitionsRequest {
        /// Which.
        topics: Vec<CreatePartitionsTopic>, 0..;
        /// How long to wait for them.
        timeout: Duration, 0..;
        /// Whether to look only whether it could be done.
        validate_only: bool, 0..;
    }

    /// A topic that grows.
    pub struct CreatePartitionsTopic {
        /// Its name.
        name: Arc<str>, 0..;
        /// How many partitions it is to have in all.
        total: i32, 0..;
        /// Where the replicas of the new ones are to be, if that is assigned by hand.
        assignments: Option<Vec<NewPartitionAssignment>>, 0..;
    }

    /// Where the replicas of one new partition are to be.
    pub struct NewPartitionAssignment {
        /// The brokers.
        brokers: Vec<BrokerId>, 0..;
    }

    /// What became of them.
    pub struct CreatePartitionsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// One answer a topic.
        results: Vec<CreatePartitionsResult>, 0..;
    }

    /// What became of one.
    pub struct CreatePartitionsResult {
        /// Its name.
        name: Arc<str>, 0..;
        /// Why it has not grown.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
    }
}

impl CreatePartitionsRequest {
    /// The request for `totals`.
    #[must_use]
    pub fn from_api(totals: &[(TopicName, i32)], timeout: Duration, validate_only: bool) -> Self {
        let topics = totals.iter().map(|(name, total)| CreatePartitionsTopic {
            name: Arc::from(name.as_str()),
            total: *total,
            assignments: None,
        });
        Self { topics: topics.collect(), timeout, validate_only }
    }
}

impl CreatePartitionsTopic {
    /// The topic, as broker `me` is to grow it from its `partitions`; `None` if there is no such topic, which the
    /// broker then says.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`; `INVALID_REPLICA_ASSIGNMENT` for an assignment by hand that cannot be.
    pub fn to_api(&self, me: BrokerId, partitions: Option<i32>) -> Result<(TopicName, i32), Error> {
        let name =
            TopicName::new(&*self.name).map_err(|error| Error::new(ErrorCode::InvalidTopic, error.to_string()))?;
        if let Some(assignments) = &self.assignments {
            let refused =
                |what| Err(Error::new(ErrorCode::InvalidReplicaAssignment, format!("topic {}: {what}", self.name)));
            let added = partitions.and_then(|partitions| self.total.checked_sub(partitions));
            // Too few partitions in all are the broker's to refuse, with a better error.
            if added.is_some_and(|added| added > 0 && usize::try_from(added) != Ok(assignments.len())) {
                return refused(format!("replicas of {} new partitions are assigned", assignments.len()));
            }
            if assignments.iter().any(|one| one.brokers != [me]) {
                return refused(format!("each partition can have one replica only, on broker {me}"));
            }
        }
        Ok((name, self.total))
    }
}

impl CreatePartitionsResponse {
    /// The answer to `request`; `results` are in the order of its topics.
    #[must_use]
    pub fn from_api(request: &CreatePartitionsRequest, results: impl IntoIterator<Item = Result<(), Error>>) -> Self {
        let mut results = InOrder::new(results);
        let results = request.topics.iter().map(|topic| {
            let error = results.next().err();
            CreatePartitionsResult {
                name: Arc::clone(&topic.name),
                error: error.as_ref().map(|error| error.code),
                error_message: error.as_ref().and_then(words),
            }
        });
        Self { results: results.collect(), ..Self::default() }
    }

    /// The answers about the topics of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &CreatePartitionsRequest) -> Vec<Result<(), Error>> {
        let mut answers = Keyed::new(self.results.into_iter().map(|one| (Arc::clone(&one.name), one)));
        let answer = |topic: &CreatePartitionsTopic| {
            let one = answers.take(&topic.name)?;
            outcome(one.error, format_args!("topic {}", topic.name), one.error_message.as_deref())
        };
        request.topics.iter().map(answer).collect()
    }
}
