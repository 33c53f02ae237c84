//! What a group of consumers was told, given and acknowledged, and what must never be among it.
//!
//! - Invariant 7, as listeners hear it: a partition has one owner; who was fenced and does not know yet may think
//!   otherwise, and that is who has not been told the newest generation.
//! - Within one assignment nothing is handed over twice, backwards or with a gap, unless after a seek; it begins at
//!   what was committed (invariant 8).
//! - At least once: after the healing each record was acknowledged by somebody, except what a seek went past.
//! - At most once: none was handed over twice in the whole group.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::cast::Promise;
use super::groups::Groups;

/// A partition that a consumer has, as its listener heard.
#[derive(Debug)]
struct Hold {
    /// Its number in the runs: of the assignment, or of the last seek in it.
    run: usize,
    /// It is being given up: nothing more is handed over.
    stopping: bool,
    paused: bool,
}

/// What was handed over between two jumps.
#[derive(Debug)]
struct Run {
    consumer: u32,
    at: usize,
    /// Where it has to begin; where the log does, if nobody said.
    from: i64,
    offsets: Vec<i64>,
}

/// What is known of one consumer.
#[derive(Debug, Default)]
struct Known {
    instance: Option<String>,
    /// Its present name in the group.
    member: String,
    /// The newest generation that it joined, and of which it heard its share.
    joined: i32,
    told: i32,
    /// What was last found to be committed.
    fetched: BTreeMap<usize, i64>,
}

/// One group's history.
#[derive(Debug)]
pub(super) struct Consumed {
    /// What the coordinator said.
    pub(super) groups: Groups,
    name: &'static str,
    promise: Promise,
    consumers: BTreeMap<u32, Known>,
    holds: BTreeMap<(usize, u32), Hold>,
    runs: Vec<Run>,
    handed: BTreeSet<(usize, i64)>,
    handled: BTreeSet<(usize, i64)>,
    skipped: Vec<(usize, Range<i64>)>,
    /// The last commit that was acknowledged, or was found to be there though its answer was lost.
    committed: BTreeMap<usize, i64>,
    /// The member that has each static name.
    statics: BTreeMap<String, String>,
}

impl Consumed {
    pub(super) fn new(name: &'static str, promise: Promise) -> Self {
        Self {
            groups: Groups::default(),
            name,
            promise,
            consumers: BTreeMap::new(),
            holds: BTreeMap::new(),
            runs: Vec::new(),
            handed: BTreeSet::new(),
            handled: BTreeSet::new(),
            skipped: Vec::new(),
            committed: BTreeMap::new(),
            statics: BTreeMap::new(),
        }
    }

    pub(super) fn begins(&mut self, consumer: u32, instance: Option<String>) {
        self.consumers.insert(consumer, Known { instance, ..Known::default() });
    }

    /// It will never do anything again.
    pub(super) fn gone(&mut self, consumer: u32) {
        self.holds.retain(|(_, owner), _| *owner != consumer);
        self.consumers.remove(&consumer);
    }

    /// Its join was answered. Says whether a static member came back into a generation that stands.
    pub(super) fn joined(&mut self, consumer: u32, member: &str, generation: i32, is_new: bool) -> bool {
        let Some(known) = self.consumers.get_mut(&consumer) else { return false };
        let first = known.joined == 0;
        // A group that has nobody and nothing is forgotten, and one of its name counts from 1 again, with other members.
        if known.member != member {
            known.joined = 0;
            member.clone_into(&mut known.member);
        }
        known.joined = known.joined.max(generation);
        let Some(instance) = known.instance.clone() else { return false };
        let before = self.statics.insert(instance, member.to_owned());
        first && !is_new && before.is_some_and(|before| before != member)
    }

    /// Whether another member has taken this one's static name.
    pub(super) fn is_replaced(&self, instance: &str, member: &str) -> bool {
        self.statics.get(instance).is_some_and(|now| now != member)
    }

    /// It heard its share of a generation.
    pub(super) fn told(&mut self, consumer: u32, generation: i32) {
        if let Some(known) = self.consumers.get_mut(&consumer) {
            known.told = generation;
        }
    }

    /// It asked where to begin. Who finds all committed has nothing more to commit.
    pub(super) fn fetched(&mut self, consumer: u32, at: usize, committed: Option<i64>) {
        if let Some(offset) = committed {
            let known = self.committed.entry(at).or_default();
            *known = (*known).max(offset);
        }
        if let Some(known) = self.consumers.get_mut(&consumer) {
            known.fetched.insert(at, committed.unwrap_or(0));
        }
    }

    pub(super) fn committed(&mut self, at: usize, offset: i64) {
        self.committed.insert(at, offset);
    }

    /// Up to where the group has committed.
    pub(super) fn progress(&self, at: usize) -> i64 {
        self.committed.get(&at).copied().unwrap_or(0)
    }

    /// Its listener heard of a partition. Says whether somebody who was fenced still thinks it his.
    pub(super) fn assigned(&mut self, consumer: u32, at: usize) -> Result<bool, String> {
        // One that was dropped hears of it too.
        let Some(known) = self.consumers.get(&consumer) else { return Ok(false) };
        let (told, instance) = (known.told, known.instance.clone());
        let from = known.fetched.get(&at).copied().unwrap_or(0);
        let before = self.holds.insert((at, consumer), Hold { run: self.runs.len(), stopping: false, paused: false });
        self.runs.push(Run { consumer, at, from, offsets: Vec::new() });
        if before.is_some() {
            return Err(format!("{}: partition {at} was assigned to {consumer} twice", self.name));
        }
        let mut fenced = false;
        for (_, other) in
            self.holds.range((at, 0)..=(at, u32::MAX)).map(|(key, _)| *key).filter(|key| key.1 != consumer)
        {
            let Some(rival) = self.consumers.get(&other) else { continue };
            let replaced = instance.is_some() && rival.instance == instance;
            if !replaced && rival.told <= told && rival.joined >= told {
                return Err(format!(
                    "invariant 7: {}: partition {at} is {other}'s and {consumer}'s in generation {told}",
                    self.name
                ));
            }
            fenced = true;
        }
        Ok(fenced)
    }

