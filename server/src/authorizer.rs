//! Who may do what.

use std::fmt;
use std::sync::Arc;

use ottla_broker_core::TopicName;
use ottla_broker_core::api::group::GroupId;

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// A user by name.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self(Arc::from(format!("User:{name}")))
    }

    /// A client that did not say who it is (Kafka's `User:ANONYMOUS`).
    #[must_use]
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// As Kafka writes it: `User:alice`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be done, in Kafka's terms (`AclOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Records or offsets are read; a group is joined.
    Read,
    /// Records are written.
    Write,
    /// Topics are created.
    Create,
    /// Topics, records, groups or offsets are deleted.
    Delete,
    /// Partitions are added; credentials are changed.
    Alter,
    /// Metadata are read.
    Describe,
    /// Configs are read.
    DescribeConfigs,
    /// Configs are changed.
    AlterConfigs,
    /// A producer wants an identity.
    IdempotentWrite,
}

/// To what it is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource<'a> {
    /// The cluster as a whole.
    Cluster,
    /// One topic.
    Topic(&'a TopicName),
    /// One group.
    Group(&'a GroupId),
}

/// Decides who may do what. It is asked once for each resource of each request, in the request's own task:
/// implementations MUST NOT block.
pub trait Authorizer: fmt::Debug + Send + Sync + 'static {
    /// Whether `principal` may do `operation` to `resource`.
    fn allows(&self, principal: &Principal, operation: Operation, resource: Resource<'_>) -> bool;
}

/// Lets everybody do everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _principal: &Principal, _operation: Operation, _resource: Resource<'_>) -> bool {
        true
    }
}
