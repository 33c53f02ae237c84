//! What the member has the driver ask of the coordinator.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    CONSUMER, Generation, GroupMember, Heartbeat, InstanceId, JoinGroup, JoinRefused, LeaveGroup, LeavingMember,
    MemberId, Subscription, SyncGroup,
};
use ottla_broker_core::api::{self, ErrorCode};

use super::{Done, Driver, FAREWELL, topics};
use crate::consumer::assignor::{Division, divide, protocols};
use crate::consumer::coordinator::Coordinator;
use crate::consumer::membership::{Event, RequestNumber};

/// What the network may take beside the group's own waiting.
const SLACK: Duration = Duration::from_secs(5);

impl Driver {
    fn instance(&self) -> Option<InstanceId> {
        self.settings.group_instance_id.as_deref().map(InstanceId::from)
    }

    fn later(&self, event: impl Future<Output = Event> + Send + 'static) {
        self.operations.push(Box::pin(async move { Done::Event(event.await) }));
    }

    /// How long a rebalance may take.
    fn patience(&self) -> Duration {
        self.settings.max_poll_interval.saturating_add(SLACK)
    }

    pub(super) fn find_coordinator(&self, request: RequestNumber) {
        let coordinator = Arc::clone(&self.coordinator);
        self.later(async move { Event::Found(request, coordinator.find().await.map(drop)) });
    }

    pub(super) fn join(&mut self, request: RequestNumber, member: Option<MemberId>, subscription: &Subscription) {
        let protocols = match protocols(&self.assignors, subscription) {
            Ok(protocols) => protocols,
            Err(error) => {
                let error =
                    api::Error::new(ErrorCode::InvalidRequest, format!("the subscription is too long: {error}"));
                self.events.push_back(Event::Joined(request, Err(JoinRefused { error, member: None })));
                return;
            }
        };
        let join = JoinGroup {
            group: self.shared.group.clone(),
            member,
            instance: self.instance(),
            client_id: Arc::clone(&self.context.client_id),
            client_host: Arc::from(""),
            session_timeout: self.settings.session_timeout,
            rebalance_timeout: self.settings.max_poll_interval,
            protocol_type: Arc::from(CONSUMER),
            protocols,
            requires_known_member: true,
            can_skip_assignment: true,
        };
        tracing::debug!(group = %join.group, member = ?join.member, "joins");
        let (coordinator, patience) = (Arc::clone(&self.coordinator), self.patience());
        self.later(async move {
            let asked = async {
                let broker = coordinator.broker().await?;
                Ok(coordinator.context.cluster.join_group(broker, join).await)
            };
            let answer = match coordinator.bounded(patience, asked).await {
                Ok(answer) => answer,
                Err(error) => Err(JoinRefused { error, member: None }),
            };
            if let Err(refused) = &answer {
                coordinator.heard(&refused.error);
            }
            Event::Joined(request, answer)
        });
    }

    pub(super) fn divide(&self, request: RequestNumber, protocol: Arc<str>, members: Vec<GroupMember>) {
        let (context, assignors) = (self.context.clone(), Arc::clone(&self.assignors));
        let coordinator = Arc::clone(&self.coordinator);
        self.later(async move {
            let division = async {
                let Some(assignor) = assignors.iter().find(|assignor| assignor.name() == &*protocol) else {
                    let text = format!("the group chose assignor `{protocol}`, which this consumer does not have");
                    return Err(api::Error::new(ErrorCode::InconsistentGroupProtocol, text));
                };
                let wanted = members.iter().filter_map(|member| Subscription::decode(&member.metadata).ok());
                let wanted: std::collections::BTreeSet<_> = wanted.flat_map(|said| said.topics).collect();
                let counts = topics::count(&context, wanted.into_iter().collect()).await?;
                divided(&**assignor, &members, &counts)
            };
            let limit = coordinator.request_timeout;
            Event::Divided(request, coordinator.bounded(limit, division).await)
        });
    }

    pub(super) fn sync(
        &self,
        request: RequestNumber,
        member: MemberId,
        generation: Generation,
        protocol: Arc<str>,
        assignments: Vec<(MemberId, Bytes)>,
    ) {
        let sync = SyncGroup {
            group: self.shared.group.clone(),
            generation,
            member,
            instance: self.instance(),
            protocol_type: Some(Arc::from(CONSUMER)),
            protocol: Some(protocol),
            assignments,
        };
        let (coordinator, patience) = (Arc::clone(&self.coordinator), self.patience());
        self.later(async move {
            let asked = async {
                let broker = coordinator.broker().await?;
                coordinator.context.cluster.sync_group(broker, sync).await
            };
            Event::Synced(request, coordinator.bounded(patience, asked).await)
        });
    }

    pub(super) fn heartbeat(&self, request: RequestNumber, member: MemberId, generation: Generation) {
        let heartbeat = Heartbeat { group: self.shared.group.clone(), generation, member, instance: self.instance() };
        let coordinator = Arc::clone(&self.coordinator);
        // Longer than a session an answer says nothing any more.
        let limit = self.settings.session_timeout.min(self.settings.request_timeout);
        self.later(async move {
            let asked = async {
                let broker = coordinator.broker().await?;
                coordinator.context.cluster.heartbeat(broker, heartbeat).await
            };
            Event::Heartbeat(request, coordinator.bounded(limit, asked).await)
        });
    }

    pub(super) fn leave(&mut self, member: MemberId) {
        self.farewells += 1;
        let (coordinator, instance) = (Arc::clone(&self.coordinator), self.settings.group_instance_id.clone());
        self.operations.push(Box::pin(async move {
            leave(&coordinator, member, instance.as_deref(), FAREWELL).await;
            Done::Left
        }));
    }
}

fn divided(
    assignor: &dyn crate::consumer::Assignor,
    members: &[GroupMember],
    counts: &topics::Counts,
) -> Result<Division, api::Error> {
    let refused = |error: crate::consumer::DivideError| {
        api::Error::new(ErrorCode::InconsistentGroupProtocol, format!("the group cannot be divided: {error}"))
    };
    divide(assignor, members, counts).map_err(refused)
}

/// Says farewell, once.
pub(super) async fn leave(coordinator: &Coordinator, member: MemberId, instance: Option<&str>, limit: Duration) {
    let member = LeavingMember { member: Some(member), instance: instance.map(InstanceId::from) };
    let request = LeaveGroup { group: coordinator.group.clone(), members: vec![member] };
    let asked = async {
        let broker = coordinator.broker().await?;
        coordinator.context.cluster.leave_group(broker, request).await
    };
    if let Err(error) = coordinator.bounded(limit, asked).await {
        tracing::warn!(group = %coordinator.group, %error, "the group was not told of the farewell; it waits for the session to end");
    }
}
