//! LeaveGroup (13), versions 0 to 5: members go.
//!
//! Source: `LeaveGroupRequest.json`, `LeaveGroupResponse.json`; KIP-345 (several members, static ones, v3),
//! KIP-800 (the reason, v5).
//!
//! Deviations: the reason is read and not passed on: it is for people.
//!
//! Up to version 2 there is one member, and its error is that of the whole answer.

use std::sync::Arc;

use ottla_broker_core::api::group::{self, GroupId, InstanceId, LeavingMember, LeftMember, MemberId};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::{Keyed, outcome};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum LeaveGroup {}

impl Api for LeaveGroup {
    const KEY: ApiKey = ApiKey::LeaveGroup;
    const SPEC: Spec = Spec::new(0, 5, 4);
    type Request = LeaveGroupRequest;
    type Response = LeaveGroupResponse;
}

/// The first version with a list of members.
const BATCHED_FROM: i16 = 3;

message! {
    /// Members go.
    pub struct LeaveGroupRequest {
        /// The group.
        group: GroupId, 0..;
        /// Who goes, up to version 2.
        member: Option<MemberId>, ..=2;
        /// Who goes, from version 3 on.
        members: Vec<LeaveGroupMember>, 3.., strict "several members leave at once, or a static one";
    }

    /// One that goes.
    pub struct LeaveGroupMember {
        /// Its name; `None` leaves it to the static one.
        member: Option<MemberId>, 3..;
        /// Its static name.
        instance: Option<InstanceId>, 3..;
        /// Why it goes, for people.
        reason: Option<Arc<str>>, 5..;
    }

    /// What became of them.
    pub struct LeaveGroupResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// What is wrong with the whole; up to version 2, with the one member.
        error: Option<ErrorCode>, 0..;
        /// One answer a member, from version 3 on.
        members: Vec<LeftGroupMember>, 3..;
    }

    /// What became of one.
    pub struct LeftGroupMember {
        /// Its name, as it was asked for.
        member: Option<MemberId>, 3..;
        /// Its static name, as it was asked for.
        instance: Option<InstanceId>, 3..;
        /// Why it is still there.
        error: Option<ErrorCode>, 3..;
    }
}

impl LeaveGroupRequest {
    /// The request of `version` for `request`. What goes beyond one member by its name needs version 3.
    #[must_use]
    pub fn from_api(version: i16, request: &group::LeaveGroup) -> Self {
        let group = request.group.clone();
        if version < BATCHED_FROM
            && let [LeavingMember { member: Some(member), .. }] = request.members.as_slice()
        {
            return Self { group, member: Some(member.clone()), ..Self::default() };
        }
        let members = request.members.iter().map(|one| LeaveGroupMember {
            member: one.member.clone(),
            instance: one.instance.clone(),
            reason: None,
        });
        Self { group, member: None, members: members.collect() }
    }

    /// What is asked in `version`.
    #[must_use]
    pub fn to_api(&self, version: i16) -> group::LeaveGroup {
        let members = if version < BATCHED_FROM {
            vec![LeavingMember { member: self.member.clone(), instance: None }]
        } else {
            let members = self.members.iter();
            members.map(|one| LeavingMember { member: one.member.clone(), instance: one.instance.clone() }).collect()
        };
        group::LeaveGroup { group: self.group.clone(), members }
    }
}

impl LeaveGroupResponse {
    /// The answer of `version`.
    #[must_use]
    pub fn from_api(version: i16, result: Result<Vec<LeftMember>, Error>) -> Self {
        let left = match result {
            Ok(left) => left,
            Err(error) => return Self { error: Some(error.code), ..Self::default() },
        };
        let mut members = left.into_iter().map(|one| LeftGroupMember {
            member: one.member.member,
            instance: one.member.instance,
            error: one.result.err().map(|error| error.code),
        });
        if version < BATCHED_FROM {
            Self { error: members.next().and_then(|one| one.error), ..Self::default() }
        } else {
            Self { members: members.collect(), ..Self::default() }
        }
    }

    /// The answer to `request`, one a member, in order.
    ///
    /// # Errors
    /// What is wrong with the whole.
    pub fn into_api(self, version: i16, request: &group::LeaveGroup) -> Result<Vec<LeftMember>, Error> {
        let whole = outcome(self.error, format_args!("group {}", request.group), None);
        if version < BATCHED_FROM {
            let left = |member: &LeavingMember| LeftMember { member: member.clone(), result: whole.clone() };
            return Ok(request.members.iter().map(left).collect());
        }
        whole?;
        let mut answers = Keyed::new(self.members.into_iter().map(|one| ((one.member, one.instance), one.error)));
        let left = |member: &LeavingMember| {
            let answer = answers.take(&(member.member.clone(), member.instance.clone()));
            let about = format_args!("group {}: member {:?}", request.group, member.member).to_string();
            LeftMember { member: member.clone(), result: answer.and_then(|error| outcome(error, about, None)) }
        };
        Ok(request.members.iter().map(left).collect())
    }
}
