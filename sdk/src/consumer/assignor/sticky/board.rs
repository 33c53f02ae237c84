//! Partitions and members as numbers: what the balancing works on.
//!
//! Topics that the same members want form a *class*. Their partitions can stand for each other, so a
//! group in which all want the same is one class however many topics there are.

use std::collections::BTreeMap;

use ottla_broker_core::api::group::{Generation, MemberId};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{TopicName, TopicPartition};
use rustc_hash::FxHashMap;

use crate::consumer::assignor::subscribers::{by_topic, in_order};
use crate::consumer::assignor::{Assignments, MemberSubscription, TopicCounts};

/// A partition, by its place among all.
pub(super) type PartitionNumber = u32;
/// A class, by its place among all.
pub(super) type ClassNumber = u32;
/// A member, by its place in Kafka's order.
pub(super) type Place = u32;

/// Partitions that the same members want.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// Who wants them, ascending.
    pub(super) members: Vec<Place>,
    /// Those that nobody has, ascending.
    pub(super) loose: Vec<PartitionNumber>,
}

/// One member's share: what it kept lies first in each class, so that what is taken from the end moved
/// in this very division, as long as there is such.
pub(super) type Hand = BTreeMap<ClassNumber, Vec<PartitionNumber>>;

/// The division as it stands.
#[derive(Debug)]
pub(super) struct Board<'a> {
    names: Vec<&'a MemberId>,
    /// Each topic with the number of its first partition, ascending.
    topics: Vec<(&'a TopicName, PartitionNumber)>,
    pub(super) classes: Vec<Class>,
    pub(super) hands: Vec<Hand>,
    pub(super) loads: Vec<u32>,
    /// How much of each hand was kept, while it may not move.
    pinned: Option<Vec<BTreeMap<ClassNumber, u32>>>,
}

/// The best claim to a partition.
#[derive(Clone, Copy)]
struct Claim {
    generation: Generation,
    place: Place,
    tied: bool,
}

impl<'a> Board<'a> {
    /// Everybody with what they have and may keep, the rest loose.
    pub(super) fn set_up(
        members: &'a [MemberSubscription],
        topics: &'a TopicCounts,
        claimed_in: impl Fn(&MemberSubscription) -> Generation,
    ) -> Self {
        let members = in_order(members);
        let mut board = Self {
            names: members.iter().map(|member| &member.member).collect(),
            topics: Vec::new(),
            classes: Vec::new(),
            hands: vec![Hand::new(); members.len()],
            loads: vec![0; members.len()],
            pinned: None,
        };
        let mut numbers: FxHashMap<&str, (PartitionNumber, i32)> = FxHashMap::default();
        let mut class_of: FxHashMap<Vec<Place>, ClassNumber> = FxHashMap::default();
        let mut classes: Vec<ClassNumber> = Vec::new();
        for (topic, (partitions, wanting)) in by_topic(&members, topics) {
            let first = PartitionNumber::try_from(classes.len()).unwrap_or(PartitionNumber::MAX);
            numbers.insert(topic.as_str(), (first, partitions));
            board.topics.push((topic, first));
            let next = ClassNumber::try_from(class_of.len()).unwrap_or(ClassNumber::MAX);
            let class = *class_of.entry(wanting).or_insert(next);
            classes.extend((0..partitions).map(|_| class));
        }
        board.classes.resize_with(class_of.len(), Class::default);
        for (members, class) in class_of {
            if let Some(class) = board.classes.get_mut(class as usize) {
                class.members = members;
            }
        }
        let claims = board.claims(&members, &numbers, &classes, claimed_in);
        for ((number, class), claim) in (0..).zip(classes).zip(claims) {
            match claim.filter(|claim| !claim.tied) {
                Some(claim) => board.give(claim.place, class, number),
                None => {
                    if let Some(class) = board.classes.get_mut(class as usize) {
                        class.loose.push(number);
                    }
                }
            }
        }
        let count = |numbers: &Vec<PartitionNumber>| u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        let kept = |hand: &Hand| hand.iter().map(|(class, numbers)| (*class, count(numbers))).collect();
        board.pinned = Some(board.hands.iter().map(kept).collect());
        board
    }

