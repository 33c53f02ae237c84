//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_broker_core::api::{AlterConfig, ConfigResource};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::interleave::Interleaved;
use super::{Asked, closed};
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn describe(
    shared: &Shared,
    asked: &Asked,
    mut request: DescribeConfigsRequest,
) -> Result<DescribeConfigsResponse, Error> {
    let mut seen = BTreeSet::new();
    request.resources.retain(|one| seen.insert((one.kind, Arc::clone(&one.name))));
    let resources = request.resources.iter().map(|one| {
        let resource = one.to_api(shared.broker.id())?;
        may(shared, asked, Operation::DescribeConfigs, &resource)?;
        Ok(resource)
    });
    let (resources, refused) = Interleaved::split(resources);
    match shared.broker.describe_configs(resources).await.map_err(closed) {
        Ok(described) => Ok(DescribeConfigsResponse::from_api(&request, refused.join(described))),
        Err(error) => Ok(DescribeConfigsResponse::from_api(&request, refused.all_refused(&error?))),
    }
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn alter(
    shared: &Shared,
    asked: &Asked,
    request: &AlterConfigsRequest,
) -> Result<AlterConfigsResponse, Error> {
    let mut changes = Vec::with_capacity(request.resources.len());
    for one in &request.resources {
        let change = async {
            let resource = one.to_api(shared.broker.id())?;
            may(shared, asked, Operation::AlterConfigs, &resource)?;
            let in_force = shared
                .broker
                .describe_configs(vec![resource.clone()])
                .await?
                .pop()
                .ok_or(ErrorCode::UnknownServerError)??;
            let changes = one.changes(&resource, &in_force)?;
            Ok((resource, changes))
        };
        changes.push(change.await);
    }
    let (changes, refused) = Interleaved::split(changes);
    match make(shared, changes, request.validate_only).await {
        Ok(altered) => Ok(AlterConfigsResponse::from_api(request, refused.join(altered))),
        Err(error) => Ok(AlterConfigsResponse::from_api(request, refused.all_refused(&error?))),
    }
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn alter_some(
    shared: &Shared,
    asked: &Asked,
    request: &IncrementalAlterConfigsRequest,
) -> Result<IncrementalAlterConfigsResponse, Error> {
    let changes = request.resources.iter().map(|one| {
        let (resource, changes) = one.to_api(shared.broker.id())?;
        may(shared, asked, Operation::AlterConfigs, &resource)?;
        Ok((resource, changes))
    });
    let (changes, refused) = Interleaved::split(changes);
    match make(shared, changes, request.validate_only).await {
        Ok(altered) => Ok(IncrementalAlterConfigsResponse::from_api(request, refused.join(altered))),
        Err(error) => Ok(IncrementalAlterConfigsResponse::from_api(request, refused.all_refused(&error?))),
    }
}

/// The outer error is one that can be said, or that of a closed broker.
async fn make(
    shared: &Shared,
    changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
    validate_only: bool,
) -> Result<Vec<Result<(), Error>>, Result<Error, Error>> {
    shared.broker.alter_configs(changes, validate_only).await.map_err(closed)
}

fn may(shared: &Shared, asked: &Asked, operation: Operation, resource: &ConfigResource) -> Result<(), Error> {
    match resource {
        ConfigResource::Topic(name) => asked.may(shared, operation, Resource::Topic(name)),
        ConfigResource::Broker => asked.may(shared, operation, Resource::Cluster),
    }
}
