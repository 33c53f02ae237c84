//! Membership and administration of groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{Either, select};
use ottla_broker_core::api::group::{GroupId, JoinRefused};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_wire::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::Asked;
use super::interleave::Interleaved;
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// A closed broker coordinates nothing: clients look for who does.
pub(super) fn moved(error: Error) -> Error {
    match error.code {
        ErrorCode::BrokerNotAvailable => Error::new(ErrorCode::CoordinatorNotAvailable, error.message),
        _ => error,
    }
}

/// Waits for the group, or until the server stops: then the member looks for its coordinator again.
async fn unless_draining<T, E: From<Error>>(
    shared: &Shared,
    waiting: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let waiting = std::pin::pin!(waiting);
    let draining = std::pin::pin!(shared.draining());
    match select(waiting, draining).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), _)) => {
            let message = "the server is shutting down: find the coordinator again";
            Err(Error::new(ErrorCode::NotCoordinator, message).into())
        }
    }
}

pub(super) async fn join(shared: &Shared, asked: &Asked, request: &JoinGroupRequest) -> JoinGroupResponse {
    let answer = async {
        asked.group(shared, Operation::Read, &request.group)?;
        let client_id = asked.client_id.clone().unwrap_or_default();
        // As Kafka writes it.
        let client_host = Arc::from(format!("/{}", asked.peer.ip()));
        let joining = shared.broker.join_group(request.to_api(asked.version, client_id, client_host));
        unless_draining(shared, joining).await
    };
    let result: Result<_, JoinRefused> = answer.await;
    let result = result.map_err(|refused| JoinRefused { error: moved(refused.error), ..refused });
    JoinGroupResponse::from_api(request, result)
}

pub(super) async fn sync(shared: &Shared, asked: &Asked, request: &SyncGroupRequest) -> SyncGroupResponse {
    let answer = async {
        asked.group(shared, Operation::Read, &request.group)?;
        let request = request.to_api(asked.version)?;
        unless_draining(shared, shared.broker.sync_group(request)).await
    };
    SyncGroupResponse::from_api(answer.await.map_err(moved))
}

pub(super) async fn heartbeat(shared: &Shared, asked: &Asked, request: &HeartbeatRequest) -> HeartbeatResponse {
    let answer = async {
        asked.group(shared, Operation::Read, &request.group)?;
        shared.broker.heartbeat(request.to_api()).await
    };
    HeartbeatResponse::from_api(answer.await.map_err(moved))
}

pub(super) async fn leave(shared: &Shared, asked: &Asked, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let answer = async {
        asked.group(shared, Operation::Read, &request.group)?;
        shared.broker.leave_group(request.to_api(asked.version)).await
    };
    LeaveGroupResponse::from_api(asked.version, answer.await.map_err(moved))
}

pub(super) async fn describe(
    shared: &Shared,
    asked: &Asked,
    mut request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut seen = BTreeSet::new();
    request.groups.retain(|group| seen.insert(group.clone()));
    let (groups, refused) = allowed(shared, asked, Operation::Describe, &request.groups);
    match shared.broker.describe_groups(groups).await.map_err(moved) {
        Ok(described) => DescribeGroupsResponse::from_api(asked.version, &request, refused.join(described)),
        Err(error) => DescribeGroupsResponse::from_api(asked.version, &request, refused.all_refused(&error)),
    }
}

pub(super) async fn list(shared: &Shared, asked: &Asked, request: &ListGroupsRequest) -> ListGroupsResponse {
    let Some(wanted) = request.to_api() else { return ListGroupsResponse::from_api(Ok(Vec::new())) };
    let listed = shared.broker.list_groups(wanted).await.map_err(moved);
    let visible = listed.map(|mut groups| {
        groups.retain(|one| asked.may(shared, Operation::Describe, Resource::Group(&one.group)).is_ok());
        groups
    });
    ListGroupsResponse::from_api(visible)
}

pub(super) async fn delete(shared: &Shared, asked: &Asked, request: &DeleteGroupsRequest) -> DeleteGroupsResponse {
    let (groups, refused) = allowed(shared, asked, Operation::Delete, &request.groups);
    match shared.broker.delete_groups(groups).await.map_err(moved) {
        Ok(deleted) => DeleteGroupsResponse::from_api(request, refused.join(deleted)),
        Err(error) => DeleteGroupsResponse::from_api(request, refused.all_refused(&error)),
    }
}

fn allowed(shared: &Shared, asked: &Asked, operation: Operation, groups: &[GroupId]) -> (Vec<GroupId>, Interleaved) {
    Interleaved::split(groups.iter().map(|group| {
        asked.group(shared, operation, group)?;
        Ok(group.clone())
    }))
}
