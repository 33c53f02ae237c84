//! Opening failed partitions again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Broker;
use crate::api::PartitionMetadata;
use crate::env::Moment;
use crate::metadata::{Command, Decision, Election, Image, TopicElections};

const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// When the next repair may be tried. One runs at a time.
#[derive(Debug, Default)]
pub(super) struct Repair {
    running: Arc<tokio::sync::Mutex<()>>,
    pace: Mutex<Pace>,
}

#[derive(Debug, Default)]
struct Pace {
    not_before: Moment,
    wait: Duration,
}

impl Repair {
    fn is_due(&self, now: Moment) -> bool {
        now >= self.pace.lock().unwrap_or_else(PoisonError::into_inner).not_before
    }

    /// Waits longer after each failure, and not at all after a success.
    fn done(&self, now: Moment, all_well: bool) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.wait = if all_well { Duration::ZERO } else { (pace.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT) };
        pace.not_before = now + pace.wait;
    }
}

/// The same leader at its next epoch.
pub(super) fn reelected(partition: &PartitionMetadata) -> Election {
    Election {
        partition: partition.partition,
        leader: partition.leader,
        epoch: partition.leader_epoch.next(),
        isr: partition.isr.clone(),
    }
}

impl Broker {
    /// Starts a repair in the background, unless one runs or the last one failed only just now: who asked
    /// gets a retriable answer at once, and finds the partition open when it asks again.
    pub(super) fn repair_soon(&self) {
        if self.is_closed() || self.is_superseded() || !self.repair.is_due(self.env.now()) {
            return;
        }
        let Ok(running) = Arc::clone(&self.repair.running).try_lock_owned() else { return };
        let broker = self.me.clone();
        self.env.spawn("ottla-repair", async move {
            if let Some(broker) = broker.upgrade() {
                broker.repair_failed().await;
            }
            drop(running);
        });
    }

    /// Repairs now, or waits for the repair that runs.
    pub(super) async fn repair_now(&self) {
        if self.repair.is_due(self.env.now()) {
            let _running = self.repair.running.lock().await;
            self.repair_failed().await;
        }
    }

    /// Takes every failed partition to a new leader epoch, in one append, and opens them. The metadata is
    /// asked first: a broker that was fenced because another took its place does not take it back.
    async fn repair_failed(&self) {
        let failed = || self.routes().slots().filter(|slot| slot.is_failed()).map(|slot| slot.id).collect::<Vec<_>>();
        let ids = failed();
        if ids.is_empty() || self.is_closed() {
            return;
        }
        tracing::info!(broker = %self.id(), partitions = ids.len(), "opening failed partitions again");
        let elected = self
            .change(|image| {
                let topics = elections(image, &ids, self.id());
                let commands = if topics.is_empty() { vec![] } else { vec![Command::ElectLeaders { topics }] };
                Ok(Decision { commands, answer: () })
            })
            .await;
        if let Err(error) = &elected {
            tracing::warn!(broker = %self.id(), %error, "failed partitions could not be opened again");
        }
        self.repair.done(self.env.now(), elected.is_ok() && failed().is_empty());
    }
}

/// New epochs for those of `ids` that `leader` still leads.
fn elections(image: &Image, ids: &[crate::ids::PartitionId], leader: crate::ids::BrokerId) -> Vec<TopicElections> {
    // Neighbours in `ids` are of one topic.
    ids.chunk_by(|a, b| a.topic == b.topic)
        .filter_map(|ids| {
            let topic = ids.first()?.topic;
            let partitions = &image.topic_by_id(topic)?.metadata.partitions;
            let mine = ids.iter().filter_map(|id| partitions.get(usize::try_from(id.partition).ok()?));
            let elections: Vec<_> = mine.filter(|partition| partition.leader == Some(leader)).map(reelected).collect();
            (!elections.is_empty()).then_some(TopicElections { topic, elections })
        })
        .collect()
}