    /// From now on what was kept may move too.
    pub(super) fn unpin(&mut self) {
        self.pinned = None;
    }

    /// Who may keep each partition: the newest to have it, if it still wants the topic; nobody where two
    /// had it in one generation.
    fn claims(
        &self,
        members: &[&MemberSubscription],
        numbers: &FxHashMap<&str, (PartitionNumber, i32)>,
        classes: &[ClassNumber],
        claimed_in: impl Fn(&MemberSubscription) -> Generation,
    ) -> Vec<Option<Claim>> {
        let mut claims: Vec<Option<Claim>> = vec![None; classes.len()];
        if is_planted("assignor-not-sticky") {
            return claims;
        }
        for (place, member) in (0..).zip(members) {
            let generation = claimed_in(member);
            for owned in &member.owned {
                let Some(&(first, count)) = numbers.get(owned.topic.as_str()) else { continue };
                if !(0..count).contains(&owned.partition) {
                    continue;
                }
                let number = first as usize + owned.partition.unsigned_abs() as usize;
                let class = classes.get(number).and_then(|class| self.classes.get(*class as usize));
                if class.is_none_or(|class| class.members.binary_search(&place).is_err()) {
                    continue;
                }
                let Some(best) = claims.get_mut(number) else { continue };
                match best {
                    Some(claim) if claim.generation > generation || claim.place == place => {}
                    Some(claim) if claim.generation == generation => claim.tied = true,
                    _ => *best = Some(Claim { generation, place, tied: false }),
                }
            }
        }
        claims
    }

    /// Puts a partition into a hand.
    pub(super) fn give(&mut self, place: Place, class: ClassNumber, number: PartitionNumber) {
        if let (Some(hand), Some(load)) = (self.hands.get_mut(place as usize), self.loads.get_mut(place as usize)) {
            hand.entry(class).or_default().push(number);
            *load += 1;
        }
    }

    /// Passes a partition of `class` on, the latest that came first.
    pub(super) fn pass(&mut self, from: Place, class: ClassNumber, to: Place) {
        let Some(hand) = self.hands.get_mut(from as usize) else { return };
        let Some(numbers) = hand.get_mut(&class) else { return };
        let Some(number) = numbers.pop() else { return };
        if numbers.is_empty() {
            hand.remove(&class);
        }
        if let Some(load) = self.loads.get_mut(from as usize) {
            *load -= 1;
        }
        self.give(to, class, number);
    }

    /// How many partitions a member has.
    pub(super) fn load(&self, place: Place) -> u32 {
        self.loads.get(place as usize).copied().unwrap_or(0)
    }

    /// How many of `class` it can pass on.
    pub(super) fn movable(&self, place: Place, class: ClassNumber) -> u32 {
        let numbers = self.hands.get(place as usize).and_then(|hand| hand.get(&class));
        let held = numbers.map_or(0, |numbers| u32::try_from(numbers.len()).unwrap_or(u32::MAX));
        let pinned = self.pinned.as_ref().and_then(|pinned| pinned.get(place as usize)?.get(&class).copied());
        held.saturating_sub(pinned.unwrap_or(0))
    }

    /// The division by names, each share sorted.
    pub(super) fn shares(self) -> Assignments {
        let topics = self.topics;
        let named = |number: PartitionNumber| {
            let at = topics.partition_point(|(_, first)| *first <= number).checked_sub(1)?;
            let (topic, first) = topics.get(at)?;
            Some(TopicPartition::new((*topic).clone(), i32::try_from(number - first).ok()?))
        };
        let share = |hand: Hand| {
            let mut numbers: Vec<_> = hand.into_values().flatten().collect();
            numbers.sort_unstable();
            numbers.into_iter().filter_map(named).collect()
        };
        self.names.into_iter().cloned().zip(self.hands.into_iter().map(share)).collect()
    }
}
