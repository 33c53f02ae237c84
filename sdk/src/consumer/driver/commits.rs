//! Commits: one at a time, in the order in which they were asked for.
//!
//! Two on their way could overtake each other, and an offset that was acknowledged as committed would go
//! back (invariant 8). They go in the name of the member's *present* generation: a cooperative member keeps
//! partitions over generations. That it still has them is checked whenever they are sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::group::{OffsetCommit, OffsetCommitPartition};
use ottla_broker_core::api::{self, ErrorCode};
use ottla_broker_core::env::Moment;
use ottla_broker_core::{LeaderEpoch, Offset, TopicPartition};

use super::partitions::Revocation;
use super::{Done, Driver, Event};
use crate::consumer::assigned::{Assigned, Due};
use crate::consumer::commit::Commit;
use crate::consumer::error::Error;
use crate::consumer::membership::Identity;
use crate::consumer::shared::Reply;

/// One partition of a commit.
pub(super) struct Entry {
    assigned: Arc<Assigned>,
    due: Due,
    /// What else is stored, if somebody named the offset.
    metadata: Arc<str>,
    /// It goes whatever is sought meanwhile.
    stays: bool,
}

impl Entry {
    /// What is acknowledged.
    pub(super) fn new(assigned: Arc<Assigned>, due: Due) -> Self {
        Self { assigned, due, metadata: Arc::from(""), stays: false }
    }
}

/// What follows a commit.
pub(super) enum Then {
    /// The next one by the clock.
    Clock,
    Reply(Reply),
    Released(Revocation),
}

/// Offsets to commit.
pub(super) struct Job {
    entries: Vec<Entry>,
    /// Until when it is tried again.
    until: Moment,
    then: Then,
    failures: u32,
    /// The first refusal.
    error: Option<Error>,
}

impl Job {
    pub(super) const fn new(entries: Vec<Entry>, until: Moment, then: Then) -> Self {
        Self { entries, until, then, failures: 0, error: None }
    }
}

/// A commit's answers.
pub(super) struct Answer {
    job: Job,
    identity: Identity,
    answers: Result<Vec<Result<(), api::Error>>, api::Error>,
}

/// What is to be committed, and when.
pub(super) struct Commits {
    queue: VecDeque<Job>,
    under_way: bool,
    every: Option<Duration>,
    clock: Moment,
}

impl Commits {
    pub(super) fn new(mode: Commit, now: Moment) -> Self {
        let every = match mode {
            Commit::OnAck { every } => Some(every.max(Duration::from_millis(1))),
            _ => None,
        };
        Self { queue: VecDeque::new(), under_way: false, every, clock: now + every.unwrap_or_default() }
    }

    pub(super) fn due(&self) -> Option<Moment> {
        self.every.map(|_| self.clock)
    }

    pub(super) fn push(&mut self, job: Job) {
        self.queue.push_back(job);
    }
}

impl Driver {
    /// Commits what is acknowledged if it is time.
    pub(super) fn commit_by_clock(&mut self, now: Moment) {
        let Some(every) = self.commits.every.filter(|_| now >= self.commits.clock) else { return };
        self.commits.clock = now + every;
        let mut entries = Vec::new();
        for assigned in self.shared.assigned().values().filter(|assigned| !assigned.is_stopped()) {
            if let Some(due) = assigned.on_clock() {
                entries.push(Entry::new(Arc::clone(assigned), due));
            }
        }
        if !entries.is_empty() {
            self.commits.push(Job::new(entries, now, Then::Clock));
        }
    }

    pub(super) fn commit_acked(&mut self, reply: Reply) {
        let mut entries = Vec::new();
        for assigned in self.shared.assigned().values() {
            match assigned.on_request() {
                Ok(Some(due)) => entries.push(Entry::new(Arc::clone(assigned), due)),
                Ok(None) => {}
                Err(source) => {
                    let _ = reply.send(Err(Error::NotKept { group: self.shared.group.clone(), source }));
                    return;
                }
            }
        }
        self.push_asked(entries, reply);
    }

    pub(super) fn commit_offsets(&mut self, offsets: Vec<(TopicPartition, Offset, String)>, reply: Reply) {
        let mut entries = Vec::with_capacity(offsets.len());
        for (partition, offset, metadata) in offsets {
            match self.shared.find(&partition) {
                Ok(assigned) => {
                    let due = assigned.named(offset);
                    entries.push(Entry { metadata: Arc::from(metadata), stays: true, ..Entry::new(assigned, due) });
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                    return;
                }
            }
        }
        self.push_asked(entries, reply);
    }

    pub(super) fn commit_ahead(&mut self, assigned: Arc<Assigned>, due: Due, reply: Reply) {
        // Its answer lets messages be handed over: that must not be said of what was not committed.
        self.push_asked(vec![Entry { stays: true, ..Entry::new(assigned, due) }], reply);
    }

    fn push_asked(&mut self, entries: Vec<Entry>, reply: Reply) {
        let until = self.context.env.now() + self.settings.request_timeout;
        self.commits.push(Job::new(entries, until, Then::Reply(reply)));
    }

