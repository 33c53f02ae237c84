//! DeleteGroups (42), versions 0 to 2: deletes groups, with how far they have come.
//!
//! Source: `DeleteGroupsRequest.json`, `DeleteGroupsResponse.json`; KIP-229.
//!
//! Deviations: none.

use ottla_broker_core::api::group::GroupId;
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::{InOrder, Keyed, outcome};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum DeleteGroups {}

impl Api for DeleteGroups {
    const KEY: ApiKey = ApiKey::DeleteGroups;
    const SPEC: Spec = Spec::new(0, 2, 2);
    type Request = DeleteGroupsRequest;
    type Response = DeleteGroupsResponse;
}

message! {
    /// Deletes groups.
    pub struct DeleteGroupsRequest {
        /// Which.
        groups: Vec<GroupId>, 0..;
    }

    /// What became of them.
    pub struct DeleteGroupsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// One answer a group.
        results: Vec<DeletedGroup>, 0..;
    }

    /// What became of one.
    pub struct DeletedGroup {
        /// Which.
        group: GroupId, 0..;
        /// Why it is still there.
        error: Option<ErrorCode>, 0..;
    }
}

impl DeleteGroupsRequest {
    /// The request for `groups`.
    #[must_use]
    pub fn from_api(groups: &[GroupId]) -> Self {
        Self { groups: groups.to_vec() }
    }
}

impl DeleteGroupsResponse {
    /// The answer to `request`; `results` are in the order of its groups.
    #[must_use]
    pub fn from_api(request: &DeleteGroupsRequest, results: impl IntoIterator<Item = Result<(), Error>>) -> Self {
        let mut results = InOrder::new(results);
        let results = request
            .groups
            .iter()
            .map(|group| DeletedGroup { group: group.clone(), error: results.next().err().map(|error| error.code) });
        Self { results: results.collect(), ..Self::default() }
    }

    /// The answers about the groups of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &DeleteGroupsRequest) -> Vec<Result<(), Error>> {
        let mut answers = Keyed::new(self.results.into_iter().map(|one| (one.group, one.error)));
        let answer = |group: &GroupId| outcome(answers.take(group)?, format_args!("group {group}"), None);
        request.groups.iter().map(answer).collect()
    }
}
