//! A virtual coordinator: Kafka's classic group protocol, as small as the members' side needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::api::group::{
    Generation, GroupMember, InstanceId, JoinRefused, JoinedGroup, MemberId, Subscription, SyncedGroup,
};
use ottla_broker_core::env::Moment;

use super::super::RequestNumber;

/// Where an answer goes: to which process, for which request.
pub(super) type To = (usize, RequestNumber);

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Joined(Result<JoinedGroup, JoinRefused>),
    Synced(Result<SyncedGroup, ErrorCode>),
    Heartbeat(Result<(), ErrorCode>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    Preparing(Moment),
    Completing(Moment),
    Stable,
}

#[derive(Debug)]
struct Entry {
    instance: Option<InstanceId>,
    metadata: Bytes,
    joining: Option<To>,
    syncing: Option<To>,
    share: Bytes,
    session_until: Moment,
}

#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) state: State,
    pub(super) generation: i32,
    protocol: &'static str,
    session: Duration,
    rebalance: Duration,
    members: BTreeMap<MemberId, Entry>,
    promised: BTreeSet<MemberId>,
    leader: Option<MemberId>,
    names: u64,
    pub(super) answers: Vec<(To, Answer)>,
}

impl Coordinator {
    pub(super) fn new(protocol: &'static str, session: Duration, rebalance: Duration) -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol,
            session,
            rebalance,
            members: BTreeMap::new(),
            promised: BTreeSet::new(),
            leader: None,
            names: 0,
            answers: Vec::new(),
        }
    }

    pub(super) fn join(
        &mut self,
        now: Moment,
        to: To,
        member: Option<MemberId>,
        instance: Option<InstanceId>,
        metadata: Bytes,
    ) {
        let refuse = |error: ErrorCode, member| Answer::Joined(Err(JoinRefused { error: error.into(), member }));
        let known = instance.as_ref().and_then(|instance| self.named(instance));
        let id = match (member, instance.is_some()) {
            (None, false) => {
                let id = self.name();
                self.promised.insert(id.clone());
                return self.answers.push((to, refuse(ErrorCode::MemberIdRequired, Some(id))));
            }
            (None, true) => {
                let id = self.name();
                if let Some(old) = known {
                    // A static member came back: the new process takes the old one's place.
                    let mut entry = self.members.remove(&old).unwrap();
                    self.answer_both(&mut entry, ErrorCode::FencedInstanceId);
                    // A stricter coordinator than Kafka's, which compares the protocol's name only: a static
                    // member that comes back with other wishes would wait for the next rebalance there.
                    let topics = |metadata: &Bytes| Subscription::decode(metadata).unwrap().topics;
                    let same = topics(&entry.metadata) == topics(&metadata);
                    entry.metadata = metadata.clone();
                    entry.session_until = now + self.session;
                    self.members.insert(id.clone(), entry);
                    if self.leader.as_ref() == Some(&old) {
                        self.leader = Some(id.clone());
                    }
                    if self.state == State::Stable && same {
                        return self.answer_join(to, &id, true);
                    }
                }
                id
            }
            (Some(id), _) => {
                if known.is_some_and(|known| known != id) {
                    return self.answers.push((to, refuse(ErrorCode::FencedInstanceId, None)));
                }
                if !self.promised.remove(&id) && !self.members.contains_key(&id) {
                    return self.answers.push((to, refuse(ErrorCode::UnknownMemberId, None)));
                }
                id
            }
        };
        let same = self.members.get(&id).is_some_and(|entry| entry.metadata == metadata);
        let leads = self.leader.as_ref() == Some(&id);
        let answers_at_once = match self.state {
            State::Completing(_) => same,
            State::Stable => same && !leads,
            _ => false,
        };
        if answers_at_once {
            return self.answer_join(to, &id, false);
        }
        let session_until = now + self.session;
        let entry = self.members.entry(id).or_insert_with(|| Entry {
            instance,
            metadata: metadata.clone(),
            joining: None,
            syncing: None,
            share: Bytes::new(),
            session_until,
        });
        (entry.metadata, entry.joining) = (metadata, Some(to));
        if !matches!(self.state, State::Preparing(_)) {
            self.prepare(now);
        }
        self.complete_if_all(now);
    }

    pub(super) fn sync(
        &mut self,
        now: Moment,
        to: To,
        id: &MemberId,
        generation: Generation,
        shares: Vec<(MemberId, Bytes)>,
    ) {
        let error = match (self.members.contains_key(id), self.state) {
            (false, _) => Some(ErrorCode::UnknownMemberId),
            _ if generation.0 != self.generation => Some(ErrorCode::IllegalGeneration),
            (_, State::Preparing(_)) => Some(ErrorCode::RebalanceInProgress),
            _ => None,
        };
        if let Some(error) = error {
            return self.answers.push((to, Answer::Synced(Err(error))));
        }
        let leads = self.leader.as_ref() == Some(id);
        if let Some(entry) = self.members.get_mut(id) {
            entry.syncing = Some(to);
            entry.session_until = now + self.session;
        }
        if matches!(self.state, State::Completing(_)) && leads {
            let mut shares: BTreeMap<_, _> = shares.into_iter().collect();
            for (id, entry) in &mut self.members {
                entry.share = shares.remove(id).unwrap_or_default();
            }
            self.state = State::Stable;
        }
        if self.state == State::Stable {
            for entry in self.members.values_mut() {
                if let Some(to) = entry.syncing.take() {
                    entry.session_until = now + self.session;
                    let assignment = entry.share.clone();
                    let protocol = self.protocol.into();
                    let synced = SyncedGroup { protocol_type: "consumer".into(), protocol, assignment };
                    self.answers.push((to, Answer::Synced(Ok(synced))));
                }
            }
        }
    }

    pub(super) fn heartbeat(&mut self, now: Moment, to: To, id: &MemberId, generation: Generation) {
        let result = match self.members.get_mut(id) {
            None => Err(ErrorCode::UnknownMemberId),
            Some(_) if generation.0 != self.generation => Err(ErrorCode::IllegalGeneration),
            Some(entry) => {
                entry.session_until = now + self.session;
                match self.state {
                    State::Preparing(_) => Err(ErrorCode::RebalanceInProgress),
                    _ => Ok(()),
                }
            }
        };
        self.answers.push((to, Answer::Heartbeat(result)));
    }

    pub(super) fn leave(&mut self, now: Moment, id: &MemberId) {
        self.promised.remove(id);
        self.remove(now, &BTreeSet::from([id.clone()]));
    }

    pub(super) fn tick(&mut self, now: Moment) {
        let late = |entry: &Entry| now >= entry.session_until && entry.joining.is_none() && entry.syncing.is_none();
        let mut gone: BTreeSet<_> =
            self.members.iter().filter(|(_, entry)| late(entry)).map(|(id, _)| id.clone()).collect();
        match self.state {
            State::Preparing(until) if now >= until => {
                gone.extend(self.members.iter().filter(|(_, entry)| entry.joining.is_none()).map(|(id, _)| id.clone()));
            }
            State::Completing(until) if now >= until => {
                gone.extend(self.members.iter().filter(|(_, entry)| entry.syncing.is_none()).map(|(id, _)| id.clone()));
            }
            _ => {}
        }
        self.remove(now, &gone);
    }

    /// Another broker took over: nobody who waits is answered, and sessions begin anew.
    pub(super) fn fail_over(&mut self, now: Moment) {
        for entry in self.members.values_mut() {
            (entry.joining, entry.syncing, entry.session_until) = (None, None, now + self.session);
        }
    }

    fn name(&mut self) -> MemberId {
        self.names += 1;
        MemberId::from(format!("member-{:04}", self.names))
    }

    fn named(&self, instance: &InstanceId) -> Option<MemberId> {
        let has = |entry: &Entry| entry.instance.as_ref() == Some(instance);
        self.members.iter().find(|(_, entry)| has(entry)).map(|(id, _)| id.clone())
    }

    fn answer_both(&mut self, entry: &mut Entry, error: ErrorCode) {
        if let Some(to) = entry.joining.take() {
            self.answers.push((to, Answer::Joined(Err(JoinRefused { error: error.into(), member: None }))));
        }
        if let Some(to) = entry.syncing.take() {
            self.answers.push((to, Answer::Synced(Err(error))));
        }
    }

    fn answer_join(&mut self, to: To, id: &MemberId, skip_assignment: bool) {
        let leader = self.leader.clone().unwrap();
        let member = |(id, entry): (&MemberId, &Entry)| GroupMember {
            member: id.clone(),
            instance: entry.instance.clone(),
            metadata: entry.metadata.clone(),
        };
        let members = if leader == *id { self.members.iter().map(member).collect() } else { Vec::new() };
        let joined = JoinedGroup {
            generation: Generation(self.generation),
            protocol_type: "consumer".into(),
            protocol: self.protocol.into(),
            leader,
            member: id.clone(),
            skip_assignment,
            members,
        };
        self.answers.push((to, Answer::Joined(Ok(joined))));
    }

    fn prepare(&mut self, now: Moment) {
        self.state = State::Preparing(now + self.rebalance);
        for entry in self.members.values_mut() {
            if let Some(to) = entry.syncing.take() {
                // As Kafka's `propagateAssignment`: an answer, even this one, begins the session anew.
                entry.session_until = now + self.session;
                self.answers.push((to, Answer::Synced(Err(ErrorCode::RebalanceInProgress))));
            }
        }
    }

    fn complete_if_all(&mut self, now: Moment) {
        if self.members.is_empty() {
            (self.state, self.leader) = (State::Empty, None);
            return;
        }
        if !matches!(self.state, State::Preparing(_)) || self.members.values().any(|entry| entry.joining.is_none()) {
            return;
        }
        self.generation += 1;
        self.state = State::Completing(now + self.rebalance);
        if self.leader.as_ref().is_none_or(|leader| !self.members.contains_key(leader)) {
            self.leader = self.members.keys().next().cloned();
        }
        let waiting: Vec<_> = self
            .members
            .iter_mut()
            .filter_map(|(id, entry)| {
                entry.session_until = now + self.session;
                Some((id.clone(), entry.joining.take()?))
            })
            .collect();
        for (id, to) in waiting {
            self.answer_join(to, &id, false);
        }
    }

    fn remove(&mut self, now: Moment, gone: &BTreeSet<MemberId>) {
        let before = self.members.len();
        for id in gone {
            if let Some(mut entry) = self.members.remove(id) {
                self.answer_both(&mut entry, ErrorCode::UnknownMemberId);
            }
        }
        if self.members.len() == before {
            return;
        }
        if !matches!(self.state, State::Preparing(_)) {
            self.prepare(now);
        }
        self.complete_if_all(now);
    }
}