    /// Sends the next commit unless one is on its way.
    pub(super) fn send_commits(&mut self, now: Moment) {
        while !self.commits.under_way {
            let Some(mut job) = self.commits.queue.pop_front() else { return };
            self.drop_gone(&mut job);
            if job.entries.is_empty() {
                self.done(job);
                continue;
            }
            self.commits.under_way = true;
            self.send(job, now);
        }
    }

    /// What was lost, or given up since, is nobody's to commit here; and what was acknowledged before a seek counts no
    /// more: the group would go back to it, were there a crash before the next commit.
    fn drop_gone(&self, job: &mut Job) {
        let released = matches!(job.then, Then::Released(_));
        let gone = |entry: &Entry| {
            entry.assigned.is_lost()
                || !released
                    && !self.shared.find(&entry.assigned.partition).is_ok_and(|now| Arc::ptr_eq(&now, &entry.assigned))
        };
        if let Some(entry) = job.entries.iter().find(|entry| gone(entry)) {
            job.error.get_or_insert_with(|| self.shared.not_assigned(&entry.assigned.partition));
        }
        let taken_back = |entry: &Entry| !entry.stays && !released && entry.assigned.is_before_a_seek(entry.due);
        job.entries.retain(|entry| !gone(entry) && !taken_back(entry));
    }

    fn send(&self, job: Job, now: Moment) {
        let identity = self.identity();
        let partitions = job.entries.iter().map(|entry| OffsetCommitPartition {
            partition: TopicPartition::clone(&entry.assigned.partition),
            offset: entry.due.position.offset,
            leader_epoch: Some(entry.due.position.leader_epoch).filter(|epoch| *epoch != LeaderEpoch::NONE),
            metadata: Arc::clone(&entry.metadata),
        });
        let request = OffsetCommit {
            group: self.shared.group.clone(),
            generation: identity.generation,
            member: identity.member.clone(),
            instance: self.settings.group_instance_id.as_deref().filter(|_| identity.member.is_some()).map(Into::into),
            partitions: partitions.collect(),
        };
        let left = job.until.since(now).max(self.settings.retry_backoff);
        let limit = if matches!(job.then, Then::Clock) { self.settings.request_timeout } else { left };
        let limit = limit.min(self.settings.request_timeout);
        let coordinator = Arc::clone(&self.coordinator);
        self.operations.push(Box::pin(async move {
            let answers = coordinator.commit(request, limit).await;
            Done::Committed(Box::new(Answer { job, identity, answers }))
        }));
    }

    pub(super) fn committed(&mut self, Answer { mut job, identity, answers }: Answer) {
        let now = self.context.env.now();
        let present = self.identity();
        let entries = std::mem::take(&mut job.entries);
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); entries.len()],
        };
        let mut refused = None;
        for (entry, answer) in entries.into_iter().zip(answers) {
            let (offset, partition) = (entry.due.position.offset, &entry.assigned.partition);
            let Err(source) = answer else {
                entry.assigned.confirmed(entry.due);
                continue;
            };
            tracing::debug!(group = %self.shared.group, %partition, %offset, error = %source, "a commit was refused");
            refused = Some(source.code);
            entry.assigned.failed(entry.due);
            // Between join and sync no commit is taken, and after it the generation is another.
            let moved_on = source.code == ErrorCode::IllegalGeneration && present.generation != identity.generation;
            let passes = source.is_retriable() || source.code == ErrorCode::RebalanceInProgress || moved_on;
            if passes && now < job.until {
                job.entries.push(entry);
            } else {
                job.error.get_or_insert(Error::Commit {
                    group: self.shared.group.clone(),
                    member: identity.member.clone(),
                    generation: identity.generation,
                    partition: TopicPartition::clone(partition),
                    offset,
                    source,
                });
            }
        }
        match refused {
            None => self.metrics.committed(),
            Some(code) => {
                self.metrics.refused();
                self.events.push_back(Event::CommitRefused { generation: identity.generation, code });
            }
        }
        if job.entries.is_empty() {
            self.commits.under_way = false;
            self.done(job);
        } else {
            let coordinator = Arc::clone(&self.coordinator);
            self.operations.push(Box::pin(async move {
                coordinator.pause(job.failures).await;
                job.failures += 1;
                Done::CommitAgain(Box::new(job))
            }));
        }
    }

    /// Sends what was refused for the moment, before all that was asked for later.
    pub(super) fn commit_again(&mut self, job: Job) {
        self.commits.under_way = false;
        self.commits.queue.push_front(job);
    }

    fn done(&mut self, job: Job) {
        match job.then {
            Then::Clock => {
                if let Some(error) = job.error {
                    tracing::warn!(group = %self.shared.group, %error, "a commit failed; the next one covers it");
                }
            }
            Then::Reply(reply) => {
                let _ = reply.send(job.error.map_or(Ok(()), Err));
            }
            Then::Released(revocation) => {
                if let Some(error) = job.error {
                    tracing::warn!(group = %self.shared.group, %error, "what was acknowledged last comes again");
                }
                self.released(revocation);
            }
        }
    }
}
