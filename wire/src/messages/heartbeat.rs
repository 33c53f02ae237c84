//! Heartbeat (12), versions 0 to 4: a member lives.
//!
//! Source: `HeartbeatRequest.json`, `HeartbeatResponse.json`; KIP-345 (static members, v3).
//!
//! Deviations: none.

use ottla_broker_core::api::group::{self, Generation, GroupId, InstanceId, MemberId};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::outcome;
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum Heartbeat {}

impl Api for Heartbeat {
    const KEY: ApiKey = ApiKey::Heartbeat;
    const SPEC: Spec = Spec::new(0, 4, 4);
    type Request = HeartbeatRequest;
    type Response = HeartbeatResponse;
}

message! {
    /// Says that a member lives.
    pub struct HeartbeatRequest {
        /// The group.
        group: GroupId, 0..;
        /// The generation it works in.
        generation: Generation, 0.., default Generation::NONE;
        /// Who.
        member: MemberId, 0..;
        /// Its static name.
        instance: Option<InstanceId>, 3.., strict "the member is a static one";
    }

    /// Whether all is well.
    pub struct HeartbeatResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 1..;
        /// What the member must do.
        error: Option<ErrorCode>, 0..;
    }
}

impl HeartbeatRequest {
    /// The request for `request`.
    #[must_use]
    pub fn from_api(request: &group::Heartbeat) -> Self {
        Self {
            group: request.group.clone(),
            generation: request.generation,
            member: request.member.clone(),
            instance: request.instance.clone(),
        }
    }

    /// What is said.
    #[must_use]
    pub fn to_api(&self) -> group::Heartbeat {
        group::Heartbeat {
            group: self.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.instance.clone(),
        }
    }
}

impl HeartbeatResponse {
    /// The answer.
    #[must_use]
    pub fn from_api(result: Result<(), Error>) -> Self {
        Self { error: result.err().map(|error| error.code), ..Self::default() }
    }

    /// The answer to `request`.
    ///
    /// # Errors
    /// The broker's.
    pub fn into_api(self, request: &HeartbeatRequest) -> Result<(), Error> {
        outcome(self.error, format_args!("group {}", request.group), None)
    }
}
