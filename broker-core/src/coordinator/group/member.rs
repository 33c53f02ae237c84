//! One member of a group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::context::ReplyTo;
use crate::api::group::{GroupProtocol, InstanceId, JoinGroup};
use crate::env::Moment;
use crate::planted::is_planted;

/// How long the first join of a member may wait for the group before the member is taken for gone
/// (Kafka's `NEW_MEMBER_JOIN_TIMEOUT_MS`, KAFKA-7610): a client that gave up and came back under a new name
/// would otherwise leave one behind each time.
pub(super) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_mins(5);

/// What the coordinator knows of a member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) instance: Option<InstanceId>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<GroupProtocol>,
    pub(super) assignment: Bytes,
    /// Who waits for the answer to its join.
    pub(super) joining: Option<ReplyTo>,
    /// Who waits for the answer to its sync.
    pub(super) syncing: Option<ReplyTo>,
    /// Whether it has asked for its share of this generation.
    pub(super) synced: bool,
    /// Whether its first join has not been answered yet.
    pub(super) is_new: bool,
    /// When it is taken for dead, unless it waits for an answer of ours.
    pub(super) deadline: Moment,
}

impl Member {
    pub(super) fn new(request: &JoinGroup, now: Moment) -> Self {
        Self {
            instance: request.instance.clone(),
            client_id: Arc::clone(&request.client_id),
            client_host: Arc::clone(&request.client_host),
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            synced: false,
            is_new: true,
            deadline: now + NEW_MEMBER_JOIN_TIMEOUT,
        }
    }

    /// Takes over what a later join says.
    pub(super) fn update(&mut self, request: &JoinGroup) {
        self.protocols.clone_from(&request.protocols);
        self.session_timeout = request.session_timeout;
        self.rebalance_timeout = request.rebalance_timeout;
        self.client_id = Arc::clone(&request.client_id);
        self.client_host = Arc::clone(&request.client_host);
    }

    /// It lives: it has just been heard or answered.
    pub(super) fn touch(&mut self, now: Moment) {
        self.deadline = now + self.session_timeout;
    }

    /// When it is taken for dead. Never while an answer of ours is what it waits for, but for the first join.
    pub(super) fn expires(&self) -> Option<Moment> {
        let waits = self.joining.is_some() || self.syncing.is_some() || is_planted("session-never-expires");
        (self.is_new || !waits).then_some(self.deadline)
    }

    /// What it said under `protocol`.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|p| &*p.name == protocol).map(|p| p.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|p| &*p.name == protocol)
    }
}
