//! The consumers of a seed: groups of the SDK's own, in some seeds.
//!
//! They draw from a stream of their own, and not in every seed: what earlier seeds found, they find again.

use std::sync::Arc;
use std::time::Duration;

use ottla::consumer::{Assignor, CooperativeSticky, Range, RoundRobin};
use ottla::testing::World;
use ottla_broker_core::env::{Rng as _, SplitMix64};

use super::chance::Chance;

/// The topic that gets more partitions meanwhile.
pub(super) const GROWING: &str = "growing";

/// What a group promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    AtLeastOnce,
    AtMostOnce,
}

/// How a group divides its partitions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Division {
    Cooperative,
    Range,
    RoundRobin,
    /// Both kinds in one list: it is eager.
    Mixed,
}

/// One group.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    pub(super) name: &'static str,
    pub(super) promise: Promise,
    pub(super) topics: Vec<&'static str>,
    pub(super) by_pattern: bool,
    pub(super) division: Division,
    /// Whether each consumer is a static member.
    pub(super) statics: Vec<bool>,
    pub(super) seeks: bool,
    pub(super) session: Duration,
    pub(super) max_poll: Duration,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    pub(super) groups: Vec<GroupPlan>,
    /// Partitions of [`GROWING`] at the beginning and at the end.
    pub(super) growing: Option<(i32, i32)>,
}

/// A stream of chance that depends on the seed and `number` alone.
pub(super) fn stream(world: &World, number: u64) -> Chance {
    let seed = SplitMix64::new(SplitMix64::new(world.seed()).next_u64() ^ number).next_u64();
    Chance(world.env().with_rng(Arc::new(SplitMix64::new(seed))))
}

impl Cast {
    /// Three seeds of eight have consumers; none of those that found something before there were any.
    pub(super) fn draw(world: &World, topics: usize) -> Self {
        if world.seed() % 8 % 3 != 1 {
            return Self::default();
        }
        let chance = stream(world, 0);
        let growing = chance.one_in(2).then(|| {
            let from = i32::try_from(chance.between(1, 2)).unwrap();
            (from, from + i32::try_from(chance.between(1, 2)).unwrap())
        });
        let names: &[&'static str] = &["group-a", "group-b"];
        let count = if chance.one_in(3) { 2 } else { 1 };
        let groups = names.iter().take(count).map(|name| GroupPlan::draw(name, topics, growing.is_some(), &chance));
        Self { groups: groups.collect(), growing }
    }
}

impl Cast {
    /// All partitions of [`GROWING`], also those to come.
    pub(super) fn later(&self) -> impl Iterator<Item = (&'static str, i32)> {
        (0..self.growing.map_or(0, |(_, to)| to)).map(|partition| (GROWING, partition))
    }
}

impl GroupPlan {
    fn draw(name: &'static str, topics: usize, grows: bool, chance: &Chance) -> Self {
        let mut wanted: Vec<_> = ["orders", "clicks"].into_iter().take(topics).filter(|_| chance.one_in(2)).collect();
        if grows {
            wanted.push(GROWING);
        }
        if wanted.is_empty() {
            wanted.push("orders");
        }
        Self {
            name,
            promise: if chance.one_in(4) { Promise::AtMostOnce } else { Promise::AtLeastOnce },
            topics: wanted,
            by_pattern: chance.one_in(3),
            division: *chance.pick(&[
                Division::Cooperative,
                Division::Cooperative,
                Division::Range,
                Division::RoundRobin,
                Division::Mixed,
            ]),
            // A static leader that comes back gets no division to make (KIP-814), so it cannot know whether the standing
            // one has all partitions: a group without another rebalance would not get to the new ones, as in Kafka.
            statics: (0..chance.between(1, 3)).map(|_| chance.one_in(2) && !grows).collect(),
            seeks: chance.one_in(2),
            session: chance.ms(6_000, 10_000),
            max_poll: chance.ms(4_000, 9_000),
        }
    }

    /// Whether a record may be handed over twice.
    pub(super) fn may_seek(&self) -> bool {
        self.seeks && self.promise == Promise::AtLeastOnce
    }

    pub(super) fn assignors(&self) -> Vec<Arc<dyn Assignor>> {
        match self.division {
            Division::Cooperative => vec![Arc::new(CooperativeSticky)],
            Division::Range => vec![Arc::new(Range)],
            Division::RoundRobin => vec![Arc::new(RoundRobin)],
            Division::Mixed => vec![Arc::new(CooperativeSticky), Arc::new(Range)],
        }
    }
}