    /// Its listener is asked to give a partition up.
    pub(super) fn stops(&mut self, consumer: u32, at: usize) {
        if let Some(hold) = self.holds.get_mut(&(at, consumer)) {
            hold.stopping = true;
        }
    }

    /// Its listener is done with a partition that it was asked to give up. Meanwhile it may have lost it, and have got
    /// it anew.
    pub(super) fn released(&mut self, consumer: u32, at: usize) {
        if self.holds.get(&(at, consumer)).is_some_and(|hold| hold.stopping) {
            self.lost(consumer, at);
        }
    }

    /// A partition is not its own any more.
    pub(super) fn lost(&mut self, consumer: u32, at: usize) {
        self.holds.remove(&(at, consumer));
    }

    pub(super) fn paused(&mut self, consumer: u32, at: usize, paused: bool) {
        if let Some(hold) = self.holds.get_mut(&(at, consumer)) {
            hold.paused = paused;
        }
    }

    /// A record was handed over. Returns the number of its run.
    pub(super) fn hands(&mut self, consumer: u32, at: usize, offset: i64) -> Result<usize, String> {
        let who = format!("{}: consumer {consumer} was given {at}/{offset}", self.name);
        let Some(hold) = self.holds.get(&(at, consumer)) else {
            return Err(format!("invariant 7: {who}, which is not its own"));
        };
        if hold.stopping {
            return Err(format!("{who}, which its listener was asked to give up"));
        }
        if hold.paused {
            return Err(format!("{who}, which it has paused"));
        }
        let run = &mut self.runs[hold.run];
        if run.offsets.last().is_some_and(|last| *last >= offset) {
            return Err(format!("{who} after {:?} of the same assignment", run.offsets.last()));
        }
        if offset < run.from {
            return Err(format!("{who}, and was to begin at {}", run.from));
        }
        run.offsets.push(offset);
        if !self.handed.insert((at, offset)) && self.promise == Promise::AtMostOnce {
            return Err(format!("at most once: {who} a second time"));
        }
        Ok(hold.run)
    }

    /// A record was acknowledged.
    pub(super) fn acks(
        &mut self,
        consumer: u32,
        at: usize,
        offset: i64,
        run: usize,
        counted: bool,
    ) -> Result<(), String> {
        self.handled.insert((at, offset));
        let hold = self.holds.get(&(at, consumer)).filter(|hold| hold.run == run);
        match hold {
            None if counted => Err(format!(
                "{}: consumer {consumer} acknowledged {at}/{offset} of an assignment that is over, and it counted",
                self.name
            )),
            Some(hold) if !counted && !hold.stopping => Err(format!(
                "{}: consumer {consumer} acknowledged {at}/{offset} of an assignment that stands, and it did not count",
                self.name
            )),
            _ => Ok(()),
        }
    }

    /// The next record to be handed over of a partition that it has.
    pub(super) fn position(&self, consumer: u32, at: usize) -> Option<i64> {
        let run = &self.runs[self.holds.get(&(at, consumer))?.run];
        Some(run.offsets.last().map_or(run.from, |last| last + 1))
    }

    /// It went elsewhere: what lies between is nobody's to see.
    pub(super) fn sought(&mut self, consumer: u32, at: usize, to: i64) {
        let Some(position) = self.position(consumer, at) else { return };
        let next = self.runs.len();
        let Some(hold) = self.holds.get_mut(&(at, consumer)) else { return };
        let before = std::mem::replace(&mut hold.run, next);
        let unhandled = self.runs[before].offsets.iter().copied().find(|offset| !self.handled.contains(&(at, *offset)));
        let first = unhandled.map_or(position, |unhandled| unhandled.min(position));
        if first < to {
            self.skipped.push((at, first..to));
        }
        self.runs.push(Run { consumer, at, from: to, offsets: Vec::new() });
    }

    /// At the end: what is wrong with what was given of a partition, of which `truth` is what was ever there.
    pub(super) fn finish(&self, at: usize, trimmed: i64, truth: &BTreeMap<i64, u64>) -> Vec<String> {
        let mut found = Vec::new();
        for run in self.runs.iter().filter(|run| run.at == at) {
            let mut next = run.from.max(trimmed);
            for offset in run.offsets.iter().copied().filter(|offset| *offset >= trimmed) {
                if let Some((gap, value)) = truth.range(next..offset.max(next)).next() {
                    found.push(format!(
                        "{}: consumer {} was given {at}/{offset} and not value {value} at {gap} before it",
                        self.name, run.consumer
                    ));
                }
                next = offset + 1;
            }
        }
        if self.promise == Promise::AtLeastOnce {
            let skipped =
                |offset: &i64| self.skipped.iter().any(|(place, range)| *place == at && range.contains(offset));
            let missed =
                truth.range(trimmed..).find(|(offset, _)| !self.handled.contains(&(at, **offset)) && !skipped(offset));
            if let Some((offset, value)) = missed {
                found.push(format!(
                    "at least once: {}: nobody was given and acknowledged value {value} at {at}/{offset}",
                    self.name
                ));
            }
        }
        found
    }

    /// Whether it consumes a partition: only then is there anything to finish.
    pub(super) fn has_seen(&self, at: usize) -> bool {
        self.runs.iter().any(|run| run.at == at)
    }
}
