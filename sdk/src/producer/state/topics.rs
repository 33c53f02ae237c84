//! Topics: records that wait for one to be known, and what a broker tells of it.

use std::sync::{Arc, Weak};

use ottla_broker_core::api::TopicMetadata;
use ottla_broker_core::env::Env;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{TopicName, TopicPartition};

use super::super::batch::{Segment, Settlement};
use super::super::completion::Completion;
use super::super::error::{Error, NotEnqueued};
use super::super::gather::Outlook;
use super::super::partition::Partition;
use super::{Index, Loading, Parts, Placed, State, Topic};
use crate::metadata::take_id;
use crate::record::Record;

impl State {
    /// Encodes a record into its partition's open batch, or keeps it until its topic is known. Both under one lock: were
    /// the topic to become known in between, the next record would be before this one.
    pub(in super::super) fn append_or_load(
        &mut self,
        record: Record,
        reserved: usize,
        timestamp_ms: i64,
        parts: &Parts,
    ) -> Result<Placed, NotEnqueued> {
        let refused = |error, record| NotEnqueued { error, record: Box::new(record) };
        match self.append(&record, reserved, timestamp_ms, parts) {
            Ok(Some(placed)) => return Ok(placed),
            Ok(None) => {}
            Err(error) => return Err(refused(error, record)),
        }
        let name = match TopicName::new(record.topic.as_str()) {
            Ok(name) => name,
            Err(error) => return Err(refused(error.into(), record)),
        };
        let completion = Arc::new(Completion::new(Arc::clone(&parts.reports), Weak::clone(&parts.producer)));
        completion.seal(1);
        let number = parts.barrier.add();
        let waiting = self.loading.entry(name.as_str().to_owned()).or_default();
        if waiting.is_empty() {
            self.wanted.push(name);
        }
        waiting.push(Loading { record, reserved, timestamp_ms, completion: Arc::clone(&completion), number });
        Ok(Placed { completion, index: 0, batch: number })
    }

    /// The topic's partitions and leaders, as a broker told them. Records that waited for it take their places; those
    /// that joined a batch with an older number give up theirs, which are returned.
    pub(in super::super) fn install(&mut self, metadata: &TopicMetadata, parts: &Parts) -> (Vec<Settlement>, Vec<u64>) {
        let mut settled = Vec::new();
        let mut placed = Vec::new();
        // One that closes still has records to place, and leaders to follow.
        let closing = self.ended.is_some() && is_planted("close-follows-no-leader");
        if self.over || closing {
            return (settled, placed);
        }
        let topic = self.topics.entry(metadata.name.clone()).or_insert_with(|| Topic {
            name: metadata.name.clone(),
            id: metadata.id,
            partitions: Vec::new(),
            count: 0,
            available: Vec::new(),
            sticky: 0,
            ordinal: 0,
        });
        let new = topic.partitions.is_empty();
        for told in metadata.partitions.iter().skip(topic.partitions.len()) {
            topic.partitions.push(self.partitions.len());
            let name = TopicPartition::new(metadata.name.clone(), told.partition);
            self.partitions.push(Partition::new(name, told.leader));
        }
        // Partitions come, and go only with their topic: one with the same id and fewer of them is told by a broker that has
        // not heard of all. Without an id nobody can tell, and what is sent to one that is gone waits for its time limit.
        let recreated = take_id(&mut topic.id, metadata.id);
        topic.count = if recreated { metadata.partitions.len() } else { topic.count.max(metadata.partitions.len()) };
        let count = i32::try_from(topic.count).unwrap_or(i32::MAX);
        let missing = topic.partitions.get(topic.count..).unwrap_or_default().to_vec();
        topic.available.clear();
        for (&index, told) in topic.partitions.iter().zip(metadata.partitions.iter()) {
            if let Some(partition) = self.partitions.get_mut(index) {
                if partition.leader != told.leader {
                    // It leaves the old leader's list when that is gone through.
                    partition.leader = told.leader;
                    if std::mem::take(&mut partition.listed) {
                        self.lists.values_mut().for_each(|list| list.retain(|&listed| listed != index));
                    }
                    partition.retry_at = None;
                }
                topic.available.extend(told.leader.map(|_| told.partition));
            }
        }
        if topic.available.is_empty() {
            topic.available.extend(0..count);
        }
        if new || !topic.available.contains(&topic.sticky) {
            topic.move_on(&parts.env);
        }
        let indexes = topic.partitions.clone();
        for index in missing {
            settled.extend(
                self.partitions.get_mut(index).map(|partition| partition.is_missing(count)).unwrap_or_default(),
            );
        }
        for index in indexes {
            // A partition without a leader asks again after its pause, not at once.
            let leaderless = self.partitions.get_mut(index).filter(|partition| partition.leader.is_none());
            if let Some(partition) = leaderless {
                if partition.has_waiting() {
                    partition.unreachable(parts.env.now(), parts.env.random_u64());
                    self.look_later(index, parts);
                }
            } else {
                self.look_at(index, parts);
            }
        }
        for loading in self.loading.remove(metadata.name.as_str()).unwrap_or_default() {
            let Loading { record, reserved, timestamp_ms, number, .. } = &loading;
            let put = self
                .choose(record, parts)
                .and_then(|index| index.ok_or(Error::Closed { in_doubt: false }))
                .and_then(|index| self.put(index, record, *reserved, *timestamp_ms, parts, Some(&loading)));
            match put {
                Ok(at) => placed.extend(Some(*number).filter(|number| *number != at.batch)),
                Err(error) => settled.push(loading.failed(error)),
            }
        }
        // Nobody who enqueues filled it: the sender, which is woken now, sends it.
        self.full = false;
        (settled, placed)
    }

