//! DescribeProducers, DescribeLogDirs, ElectLeaders.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_broker_core::TopicPartition;
use ottla_broker_core::broker::Elected;
use ottla_broker_core::error::Error;
use ottla_wire::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    ElectLeadersRequest, ElectLeadersResponse,
};

use super::interleave::Interleaved;
use super::{Asked, closed};
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// # Errors
/// What cannot be said in an answer.
pub(super) fn producers(
    shared: &Shared,
    asked: &Asked,
    mut request: DescribeProducersRequest,
) -> Result<DescribeProducersResponse, Error> {
    let mut seen = BTreeSet::new();
    for topic in &mut request.topics {
        topic.partitions.retain(|partition| seen.insert((Arc::clone(&topic.name), *partition)));
    }
    let part = |(name, partition): (&Arc<str>, i32)| {
        asked.named_topic(shared, Operation::Read, name).map(|topic| TopicPartition::new(topic, partition))
    };
    let (partitions, refused) = Interleaved::split(request.partitions().map(part));
    let described = shared.broker.describe_producers(&partitions)?;
    Ok(DescribeProducersResponse::from_api(&request, refused.join(described)))
}

/// # Errors
/// What cannot be said in an answer.
pub(super) fn log_dirs(
    shared: &Shared,
    asked: &Asked,
    request: &DescribeLogDirsRequest,
) -> Result<DescribeLogDirsResponse, Error> {
    let allowed = asked.may(shared, Operation::Describe, Resource::Cluster);
    let described = match allowed {
        Ok(()) => Ok(shared.broker.describe_log_dirs()?),
        Err(error) => Err(error),
    };
    Ok(DescribeLogDirsResponse::from_api(request, described))
}

/// # Errors
/// What cannot be said in an answer.
pub(super) fn elect(
    shared: &Shared,
    asked: &Asked,
    request: &ElectLeadersRequest,
) -> Result<ElectLeadersResponse, Error> {
    let allowed = asked.may(shared, Operation::Alter, Resource::Cluster).and_then(|()| request.election());
    let election = match allowed {
        Ok(election) => election,
        Err(error) => return Ok(ElectLeadersResponse::refused(asked.version, request, &error)),
    };
    let answers = |results: Vec<Elected>| {
        results.into_iter().map(|(name, result)| (Arc::from(name.topic.as_str()), name.partition, result))
    };
    let Some(named) = request.partitions() else {
        return match shared.broker.elect_leaders(election, None).map_err(closed) {
            Ok(elected) => Ok(ElectLeadersResponse::from_api(answers(elected))),
            Err(error) => Ok(ElectLeadersResponse::refused(asked.version, request, &error?)),
        };
    };
    let named: Vec<_> = named.collect();
    let valid = named
        .iter()
        .map(|(name, partition)| super::asked::valid_name(name).map(|topic| TopicPartition::new(topic, *partition)));
    let (partitions, refused) = Interleaved::split(valid);
    match shared.broker.elect_leaders(election, Some(partitions)).map_err(closed) {
        Ok(elected) => {
            let results = refused.join(elected.into_iter().map(|(_, result)| result));
            let told =
                named.iter().zip(results).map(|((name, partition), result)| (Arc::clone(name), *partition, result));
            Ok(ElectLeadersResponse::from_api(told.collect::<Vec<_>>()))
        }
        Err(error) => Ok(ElectLeadersResponse::refused(asked.version, request, &error?)),
    }
}
