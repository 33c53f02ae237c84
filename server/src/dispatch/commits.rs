//! OffsetCommit, OffsetFetch, OffsetDelete.

use std::sync::Arc;

use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::group::{OffsetDelete, OffsetFetch, OffsetsWanted};
use ottla_broker_core::error::Error;
use ottla_wire::TopicRef;
use ottla_wire::messages::{
    GroupOffsetsWanted, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchedGroup,
};

use super::Asked;
use super::groups::moved;
use super::interleave::Interleaved;
use crate::authorizer::Operation;
use crate::shared::Shared;

pub(super) async fn commit(shared: &Shared, asked: &Asked, request: &OffsetCommitRequest) -> OffsetCommitResponse {
    if let Err(error) = asked.group(shared, Operation::Read, &request.group) {
        return OffsetCommitResponse::refused(request, error.code);
    }
    let part = |(topic, part): (&TopicRef, &OffsetCommitPartition)| {
        asked.topic(shared, Operation::Read, topic).map(|topic| part.to_api(topic))
    };
    let (partitions, refused) = Interleaved::split(request.partitions().map(part));
    match shared.broker.offset_commit(request.to_api(partitions)).await.map_err(moved) {
        Ok(stored) => OffsetCommitResponse::from_api(request, refused.join(stored)),
        Err(error) => OffsetCommitResponse::from_api(request, refused.all_refused(&error)),
    }
}

pub(super) async fn fetch(shared: &Shared, asked: &Asked, mut request: OffsetFetchRequest) -> OffsetFetchResponse {
    request.leave_repetitions_out();
    let mut groups = Vec::new();
    for wanted in request.wanted(asked.version) {
        let answer = fetch_of(shared, asked, &request, wanted).await.map_err(moved);
        groups.push(answer.unwrap_or_else(|error| OffsetFetchedGroup::refused(wanted.group.clone(), error.code)));
    }
    OffsetFetchResponse::from_api(asked.version, &request, groups)
}

async fn fetch_of(
    shared: &Shared,
    asked: &Asked,
    request: &OffsetFetchRequest,
    wanted: GroupOffsetsWanted<'_>,
) -> Result<OffsetFetchedGroup, Error> {
    asked.group(shared, Operation::Describe, wanted.group)?;
    let ask = |of| {
        let (group, require_stable) = (wanted.group.clone(), request.require_stable);
        shared.broker.offset_fetch(OffsetFetch { group, wanted: of, require_stable })
    };
    let Some(partitions) = wanted.partitions() else {
        let found = ask(OffsetsWanted::All).await?;
        let mut told = Vec::with_capacity(found.len());
        for one in found {
            // A topic that is told by its id and is gone has none.
            if let Ok(topic) = referred(shared, asked, &one.partition) {
                told.push((topic, one.partition.partition, one.committed));
            }
        }
        return Ok(OffsetFetchedGroup::from_api(wanted.group.clone(), told));
    };
    let partitions: Vec<_> = partitions.collect();
    let named = partitions.iter().map(|(topic, partition)| {
        asked.topic(shared, Operation::Describe, topic).map(|topic| TopicPartition::new(topic, *partition))
    });
    let (of, refused) = Interleaved::split(named);
    let found = ask(OffsetsWanted::Partitions(of)).await?;
    let answers = refused.join(found.into_iter().map(|one| one.committed));
    let told =
        partitions.iter().zip(answers).map(|((topic, partition), answer)| ((*topic).clone(), *partition, answer));
    Ok(OffsetFetchedGroup::from_api(wanted.group.clone(), told))
}

/// A topic as the version of the request says it.
fn referred(shared: &Shared, asked: &Asked, partition: &TopicPartition) -> Result<TopicRef, Error> {
    let topic = TopicRef::from(&partition.topic);
    asked.topic(shared, Operation::Describe, &topic)?;
    if asked.version < ottla_wire::messages::OffsetFetch::IDS_FROM {
        Ok(topic)
    } else {
        shared.broker.id_of(&partition.topic).map(TopicRef::Id)
    }
}

pub(super) async fn delete(shared: &Shared, asked: &Asked, request: &OffsetDeleteRequest) -> OffsetDeleteResponse {
    let answer = async {
        asked.group(shared, Operation::Delete, &request.group)?;
        let part = |(name, partition): (&Arc<str>, i32)| {
            asked.named_topic(shared, Operation::Read, name).map(|topic| TopicPartition::new(topic, partition))
        };
        let (partitions, refused) = Interleaved::split(request.partitions().map(part));
        let deleted = shared.broker.offset_delete(OffsetDelete { group: request.group.clone(), partitions }).await?;
        Ok(refused.join(deleted))
    };
    OffsetDeleteResponse::from_api(request, answer.await.map_err(moved))
}
