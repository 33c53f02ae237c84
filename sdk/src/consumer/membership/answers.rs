//! What the answers of brokers do to a member.

use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::group::{Assignment, Generation, JoinRefused, JoinedGroup, MemberId, SyncedGroup};
use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;

use super::machine::{Coordinator, Member, Phase, Then};
use super::messages::{Command, RequestNumber, Trouble};
use crate::consumer::assignor::divide::flat;
use crate::consumer::assignor::{Division, unfinished};

/// What an error means for the membership.
enum Meaning {
    /// The group rebalances: join.
    Rebalance,
    /// The name is unknown: all is lost, join under a new one.
    UnknownMember,
    /// The generation is not the group's: all is lost, join under the old name.
    OldGeneration,
    /// Ask the same broker again after a pause.
    Pause,
    /// The coordinator is elsewhere, or cannot be reached.
    Elsewhere,
    /// It cannot be a member.
    Fatal,
}

fn meaning(code: ErrorCode) -> Meaning {
    match code {
        ErrorCode::RebalanceInProgress => Meaning::Rebalance,
        ErrorCode::UnknownMemberId => Meaning::UnknownMember,
        ErrorCode::IllegalGeneration => Meaning::OldGeneration,
        ErrorCode::CoordinatorLoadInProgress => Meaning::Pause,
        ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator
        | ErrorCode::NetworkException
        | ErrorCode::RequestTimedOut => Meaning::Elsewhere,
        other if other.is_retriable() => Meaning::Pause,
        _ => Meaning::Fatal,
    }
}

impl Member {
    pub(super) fn found(&mut self, now: Moment, request: RequestNumber, result: Result<(), Error>) {
        if self.coordinator != Coordinator::Finding(request) {
            return;
        }
        match result {
            Ok(()) => self.coordinator = Coordinator::Known,
            Err(error) => {
                self.coordinator = Coordinator::Unknown;
                match meaning(error.code) {
                    Meaning::Fatal => self.fail(error),
                    _ => self.timing.back_off(now, &self.config),
                }
            }
        }
    }

    pub(super) fn joined(&mut self, now: Moment, request: RequestNumber, result: Result<JoinedGroup, JoinRefused>) {
        if self.phase != Phase::Joining(request) {
            return;
        }
        match result {
            Ok(joined) => self.in_generation(now, joined),
            Err(JoinRefused { error, member }) if error.code == ErrorCode::MemberIdRequired && member.is_some() => {
                self.member = member;
                self.phase = Phase::Unjoined;
            }
            Err(JoinRefused { error, .. }) => self.refused(now, error),
        }
    }

    fn in_generation(&mut self, now: Moment, joined: JoinedGroup) {
        self.leads = joined.leader == joined.member;
        self.divided = None;
        self.generation = joined.generation;
        self.member = Some(joined.member.clone());
        // A join is answered when the rebalance completes; from here the coordinator counts anew.
        self.timing.contact = now;
        self.timing.rebalancing_since = Some(now);
        self.timing.heartbeat_at = now + self.config.heartbeat_interval;
        let request = self.request();
        if self.leads && !joined.skip_assignment {
            self.phase = Phase::Dividing(request, joined.protocol.clone());
            self.out.push(Command::Divide { request, protocol: joined.protocol, members: joined.members });
        } else {
            self.sync(request, joined.member, joined.protocol, Vec::new());
        }
    }

    pub(super) fn divided(&mut self, now: Moment, request: RequestNumber, result: Result<Division, Error>) {
        let (Phase::Dividing(asked, protocol), Some(member)) = (&self.phase, &self.member) else { return };
        if *asked != request {
            return;
        }
        match result {
            Ok(division) => {
                let (member, protocol) = (member.clone(), protocol.clone());
                self.divided = Some(division.topics);
                let request = self.request();
                self.sync(request, member, protocol, division.encoded);
            }
            Err(error) if error.is_retriable() => {
                self.timing.back_off(now, &self.config);
                self.phase = Phase::Unjoined;
            }
            Err(error) => self.fail(error),
        }
    }

    fn sync(
        &mut self,
        request: RequestNumber,
        member: MemberId,
        protocol: std::sync::Arc<str>,
        assignments: Vec<(MemberId, bytes::Bytes)>,
    ) {
        self.phase = Phase::Syncing(request);
        self.heartbeat = None;
        self.out.push(Command::Sync { request, member, generation: self.generation, protocol, assignments });
    }