    /// The topic's metadata could not be had: who waits for a leader asks again after a pause.
    pub(in super::super) fn not_refreshed(&mut self, topic: &str, parts: &Parts) {
        let Some(topic) = self.topics.get(topic) else { return };
        for index in topic.partitions.clone() {
            let leaderless = self.partitions.get_mut(index).filter(|partition| partition.leader.is_none());
            if let Some(partition) = leaderless.filter(|partition| partition.has_waiting()) {
                partition.unreachable(parts.env.now(), parts.env.random_u64());
                self.look_later(index, parts);
            }
        }
    }

    fn look_later(&mut self, index: Index, parts: &Parts) {
        let Some(partition) = self.partitions.get_mut(index) else { return };
        // It pauses; once that is over, the broker is asked.
        if let Some(next) = partition.next_look(parts.env.now(), Outlook::default(), &parts.config) {
            if let Some(timer) = partition.timer.replace(next) {
                self.timers.remove(&(timer, index));
            }
            self.timers.insert((next, index));
        }
    }

    /// The topic cannot be had: its waiting records fail.
    pub(in super::super) fn not_loaded(&mut self, topic: &str, error: &Error) -> Vec<Settlement> {
        let waiting = self.loading.remove(topic).unwrap_or_default();
        waiting.into_iter().map(|loading| loading.failed(error.clone())).collect()
    }
}

impl Topic {
    /// Keyless records go elsewhere from here on.
    pub(super) fn move_on(&mut self, env: &Env) {
        // One of the others, if there are others (KIP-480).
        let others = self.available.iter().filter(|&&partition| partition != self.sticky).count();
        let nth = usize::try_from(env.random_below(others as u64)).unwrap_or(0);
        let next = self.available.iter().copied().filter(|&partition| partition != self.sticky).nth(nth);
        self.sticky = next.or_else(|| self.available.first().copied()).unwrap_or(0);
    }
}

impl Loading {
    pub(super) fn failed(self, error: Error) -> Settlement {
        Settlement {
            number: self.number,
            segments: vec![Segment { completion: self.completion, first: 0, count: 1 }],
            reserved: self.reserved,
            result: Err(error),
        }
    }
}
