//! DescribeGroups (15), versions 0 to 6: groups as they stand.
//!
//! Source: `DescribeGroupsRequest.json`, `DescribeGroupsResponse.json`; KIP-430 (authorised operations, v3),
//! KIP-345 (static members, v4), KIP-1043 (`GROUP_ID_NOT_FOUND`, v6).
//!
//! Deviations: authorised operations are not told (the field says "not asked for"). A group that is not there is
//! dead up to version 5, and `GROUP_ID_NOT_FOUND` in version 6, as in Kafka.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{self, Generation, GroupId, GroupState, InstanceId, MemberId};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::{InOrder, Keyed, outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum DescribeGroups {}

impl Api for DescribeGroups {
    const KEY: ApiKey = ApiKey::DescribeGroups;
    const SPEC: Spec = Spec::new(0, 6, 5);
    type Request = DescribeGroupsRequest;
    type Response = DescribeGroupsResponse;
}

/// "Not asked for", in a set of authorised operations.
const NOT_ASKED: i32 = i32::MIN;

message! {
    /// Asks for groups.
    pub struct DescribeGroupsRequest {
        /// Which.
        groups: Vec<GroupId>, 0..;
        /// Whether to tell what the client may do with each.
        include_authorized_operations: bool, 3..;
    }

    /// Groups as they stand.
    pub struct DescribeGroupsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// One answer a group.
        groups: Vec<DescribedGroup>, 0..;
    }

    /// A group as it stands.
    pub struct DescribedGroup {
        /// Why it is not told.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 6..;
        /// Its name.
        group: GroupId, 0..;
        /// Where it stands, by Kafka's name.
        state: Arc<str>, 0..;
        /// What kind of group it is.
        protocol_type: Arc<str>, 0..;
        /// The chosen protocol.
        protocol: Arc<str>, 0..;
        /// Its members.
        members: Vec<DescribedGroupMember>, 0..;
        /// What the client may do with it, a set of bits.
        authorized_operations: i32, 3.., default NOT_ASKED;
    }

    /// A member as it stands.
    pub struct DescribedGroupMember {
        /// Its name.
        member: MemberId, 0..;
        /// Its static name.
        instance: Option<InstanceId>, 4..;
        /// The client's own name of itself.
        client_id: Arc<str>, 0..;
        /// Where it calls from.
        client_host: Arc<str>, 0..;
        /// What it said under the chosen protocol.
        metadata: Bytes, 0..;
        /// Its share.
        assignment: Bytes, 0..;
    }
}

impl DescribeGroupsRequest {
    /// The request for `groups`.
    #[must_use]
    pub fn from_api(groups: &[GroupId]) -> Self {
        Self { groups: groups.to_vec(), ..Self::default() }
    }
}

impl DescribeGroupsResponse {
    /// The answer of `version` to `request`; `results` are in the order of its groups.
    #[must_use]
    pub fn from_api(
        version: i16,
        request: &DescribeGroupsRequest,
        results: impl IntoIterator<Item = Result<group::DescribedGroup, Error>>,
    ) -> Self {
        let mut results = InOrder::new(results);
        let groups = request.groups.iter().map(|group| DescribedGroup::from_api(version, group, results.next()));
        Self { groups: groups.collect(), ..Self::default() }
    }

    /// The answers about the groups of `request`, in its order.
    #[must_use]
    pub fn into_api(self, request: &DescribeGroupsRequest) -> Vec<Result<group::DescribedGroup, Error>> {
        let mut answers = Keyed::new(self.groups.into_iter().map(|one| (one.group.clone(), one)));
        request.groups.iter().map(|group| answers.take(group)?.into_api()).collect()
    }
}

impl DescribedGroup {
    fn from_api(version: i16, group: &GroupId, result: Result<group::DescribedGroup, Error>) -> Self {
        let dead = Self { group: group.clone(), state: Arc::from(GroupState::Dead.name()), ..Self::default() };
        match result {
            Ok(described) if described.state == GroupState::Dead && version >= 6 => {
                let error = Error::new(ErrorCode::GroupIdNotFound, format!("group {group} is not there"));
                Self { error: Some(error.code), error_message: words(&error), ..dead }
            }
            Ok(described) => Self {
                state: Arc::from(described.state.name()),
                protocol_type: described.protocol_type,
                protocol: described.protocol,
                members: described.members.into_iter().map(DescribedGroupMember::from_api).collect(),
                ..dead
            },
            Err(error) => Self { error: Some(error.code), error_message: words(&error), state: Arc::default(), ..dead },
        }
    }

    /// A group that is not there is dead in every version. Its generation is not told over the wire.
    fn into_api(self) -> Result<group::DescribedGroup, Error> {
        let state = if self.error == Some(ErrorCode::GroupIdNotFound) {
            GroupState::Dead
        } else {
            outcome(self.error, format_args!("group {}", self.group), self.error_message.as_deref())?;
            self.state
                .parse()
                .map_err(|error| Error::new(ErrorCode::UnknownServerError, format!("group {}: {error}", self.group)))?
        };
        Ok(group::DescribedGroup {
            group: self.group,
            state,
            generation: Generation::NONE,
            protocol_type: self.protocol_type,
            protocol: self.protocol,
            members: self.members.into_iter().map(DescribedGroupMember::into_api).collect(),
        })
    }
}

impl DescribedGroupMember {
    fn from_api(member: group::DescribedMember) -> Self {
        Self {
            member: member.member,
            instance: member.instance,
            client_id: member.client_id,
            client_host: member.client_host,
            metadata: member.metadata,
            assignment: member.assignment,
        }
    }

    fn into_api(self) -> group::DescribedMember {
        group::DescribedMember {
            member: self.member,
            instance: self.instance,
            client_id: self.client_id,
            client_host: self.client_host,
            metadata: self.metadata,
            assignment: self.assignment,
        }
    }
}
