//! Partitions come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::api::group::Generation;
use ottla_broker_core::api::{MetadataRequest, PartitionMetadata, TopicsWanted};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{Offset, TopicId, TopicName, TopicPartition};

use super::commits::{Entry, Job, Then};
use super::{Done, Driver, Event};
use crate::consumer::assigned::Assigned;
use crate::consumer::coordinator::Coordinator;
use crate::consumer::error::Error;
use crate::consumer::listener::Committer;
use crate::consumer::membership::RequestNumber;
use crate::consumer::settings::IfNoOffset;
use crate::consumer::shared::Change;
use crate::context::Context;
use crate::reader::At;

/// Partitions whose beginnings are known, and those whose topics the brokers do not know yet.
pub(super) struct Prepared {
    ready: Vec<Ready>,
    rest: Vec<Arc<Assigned>>,
}

struct Ready {
    assigned: Arc<Assigned>,
    topic: TopicId,
    metadata: PartitionMetadata,
    start: Result<At, Error>,
}

/// Partitions that are to be given up.
pub(super) struct Revocation {
    pub(super) request: Option<RequestNumber>,
    pub(super) assigned: Vec<Arc<Assigned>>,
}

impl Driver {
    /// These are this consumer's: looks up where to begin, tells the listener, and only then hands them out.
    pub(super) fn assign(&mut self, generation: Generation, partitions: Vec<TopicPartition>) {
        let mut added = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let lag = self.metrics.lag(&partition);
            let assigned = Arc::new(Assigned::new(partition.clone(), generation, self.settings.commit, lag));
            if self.closing.is_some() {
                assigned.stop();
            }
            added.push(Arc::clone(&assigned));
            self.shared.assigned().insert(partition, assigned);
        }
        tracing::info!(
            group = %self.shared.group, %generation, partitions = %listed(&added), "partitions are assigned"
        );
        self.prepare(added, 0);
    }

    fn prepare(&self, added: Vec<Arc<Assigned>>, failures: u32) {
        let (context, coordinator) = (self.context.clone(), Arc::clone(&self.coordinator));
        let (if_no_offset, kept) = (self.settings.if_no_offset, self.keeps_offsets());
        self.operations.push(Box::pin(async move {
            if failures > 0 {
                coordinator.pause(failures).await;
            }
            Done::Prepared(prepare(&context, &coordinator, added, if_no_offset, kept).await)
        }));
    }

    pub(super) fn prepared(&mut self, mut prepared: Prepared) {
        let rest = std::mem::take(&mut prepared.rest);
        if !rest.is_empty() {
            self.prepare(rest, 3);
        }
        prepared.ready.retain(|ready| !ready.assigned.is_stopped());
        if prepared.ready.is_empty() {
            return;
        }
        let (listener, handle) = (Arc::clone(&self.listener), self.handle());
        let partitions: Vec<_> =
            prepared.ready.iter().map(|ready| TopicPartition::clone(&ready.assigned.partition)).collect();
        self.operations.push(Box::pin(async move {
            listener.assigned(&partitions, &handle).await;
            Done::Announced(prepared)
        }));
    }

    pub(super) fn hand_out(&mut self, prepared: Prepared) {
        for Ready { assigned, topic, metadata, start } in prepared.ready {
            if assigned.is_stopped() {
                continue;
            }
            self.shared.change(Change::Install { assigned, topic, metadata, start });
        }
    }

    /// Stops handing over, lets the listener run; [`release`](Self::release) follows.
    pub(super) fn revoke(&mut self, request: Option<RequestNumber>, mut partitions: Vec<TopicPartition>) {
        if is_planted("eager-revokes-all-in-cooperative") {
            partitions = self.shared.assigned().keys().cloned().collect();
        }
        let assigned: Vec<_> = {
            let table = self.shared.assigned();
            partitions.iter().filter_map(|partition| table.get(partition).cloned()).collect()
        };
        tracing::info!(group = %self.shared.group, partitions = %listed(&assigned), "partitions are revoked");
        for assigned in &assigned {
            assigned.stop();
            self.shared.change(Change::Remove(Arc::clone(assigned)));
        }
        let (listener, committer) = (Arc::clone(&self.listener), Committer(self.handle()));
        let revocation = Revocation { request, assigned };
        self.operations.push(Box::pin(async move {
            if !partitions.is_empty() {
                listener.revoked(&partitions, &committer).await;
            }
            Done::Heard(revocation)
        }));
    }

    /// The listener is done: closes the partitions and commits what is acknowledged.
    pub(super) fn release(&mut self, revocation: Revocation) {
        let mut entries = Vec::new();
        for assigned in revocation.assigned.iter().filter(|assigned| !assigned.is_lost()) {
            if let Some(due) = assigned.release().filter(|_| !is_planted("revoke-skips-commit")) {
                entries.push(Entry::new(Arc::clone(assigned), due));
            }
        }
        let until = self.context.env.now() + self.settings.revoke_timeout;
        self.commits.push(Job::new(entries, until, Then::Released(revocation)));
    }

    /// What was to be committed first is committed, or never will be.
    pub(super) fn released(&mut self, revocation: Revocation) {
        for assigned in &revocation.assigned {
            if assigned.is_lost() {
                continue;
            }
            self.shared.assigned().remove(&*assigned.partition);
            if self.closing.is_some() {
                self.left.partitions.push(assigned.left());
            }
        }
        match revocation.request {
            Some(request) => self.events.push_back(Event::Revoked(request)),
            None => self.over = true,
        }
    }

    /// These are somebody else's already.
    pub(super) fn lose(&mut self, partitions: Vec<TopicPartition>) {
        tracing::warn!(group = %self.shared.group, count = partitions.len(), "partitions are lost");
        self.metrics.lost(partitions.len());
        for partition in &partitions {
            let Some(assigned) = self.shared.assigned().remove(partition) else { continue };
            assigned.lose();
            self.shared.change(Change::Remove(assigned));
        }
        let listener = Arc::clone(&self.listener);
        self.operations.push(Box::pin(async move {
            listener.lost(&partitions).await;
            Done::Nothing
        }));
    }
}

