//! Who asks, and what they may refer to.

use std::net::SocketAddr;
use std::sync::Arc;

use ottla_broker_core::TopicName;
use ottla_broker_core::api::group::GroupId;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_wire::TopicRef;

use crate::authorizer::{Operation, Principal, Resource};
use crate::shared::Shared;

/// Who asks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) version: i16,
    pub(crate) client_id: Option<Arc<str>>,
    pub(crate) peer: SocketAddr,
    pub(crate) principal: Principal,
}

impl Asked {
    /// # Errors
    /// `TOPIC_AUTHORIZATION_FAILED`, `GROUP_AUTHORIZATION_FAILED`, `CLUSTER_AUTHORIZATION_FAILED`.
    pub(super) fn may(&self, shared: &Shared, operation: Operation, resource: Resource<'_>) -> Result<(), Error> {
        if shared.authorizer.allows(&self.principal, operation, resource) {
            return Ok(());
        }
        let (code, what) = match resource {
            Resource::Cluster => (ErrorCode::ClusterAuthorizationFailed, "the cluster".to_owned()),
            Resource::Topic(name) => (ErrorCode::TopicAuthorizationFailed, format!("topic `{name}`")),
            Resource::Group(group) => (ErrorCode::GroupAuthorizationFailed, format!("group `{group}`")),
        };
        Err(Error::new(code, format!("{} has no right to {operation:?} {what}", self.principal)))
    }

    /// The group, if it may be.
    ///
    /// # Errors
    /// As [`may`](Self::may).
    pub(super) fn group(&self, shared: &Shared, operation: Operation, group: &GroupId) -> Result<(), Error> {
        self.may(shared, operation, Resource::Group(group))
    }

    /// The topic that is meant, if it may be.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for a name that none may have, `UNKNOWN_TOPIC_ID`; as [`may`](Self::may).
    pub(super) fn topic(&self, shared: &Shared, operation: Operation, topic: &TopicRef) -> Result<TopicName, Error> {
        let name = match topic {
            TopicRef::Name(name) => valid_name(name)?,
            TopicRef::Id(id) => shared.broker.topic_of(*id)?,
        };
        self.may(shared, operation, Resource::Topic(&name))?;
        Ok(name)
    }

    /// [`topic`](Self::topic), by name.
    ///
    /// # Errors
    /// Those of [`topic`](Self::topic).
    pub(super) fn named_topic(&self, shared: &Shared, operation: Operation, name: &str) -> Result<TopicName, Error> {
        let name = valid_name(name)?;
        self.may(shared, operation, Resource::Topic(&name))?;
        Ok(name)
    }
}

/// # Errors
/// `INVALID_TOPIC_EXCEPTION`, which says what is wrong.
pub(super) fn valid_name(name: &str) -> Result<TopicName, Error> {
    TopicName::new(name).map_err(|invalid| Error::new(ErrorCode::InvalidTopic, invalid.to_string()))
}
