//! SyncGroup (14), versions 0 to 5: brings the leader's assignment, and takes a member's share.
//!
//! Source: `SyncGroupRequest.json`, `SyncGroupResponse.json`; KIP-345 (static members, v3), KIP-559
//! (protocol names, v5).
//!
//! Deviations: none. Kafka refuses a request of version 5 without the protocol's type or name
//! (`INCONSISTENT_GROUP_PROTOCOL`), and so do we.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{self, Generation, GroupId, InstanceId, MemberId, SyncedGroup};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::outcome;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{apart, message};

/// The API.
#[derive(Debug)]
pub enum SyncGroup {}

impl Api for SyncGroup {
    const KEY: ApiKey = ApiKey::SyncGroup;
    const SPEC: Spec = Spec::new(0, 5, 4);
    type Request = SyncGroupRequest;
    type Response = SyncGroupResponse;
}

message! {
    /// Brings the leader's assignment, and asks for the member's own share.
    pub struct SyncGroupRequest {
        /// The group.
        group: GroupId, 0..;
        /// Of the join.
        generation: Generation, 0.., default Generation::NONE;
        /// Who asks.
        member: MemberId, 0..;
        /// Its static name.
        instance: Option<InstanceId>, 3.., strict "the member is a static one";
        /// The kind of group that the member believes in.
        protocol_type: Option<Arc<str>>, 5..;
        /// The protocol that it believes was chosen.
        protocol: Option<Arc<str>>, 5..;
        /// Who gets what, from the leader.
        assignments: Vec<SyncGroupAssignment>, 0..;
    }

    /// What one member gets.
    pub struct SyncGroupAssignment {
        /// Who.
        member: MemberId, 0..;
        /// Its share.
        assignment: Bytes, 0..;
    }

    /// The member's share.
    pub struct SyncGroupResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// Why there is none.
        error: Option<ErrorCode>, 0..;
        /// What kind of group it is.
        protocol_type: Option<Arc<str>>, 5..;
        /// The chosen protocol.
        protocol: Option<Arc<str>>, 5..;
        /// The share.
        assignment: Bytes, 0..;
    }
}

impl SyncGroupRequest {
    /// The request for `request`.
    #[must_use]
    pub fn from_api(request: &group::SyncGroup) -> Self {
        let assignments = request
            .assignments
            .iter()
            .map(|(member, assignment)| SyncGroupAssignment { member: member.clone(), assignment: assignment.clone() });
        Self {
            group: request.group.clone(),
            generation: request.generation,
            member: request.member.clone(),
            instance: request.instance.clone(),
            protocol_type: request.protocol_type.clone(),
            protocol: request.protocol.clone(),
            assignments: assignments.collect(),
        }
    }

    /// What is asked in `version`.
    ///
    /// # Errors
    /// `INCONSISTENT_GROUP_PROTOCOL` if version 5 does not name the protocol.
    pub fn to_api(&self, version: i16) -> Result<group::SyncGroup, Error> {
        if version >= 5 && (self.protocol_type.is_none() || self.protocol.is_none()) {
            let message = format!("group {}: member {} does not name its protocol", self.group, self.member);
            return Err(Error::new(ErrorCode::InconsistentGroupProtocol, message));
        }
        let assignments = self.assignments.iter().map(|one| (one.member.clone(), apart(&one.assignment)));
        Ok(group::SyncGroup {
            group: self.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.instance.clone(),
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignments: assignments.collect(),
        })
    }
}

impl SyncGroupResponse {
    /// The answer.
    #[must_use]
    pub fn from_api(result: Result<SyncedGroup, Error>) -> Self {
        match result {
            Ok(synced) => Self {
                protocol_type: Some(synced.protocol_type),
                protocol: Some(synced.protocol),
                assignment: synced.assignment,
                ..Self::default()
            },
            Err(error) => Self { error: Some(error.code), ..Self::default() },
        }
    }

    /// The answer to `request`. What an old version does not tell is as it was asked.
    ///
    /// # Errors
    /// The broker's.
    pub fn into_api(self, request: &SyncGroupRequest) -> Result<SyncedGroup, Error> {
        outcome(self.error, format_args!("group {}", request.group), None)?;
        Ok(SyncedGroup {
            protocol_type: self.protocol_type.or_else(|| request.protocol_type.clone()).unwrap_or_default(),
            protocol: self.protocol.or_else(|| request.protocol.clone()).unwrap_or_default(),
            assignment: self.assignment,
        })
    }
}