fn listed(assigned: &[Arc<Assigned>]) -> String {
    const MOST: usize = 20;
    let mut names: Vec<_> = assigned.iter().take(MOST).map(|assigned| assigned.partition.to_string()).collect();
    if assigned.len() > MOST {
        names.push(format!("and {} more", assigned.len() - MOST));
    }
    names.join(", ")
}

/// Looks up topics and committed offsets; retriable errors are waited out, as nothing else can be done.
async fn prepare(
    context: &Context,
    coordinator: &Coordinator,
    mut added: Vec<Arc<Assigned>>,
    if_no_offset: IfNoOffset,
    kept: bool,
) -> Prepared {
    let topics = topics(context, coordinator, &mut added).await;
    let (known, rest): (Vec<_>, Vec<_>) = added.into_iter().partition(|assigned| {
        let index = usize::try_from(assigned.partition.partition).unwrap_or(usize::MAX);
        topics.get(&assigned.partition.topic).is_some_and(|(_, partitions)| index < partitions.len())
    });
    let names: Vec<_> = known.iter().map(|assigned| TopicPartition::clone(&assigned.partition)).collect();
    let committed = if kept && !names.is_empty() {
        let answers = coordinator.committed(names, None).await;
        answers.map(|answers| answers.into_iter().map(|answer| answer.committed).collect::<Vec<_>>())
    } else {
        Ok(Vec::new())
    };
    let mut ready = Vec::with_capacity(known.len());
    for (index, assigned) in known.into_iter().enumerate() {
        let Some((topic, partitions)) = topics.get(&assigned.partition.topic) else { continue };
        let number = usize::try_from(assigned.partition.partition).unwrap_or(usize::MAX);
        let Some(metadata) = partitions.get(number).cloned() else { continue };
        let (group, partition) = (coordinator.group.clone(), TopicPartition::clone(&assigned.partition));
        let found = match &committed {
            Ok(answers) => answers.get(index).cloned().unwrap_or(Ok(None)),
            Err(error) => Err(error.clone()),
        };
        let start = match (found, if_no_offset) {
            (Ok(Some(committed)), _) if committed.offset >= Offset::ZERO => {
                assigned.committed_is(committed.offset);
                Ok(At::Offset(committed.offset))
            }
            (Ok(_), IfNoOffset::Start(at)) => Ok(at),
            (Ok(_), IfNoOffset::Fail) => Err(Error::NoOffset { group, partition }),
            (Err(source), _) => Err(Error::Committed { group, partition, source }),
        };
        ready.push(Ready { assigned, topic: *topic, metadata, start });
    }
    Prepared { ready, rest }
}

type Topics = BTreeMap<TopicName, (TopicId, Arc<[PartitionMetadata]>)>;

async fn topics(context: &Context, coordinator: &Coordinator, added: &mut Vec<Arc<Assigned>>) -> Topics {
    let mut failures = 0;
    loop {
        added.retain(|assigned| !assigned.is_stopped());
        let mut names: Vec<_> = added.iter().map(|assigned| assigned.partition.topic.clone()).collect();
        names.dedup();
        if names.is_empty() {
            return Topics::new();
        }
        let request = MetadataRequest { topics: TopicsWanted::Names(names), allow_auto_create: false };
        match coordinator.bounded(coordinator.request_timeout, context.cluster.metadata(request)).await {
            Ok(metadata) => {
                let known = metadata.topics.into_iter().flatten();
                return known.map(|topic| (topic.name.clone(), (topic.id, Arc::clone(&topic.partitions)))).collect();
            }
            Err(error) => {
                tracing::warn!(group = %coordinator.group, %error, "no metadata of assigned topics; will ask again");
                coordinator.pause(failures).await;
                failures += 1;
            }
        }
    }
}
