//! Topics are created, grown and deleted, and their records deleted.

use std::sync::Arc;

use ottla_broker_core::api::{ConfigResource, TopicsWanted};
use ottla_broker_core::error::Error;
use ottla_broker_core::{TopicName, TopicPartition};
use ottla_wire::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};

use super::cluster::look_up;
use super::interleave::Interleaved;
use super::{Asked, closed};
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn create(
    shared: &Shared,
    asked: &Asked,
    request: &CreateTopicsRequest,
) -> Result<CreateTopicsResponse, Error> {
    let topics = request.topics.iter().map(|topic| {
        let topic = topic.to_api(shared.broker.id())?;
        asked.may(shared, Operation::Create, Resource::Topic(&topic.name))?;
        Ok(topic)
    });
    let (topics, refused) = Interleaved::split(topics);
    let names = request.topics.iter().map(|topic| Arc::clone(&topic.name));
    let created = match shared.broker.create_topics(topics, request.validate_only).await.map_err(closed) {
        Ok(created) => created,
        Err(error) => return Ok(CreateTopicsResponse::from_api(names.zip(refused.all_refused(&error?)))),
    };
    let mut told = Vec::with_capacity(created.len());
    for one in created {
        told.push(match one {
            Ok(created) => {
                // What is only tried has no configs yet.
                let resource = vec![ConfigResource::Topic(created.name.clone())];
                let configs = if request.validate_only {
                    Vec::new()
                } else {
                    shared.broker.describe_configs(resource).await?.into_iter().flatten().flatten().collect()
                };
                Ok((created, configs))
            }
            Err(error) => Err(error),
        });
    }
    Ok(CreateTopicsResponse::from_api(names.zip(refused.join(told))))
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn delete(
    shared: &Shared,
    asked: &Asked,
    request: &DeleteTopicsRequest,
) -> Result<DeleteTopicsResponse, Error> {
    let wanted = match request.wanted(asked.version) {
        Ok(wanted) => wanted,
        // A topic that is both named and identified, or neither. There is no error of the whole.
        Err(error) => {
            let names = request.topics.iter().filter_map(|topic| topic.name.clone());
            let refused = names.map(|name| (ottla_wire::TopicRef::Name(name), Err(error.clone())));
            return Ok(DeleteTopicsResponse::from_api(refused));
        }
    };
    let (names, refused) = Interleaved::split(wanted.iter().map(|topic| asked.topic(shared, Operation::Delete, topic)));
    match shared.broker.delete_topics(names).await.map_err(closed) {
        Ok(deleted) => Ok(DeleteTopicsResponse::from_api(wanted.into_iter().zip(refused.join(deleted)))),
        Err(error) => Ok(DeleteTopicsResponse::from_api(wanted.into_iter().zip(refused.all_refused(&error?)))),
    }
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn grow(
    shared: &Shared,
    asked: &Asked,
    request: &CreatePartitionsRequest,
) -> Result<CreatePartitionsResponse, Error> {
    let mut totals: Vec<Result<(TopicName, i32), Error>> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        totals.push(match asked.named_topic(shared, Operation::Alter, &topic.name) {
            Ok(name) => {
                let found = look_up(shared, TopicsWanted::Names(vec![name])).await?;
                let partitions = found.topics.into_iter().flatten().next().map(|topic| topic.partitions.len());
                topic.to_api(shared.broker.id(), partitions.and_then(|count| i32::try_from(count).ok()))
            }
            Err(error) => Err(error),
        });
    }
    let (totals, refused) = Interleaved::split(totals);
    match shared.broker.create_partitions(totals, request.validate_only).await.map_err(closed) {
        Ok(grown) => Ok(CreatePartitionsResponse::from_api(request, refused.join(grown))),
        Err(error) => Ok(CreatePartitionsResponse::from_api(request, refused.all_refused(&error?))),
    }
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn delete_records(
    shared: &Shared,
    asked: &Asked,
    request: &DeleteRecordsRequest,
) -> Result<DeleteRecordsResponse, Error> {
    let part = |(name, part): (&Arc<str>, &DeleteRecordsPartition)| {
        let topic = asked.named_topic(shared, Operation::Delete, name)?;
        Ok((TopicPartition::new(topic, part.partition), part.before()?))
    };
    let (before, refused) = Interleaved::split(request.partitions().map(part));
    let deleted = shared.broker.delete_records(before).await?;
    Ok(DeleteRecordsResponse::from_api(request, refused.join(deleted)))
}
