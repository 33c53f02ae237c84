//! DescribeCluster, DescribeTopicPartitions, FindCoordinator, InitProducerId.

use std::sync::Arc;

use ottla_broker_core::api::{self, TopicsWanted};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_wire::messages::{
    DescribeClusterRequest, DescribeClusterResponse, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
};

use super::interleave::Interleaved;
use super::metadata::placed;
use super::{Asked, closed};
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// From the next version of FindCoordinator on several keys are asked for at once, as Java's clients do (KIP-699).
const LAST_OF_ONE_KEY: i16 = 3;

/// # Errors
/// The broker's.
pub(super) async fn look_up(shared: &Shared, topics: TopicsWanted) -> Result<api::Metadata, Error> {
    shared.broker.metadata(api::MetadataRequest { topics, allow_auto_create: false }).await
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn describe(
    shared: &Shared,
    request: &DescribeClusterRequest,
) -> Result<DescribeClusterResponse, Error> {
    match look_up(shared, TopicsWanted::Names(Vec::new())).await.map_err(closed) {
        Ok(mut metadata) => {
            metadata.brokers = placed(shared, &metadata.brokers);
            Ok(DescribeClusterResponse::from_api(request, &metadata))
        }
        Err(Ok(error)) => Ok(DescribeClusterResponse::refused(&error)),
        Err(Err(closed)) => Err(closed),
    }
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn describe_topics(
    shared: &Shared,
    asked: &Asked,
    request: &DescribeTopicPartitionsRequest,
) -> Result<DescribeTopicPartitionsResponse, Error> {
    if request.topics.is_empty() {
        let metadata = look_up(shared, TopicsWanted::All).await?;
        let visible = metadata
            .topics
            .into_iter()
            .flatten()
            .filter(|topic| asked.may(shared, Operation::Describe, Resource::Topic(&topic.name)).is_ok());
        let topics = visible.map(|topic| (Arc::from(topic.name.as_str()), Ok(topic)));
        return Ok(DescribeTopicPartitionsResponse::from_api(request, topics));
    }
    let names = request.topics.iter().map(|topic| asked.named_topic(shared, Operation::Describe, &topic.name));
    let (names, refused) = Interleaved::split(names);
    let metadata = look_up(shared, TopicsWanted::Names(names)).await?;
    let answers = request.topics.iter().map(|topic| Arc::clone(&topic.name)).zip(refused.join(metadata.topics));
    Ok(DescribeTopicPartitionsResponse::from_api(request, answers))
}

pub(super) async fn find_coordinator(
    shared: &Shared,
    asked: &Asked,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let mut answers = Vec::new();
    for key in request.keys(asked.version) {
        answers.push((Arc::clone(key), find_one(shared, asked, request, key).await));
    }
    FindCoordinatorResponse::from_api(answers)
}

async fn find_one(
    shared: &Shared,
    asked: &Asked,
    request: &FindCoordinatorRequest,
    key: &Arc<str>,
) -> Result<api::group::FoundCoordinator, Error> {
    let wanted = request.to_api(key)?;
    if let api::group::FindCoordinator::Group(group) = &wanted {
        asked.group(shared, Operation::Describe, group)?;
    }
    let found = shared.broker.find_coordinator(wanted).await.map_err(|error| match error.code {
        // Transactions. librdkafka, which asks in versions up to 2, asks again and again unless it has no right to them;
        // Java's clients, in later ones, take any other code as final and show its words.
        ErrorCode::UnsupportedVersion if asked.version <= LAST_OF_ONE_KEY => {
            Error::new(ErrorCode::TransactionalIdAuthorizationFailed, error.message)
        }
        // The client is to look for another broker, which only the retriable code says.
        ErrorCode::BrokerNotAvailable => Error::new(ErrorCode::CoordinatorNotAvailable, error.message),
        _ => error,
    })?;
    let (host, port) = shared.advertised.place(shared.broker.id(), found.broker, &found.host, found.port);
    Ok(api::group::FoundCoordinator { host, port, ..found })
}

pub(super) async fn init_producer_id(
    shared: &Shared,
    asked: &Asked,
    request: &InitProducerIdRequest,
) -> InitProducerIdResponse {
    let answer = async {
        asked.may(shared, Operation::IdempotentWrite, Resource::Cluster)?;
        let current = request.to_api()?;
        shared.broker.init_producer_id(current).await.map_err(|error| match error.code {
            ErrorCode::BrokerNotAvailable | ErrorCode::NotController => {
                Error::new(ErrorCode::CoordinatorNotAvailable, error.message)
            }
            _ => error,
        })
    };
    InitProducerIdResponse::from_api(answer.await)
}
