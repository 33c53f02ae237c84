//! What a seed draws before it begins. Not everything is on in every run: a swarm of different ones finds more.

use std::time::Duration;

use ottla::producer::ProducerBuilder;
use ottla_broker_core::record::Compression;

use super::chance::Chance;

/// The topics that are written to all the time.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Partitions of each topic.
    pub(super) topics: Vec<i32>,
    pub(super) producers: u32,
    pub(super) readers: u32,
    pub(super) members: u32,
    pub(super) scratch: bool,
    /// How long there is trouble.
    pub(super) trouble: Duration,
    /// The longest that a write takes to be durable.
    pub(super) commit_delay: Duration,
    /// Between two records of a producer, at most.
    pub(super) pause_ms: u64,
    /// Chances in 1,000 at the seam: failed, lost, late, never.
    pub(super) failed: u32,
    pub(super) lost: u32,
    pub(super) late: u32,
    pub(super) never: u32,
    /// Which of the nemesis's deeds are in it, by number.
    pub(super) deeds: Vec<usize>,
    /// Between two deeds, at most.
    pub(super) peace_ms: u64,
}

impl Plan {
    pub(super) fn draw(chance: &Chance, deeds: usize) -> Self {
        let sometimes =
            |low, high| if chance.one_in(2) { u32::try_from(chance.between(low, high)).unwrap() } else { 0 };
        let topics = (0..chance.between(1, 2)).map(|_| i32::try_from(chance.between(1, 3)).unwrap()).collect();
        let members = if chance.one_in(2) { u32::try_from(chance.between(2, 4)).unwrap() } else { 0 };
        let mut chosen: Vec<_> = (0..deeds).filter(|_| chance.one_in(2)).collect();
        if chosen.is_empty() {
            chosen.push(chance.index(deeds));
        }
        Self {
            topics,
            producers: u32::try_from(chance.between(1, 3)).unwrap(),
            readers: u32::try_from(chance.between(1, 2)).unwrap(),
            members,
            scratch: chance.one_in(3),
            trouble: Duration::from_secs(chance.between(10, 30)),
            commit_delay: Duration::from_millis(*chance.pick(&[0, 2, 20, 200])),
            pause_ms: *chance.pick(&[40, 200, 600]),
            failed: sometimes(5, 100),
            lost: sometimes(5, 150),
            late: sometimes(5, 150),
            never: sometimes(5, 30),
            deeds: chosen,
            peace_ms: *chance.pick(&[500, 2_000, 5_000]),
        }
    }

    /// Every partition, by topic and number; its place in this list is its name in the history.
    pub(super) fn partitions(&self) -> Vec<(&'static str, i32)> {
        let topics = ["orders", "clicks"].into_iter().zip(&self.topics);
        topics.flat_map(|(topic, partitions)| (0..*partitions).map(move |partition| (topic, partition))).collect()
    }
}

/// A producer's settings.
pub(super) fn settings(builder: ProducerBuilder, chance: &Chance) -> ProducerBuilder {
    let builder = builder
        .max_in_flight(if chance.one_in(4) { usize::try_from(chance.between(1, 4)).unwrap() } else { 5 })
        .batch_bytes(usize::try_from(*chance.pick(&[200, 400, 2_000, 100_000])).unwrap())
        .max_unacked_bytes(usize::try_from(*chance.pick(&[2_000, 20_000, 1_000_000])).unwrap().max(100_000))
        .linger(Duration::from_millis(*chance.pick(&[0, 0, 5, 50])))
        .request_timeout(chance.ms(500, 3_000))
        .delivery_timeout(chance.ms(5_000, 60_000));
    if chance.one_in(4) { builder.compression(Compression::Lz4) } else { builder }
}
