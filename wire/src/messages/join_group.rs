//! JoinGroup (11), versions 0 to 9: to become, or to stay, a member of a group.
//!
//! Source: `JoinGroupRequest.json`, `JoinGroupResponse.json`; KIP-62 (the rebalance's time limit, v1),
//! KIP-394 (a name to join again with, v4), KIP-345 (static members, v5), KIP-559 (protocol names, v7),
//! KIP-800 (the reason, v8), KIP-814 (a leader that has nothing to divide, v9).
//!
//! Deviations: the reason is read and not passed on: it is for people.
//!
//! Version 0 has no time limit of the rebalance: the session's is taken. A first join is answered with
//! `MEMBER_ID_REQUIRED` from version 4 on, and never for a static member.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::group::{self, Generation, GroupId, InstanceId, JoinRefused, JoinedGroup, MemberId};
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::planted::is_planted;

use crate::answers::told;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{apart, message};

/// The API.
#[derive(Debug)]
pub enum JoinGroup {}

impl Api for JoinGroup {
    const KEY: ApiKey = ApiKey::JoinGroup;
    const SPEC: Spec = Spec::new(0, 9, 6);
    type Request = JoinGroupRequest;
    type Response = JoinGroupResponse;
}

message! {
    /// Asks to become, or to stay, a member.
    pub struct JoinGroupRequest {
        /// The group.
        group: GroupId, 0..;
        /// Without a heartbeat for so long, the member is taken for dead.
        session_timeout: Duration, 0..;
        /// How long the group waits for this member in a rebalance.
        rebalance_timeout: Duration, 1..;
        /// The name that the coordinator gave; `None` at first.
        member: Option<MemberId>, 0..;
        /// The name of a static member.
        instance: Option<InstanceId>, 5.., strict "the member is a static one";
        /// What kind of group.
        protocol_type: Arc<str>, 0..;
        /// The assignors that it can take part in, the favourite first.
        protocols: Vec<JoinGroupProtocol>, 0..;
        /// Why it joins, for people.
        reason: Option<Arc<str>>, 8..;
    }

    /// An assignor that a member can take part in.
    pub struct JoinGroupProtocol {
        /// Its name.
        name: Arc<str>, 0..;
        /// What the member says to the leader.
        metadata: Bytes, 0..;
    }

    /// The group has a new generation.
    pub struct JoinGroupResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 2..;
        /// Why the member may not join.
        error: Option<ErrorCode>, 0..;
        /// The generation.
        generation: Generation, 0.., default Generation::NONE;
        /// What kind of group it is.
        protocol_type: Option<Arc<str>>, 7..;
        /// The chosen protocol.
        protocol: Option<Arc<str>>, 0.., default Some(Arc::default()), form 7..;
        /// Who divides the work.
        leader: MemberId, 0..;
        /// Whether the leader has nothing to divide.
        skip_assignment: bool, 9.., strict "the leader has nothing to divide";
        /// The asking member's own name.
        member: Option<MemberId>, 0..;
        /// All members; for the leader only.
        members: Vec<JoinGroupMember>, 0..;
    }

    /// A member, as the leader sees it.
    pub struct JoinGroupMember {
        /// Its name.
        member: MemberId, 0..;
        /// Its static name.
        instance: Option<InstanceId>, 5..;
        /// What it said under the chosen protocol.
        metadata: Bytes, 0..;
    }
}

impl JoinGroupRequest {
    /// The request for `request`.
    #[must_use]
    pub fn from_api(request: &group::JoinGroup) -> Self {
        let protocols = request.protocols.iter().map(|protocol| JoinGroupProtocol {
            name: Arc::clone(&protocol.name),
            metadata: protocol.metadata.clone(),
        });
        Self {
            group: request.group.clone(),
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            member: request.member.clone(),
            instance: request.instance.clone(),
            protocol_type: Arc::clone(&request.protocol_type),
            protocols: protocols.collect(),
            reason: None,
        }
    }

    /// What is asked in `version`, by a client that calls itself `client_id` and calls from `client_host`.
    #[must_use]
    pub fn to_api(&self, version: i16, client_id: Arc<str>, client_host: Arc<str>) -> group::JoinGroup {
        let protocols = self.protocols.iter().map(|protocol| group::GroupProtocol {
            name: Arc::clone(&protocol.name),
            metadata: apart(&protocol.metadata),
        });
        let rebalance_timeout = if version == 0 && !is_planted("join-v0-has-no-rebalance-time") {
            self.session_timeout
        } else {
            self.rebalance_timeout
        };
        let knows = version >= 4 || is_planted("member-id-required-of-old-clients");
        group::JoinGroup {
            group: self.group.clone(),
            member: self.member.clone(),
            instance: self.instance.clone(),
            client_id,
            client_host,
            session_timeout: self.session_timeout,
            rebalance_timeout,
            protocol_type: Arc::clone(&self.protocol_type),
            protocols: protocols.collect(),
            requires_known_member: knows && self.instance.is_none(),
            can_skip_assignment: version >= 9,
        }
    }
}

impl JoinGroupResponse {
    /// The answer to `request`.
    #[must_use]
    pub fn from_api(request: &JoinGroupRequest, result: Result<JoinedGroup, JoinRefused>) -> Self {
        match result {
            Ok(joined) => Self {
                generation: joined.generation,
                protocol_type: Some(joined.protocol_type),
                protocol: Some(joined.protocol),
                leader: joined.leader,
                skip_assignment: joined.skip_assignment,
                member: Some(joined.member),
                members: joined.members.into_iter().map(JoinGroupMember::from_api).collect(),
                ..Self::default()
            },
            Err(refused) => Self {
                error: Some(refused.error.code),
                member: refused.member.or_else(|| request.member.clone()),
                ..Self::default()
            },
        }
    }

    /// The answer to `request`. What an old version does not tell is as it was asked.
    ///
    /// # Errors
    /// Why the member may not join; with `MEMBER_ID_REQUIRED`, the name to join again with.
    pub fn into_api(self, request: &JoinGroupRequest) -> Result<JoinedGroup, JoinRefused> {
        if let Some(code) = self.error {
            let member = self.member.filter(|_| code == ErrorCode::MemberIdRequired);
            return Err(JoinRefused { error: told(code, format_args!("group {}", request.group), None), member });
        }
        Ok(JoinedGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.unwrap_or_else(|| Arc::clone(&request.protocol_type)),
            protocol: self.protocol.unwrap_or_default(),
            leader: self.leader,
            member: self.member.unwrap_or_default(),
            skip_assignment: self.skip_assignment,
            members: self.members.into_iter().map(JoinGroupMember::into_api).collect(),
        })
    }
}

impl JoinGroupMember {
    fn from_api(member: group::GroupMember) -> Self {
        Self { member: member.member, instance: member.instance, metadata: member.metadata }
    }

    fn into_api(self) -> group::GroupMember {
        group::GroupMember { member: self.member, instance: self.instance, metadata: self.metadata }
    }
}