    pub(super) fn synced(&mut self, now: Moment, request: RequestNumber, result: Result<SyncedGroup, Error>) {
        if self.phase != Phase::Syncing(request) {
            return;
        }
        let assignment = match result {
            Ok(synced) => Assignment::decode(&synced.assignment).map_err(|source| {
                Error::new(
                    ErrorCode::InconsistentGroupProtocol,
                    format!("the leader's assignment cannot be read: {source}"),
                )
            }),
            Err(error) => Err(error),
        };
        let assignment = match assignment {
            Ok(assignment) => assignment,
            Err(error) => {
                if matches!(meaning(error.code), Meaning::Rebalance) {
                    // The coordinator kept the member until now, however long the leader was awaited.
                    (self.timing.contact, self.timing.rebalancing_since) = (now, Some(now));
                }
                return self.refused(now, error);
            }
        };
        self.timing.settled(now, &self.config);
        let (data, unfinished) = unfinished::read(assignment.user_data);
        let share = flat(&assignment.partitions);
        // What is not wanted (any more) is not taken, and a rejoin says so: the subscription changed while the
        // join was out, or a static member came back with another one and was given its old share.
        self.rejoin |= share.iter().any(|partition| !self.topics.contains(&partition.topic));
        // Others wait for what this member, or the one before it under its static name, had to give up.
        self.rejoin |= unfinished && !is_planted("unfinished-share-settles");
        let added: Vec<TopicPartition> = share
            .iter()
            .filter(|partition| !self.owned.contains(*partition) && self.topics.contains(&partition.topic))
            .cloned()
            .collect();
        let share: rustc_hash::FxHashSet<_> = share.iter().collect();
        let moved: Vec<TopicPartition> = self.owned.iter().filter(|had| !share.contains(had)).cloned().collect();
        if moved.is_empty() {
            self.adopt(now, added, data);
        } else {
            self.revoke(now, moved, Then::Adopt { added, data });
        }
    }

    pub(super) fn heartbeat_answered(&mut self, now: Moment, request: RequestNumber, result: Result<(), Error>) {
        let Some((_, sent)) = self.heartbeat.filter(|(asked, _)| *asked == request) else { return };
        self.heartbeat = None;
        let Err(error) = result else {
            self.timing.contact = self.timing.contact.max(sent);
            if !matches!(self.phase, Phase::Dividing(..)) {
                self.timing.calm = self.timing.calm.max(sent);
                self.timing.rebalancing_since = None;
            }
            return;
        };
        match meaning(error.code) {
            Meaning::Rebalance => {
                self.timing.contact = self.timing.contact.max(sent);
                self.timing.rebalancing_since.get_or_insert(self.timing.calm);
                self.rejoin = true;
                // A division for a generation that is over is of no use.
                if matches!(self.phase, Phase::Dividing(..)) {
                    self.phase = Phase::Unjoined;
                }
            }
            Meaning::Pause => self.timing.heartbeat_at = now + self.config.retry_backoff,
            _ => self.refused(now, error),
        }
    }

    pub(super) fn commit_refused(&mut self, now: Moment, generation: Generation, code: ErrorCode) {
        if generation != self.generation || !generation.is_some() {
            return;
        }
        // While a join is out the group may have gone on to a generation that this member has not heard of yet:
        // the join's answer tells whether it is still a member.
        let joining = matches!(self.phase, Phase::Joining(_)) && !is_planted("late-commit-fences");
        match (meaning(code), code) {
            (Meaning::Rebalance, _) => self.rejoin = true,
            (Meaning::UnknownMember | Meaning::OldGeneration, _) if joining => {}
            (Meaning::UnknownMember | Meaning::OldGeneration | Meaning::Elsewhere, _)
            | (_, ErrorCode::FencedInstanceId) => self.refused(now, code.into()),
            // Trouble with the commit, not with the membership.
            _ => {}
        }
    }

    pub(super) fn coordinator_lost(&mut self, now: Moment) {
        self.coordinator = Coordinator::Unknown;
        self.heartbeat = None;
        if matches!(self.phase, Phase::Joining(_) | Phase::Syncing(_)) {
            self.phase = Phase::Unjoined;
        }
        self.timing.back_off(now, &self.config);
    }

    fn refused(&mut self, now: Moment, error: Error) {
        let out = matches!(self.phase, Phase::Joining(_) | Phase::Syncing(_));
        match meaning(error.code) {
            Meaning::Elsewhere => self.coordinator_lost(now),
            Meaning::Fatal => self.fail(error),
            Meaning::Rebalance | Meaning::Pause => {
                if out {
                    self.phase = Phase::Unjoined;
                }
                self.timing.back_off(now, &self.config);
            }
            fenced @ (Meaning::UnknownMember | Meaning::OldGeneration) => {
                if self.generation.is_some() {
                    self.out.push(Command::Report(Trouble::Fenced(error)));
                }
                self.reset(matches!(fenced, Meaning::OldGeneration));
                self.timing.back_off(now, &self.config);
            }
        }
    }
}
