//! ListGroups (16), versions 0 to 5: the groups of a coordinator.
//!
//! Source: `ListGroupsRequest.json`, `ListGroupsResponse.json`; KIP-518 (states, v4), KIP-848 (types, v5).
//!
//! Deviations: none. All groups here are of the type `classic`. A state or type that there is not finds nothing.

use std::sync::Arc;

use ottla_broker_core::api::group::{self, GroupId, GroupState};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::outcome;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum ListGroups {}

impl Api for ListGroups {
    const KEY: ApiKey = ApiKey::ListGroups;
    const SPEC: Spec = Spec::new(0, 5, 3);
    type Request = ListGroupsRequest;
    type Response = ListGroupsResponse;
}

/// The type of groups whose members divide the work.
const CLASSIC: &str = "classic";

message! {
    /// Asks for groups.
    pub struct ListGroupsRequest {
        /// Only those in one of these states; empty for all.
        states: Vec<Arc<str>>, 4.., strict "groups are asked for by their state";
        /// Only those of one of these types; empty for all.
        types: Vec<Arc<str>>, 5.., strict "groups are asked for by their type";
    }

    /// Groups.
    pub struct ListGroupsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// Why there are none.
        error: Option<ErrorCode>, 0..;
        /// The groups.
        groups: Vec<ListedGroup>, 0..;
    }

    /// A group.
    pub struct ListedGroup {
        /// Its name.
        group: GroupId, 0..;
        /// What kind of group it is.
        protocol_type: Arc<str>, 0..;
        /// Where it stands, by Kafka's name; empty up to version 3.
        state: Arc<str>, 4..;
        /// Its type; empty up to version 4.
        group_type: Arc<str>, 5..;
    }
}

impl ListGroupsRequest {
    /// The request for `request`.
    #[must_use]
    pub fn from_api(request: &group::ListGroups) -> Self {
        Self { states: request.states.iter().map(|state| Arc::from(state.name())).collect(), types: Vec::new() }
    }

    /// What is asked; `None` if no group can be it.
    #[must_use]
    pub fn to_api(&self) -> Option<group::ListGroups> {
        let states: Vec<GroupState> = self.states.iter().filter_map(|state| state.parse().ok()).collect();
        let no_state = states.is_empty() && !self.states.is_empty();
        let no_type = !self.types.is_empty() && !self.types.iter().any(|one| one.eq_ignore_ascii_case(CLASSIC));
        (!no_state && !no_type).then_some(group::ListGroups { states })
    }
}

impl ListGroupsResponse {
    /// The answer.
    #[must_use]
    pub fn from_api(result: Result<Vec<group::ListedGroup>, Error>) -> Self {
        match result {
            Ok(groups) => {
                let groups = groups.into_iter().map(|one| ListedGroup {
                    group: one.group,
                    protocol_type: one.protocol_type,
                    state: Arc::from(one.state.name()),
                    group_type: Arc::from(CLASSIC),
                });
                Self { groups: groups.collect(), ..Self::default() }
            }
            Err(error) => Self { error: Some(error.code), ..Self::default() },
        }
    }

    /// The groups, by name.
    ///
    /// # Errors
    /// The broker's.
    pub fn into_groups(self) -> Result<Vec<ListedGroup>, Error> {
        outcome(self.error, "the groups", None)?;
        let mut groups = self.groups;
        groups.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        Ok(groups)
    }
}

impl ListedGroup {
    /// Where it stands; `None` where the version or the type of the group does not tell: then DescribeGroups does.
    #[must_use]
    pub fn state(&self) -> Option<GroupState> {
        self.state.parse().ok()
    }

    /// The group, once it is known where it stands.
    #[must_use]
    pub fn into_api(self, state: GroupState) -> group::ListedGroup {
        group::ListedGroup { group: self.group, protocol_type: self.protocol_type, state }
    }
}
