//! Keeping up with who leads what, and with new partitions.

use std::sync::Arc;

use ottla_broker_core::api::{self, Metadata, TopicMetadata};
use ottla_broker_core::env::Moment;
use ottla_broker_core::{TopicName, TopicPartition};

use super::at::At;
use super::engine::Engine;
use super::error::Error;
use super::slot::Slot;
use super::work;
use crate::metadata::take_id;

/// When metadata is asked for.
#[derive(Debug, Default)]
pub(crate) struct Refresh {
    asked: bool,
    due_at: Option<Moment>,
    /// Since when there was no answer, and how often.
    failing: Option<(Moment, u32)>,
    /// When the first of the slots that failed may be asked about again.
    retry_at: Option<Moment>,
}

impl Refresh {
    pub(crate) const fn due_at(&self) -> Option<Moment> {
        if self.asked { None } else { self.due_at }
    }

    /// When some slot may be asked about again.
    pub(crate) const fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// The first of the slots that failed were looked at; `next` is when the next of them may be.
    pub(crate) const fn retry_came(&mut self, next: Option<Moment>) {
        self.retry_at = next;
    }

    /// Has a slot that may not be asked about before `moment` looked at again then.
    fn retry(&mut self, moment: Moment) {
        self.retry_at = Some(self.retry_at.map_or(moment, |at| at.min(moment)));
    }

    pub(crate) fn at(&mut self, moment: Moment) {
        self.due_at = Some(self.due_at.map_or(moment, |at| at.min(moment)));
    }
}

impl Engine {
    /// Asks for metadata if it is due.
    pub(crate) fn refresh_metadata(&mut self, now: Moment) -> bool {
        if self.metadata.asked || self.metadata.due_at.is_none_or(|at| at > now) {
            return false;
        }
        if self.selection.is_empty() {
            self.metadata.due_at = None;
            return false;
        }
        self.metadata.asked = true;
        self.ask(work::metadata(Arc::clone(&self.context.cluster), self.selection.topics()));
        true
    }

    pub(crate) fn take_metadata(&mut self, topics: &[TopicName], answer: Result<Metadata, api::Error>) {
        let now = self.context.env.now();
        self.metadata.asked = false;
        self.metadata.due_at = None;
        match answer {
            Ok(metadata) => {
                self.metadata.failing = None;
                self.apply(topics, metadata);
                let leaderless = self.slots.iter().any(|slot| !slot.gone && slot.leader.is_none());
                if leaderless {
                    self.metadata.at(now + work::back_off(2, self.context.env.random_u64()));
                } else if self.selection.follows() {
                    self.metadata.at(now + self.settings.metadata_refresh);
                }
            }
            Err(source) => {
                let (since, failures) = self.metadata.failing.unwrap_or((now, 0));
                self.metadata.failing = Some((since, failures.saturating_add(1)));
                tracing::warn!(%source, failures, "no metadata");
                if !source.is_retriable() || now.since(since) >= self.settings.retry_timeout {
                    self.metadata.failing = None;
                    self.errors.push_back(Error::Metadata { source });
                }
                self.metadata.at(now + work::back_off(failures, self.context.env.random_u64()));
            }
        }
    }

    /// Takes over leaders and new partitions, and what became of deleted topics.
    fn apply(&mut self, topics: &[TopicName], metadata: Metadata) {
        for (name, answer) in topics.iter().zip(metadata.topics) {
            match answer {
                Ok(topic) => self.apply_topic(&topic),
                Err(error) if error.code == api::ErrorCode::UnknownTopicOrPartition => {
                    self.drop_topic(|slot| slot.source.topic == *name, false);
                }
                // Not known for the moment: what is known stays, and what fails asks again.
                Err(error) => tracing::debug!(topic = %name, %error, "no metadata of a topic"),
            }
        }
    }

    fn apply_topic(&mut self, topic: &TopicMetadata) {
        self.drop_topic(|slot| slot.source.topic == topic.name && take_id(&mut slot.topic_id, topic.id), true);
        let mut known = vec![false; topic.partitions.len()];
        for slot in self.slots.iter_mut().filter(|slot| slot.source.topic == topic.name) {
            let index = usize::try_from(slot.source.partition).unwrap_or(usize::MAX);
            let Some(partition) = topic.partitions.get(index) else { continue };
            if let Some(known) = known.get_mut(index) {
                *known = true;
            }
            if partition.leader_epoch >= slot.epoch {
                slot.leader = partition.leader;
                slot.epoch = partition.leader_epoch;
            }
        }
        if !self.selection.discovers(&topic.name) {
            return;
        }
        for partition in topic.partitions.iter().zip(known).filter(|(_, known)| !known).map(|(partition, _)| partition)
        {
            // All of it was written since the reader began: nothing of it may be missed.
            let name = TopicPartition::new(topic.name.clone(), partition.partition);
            tracing::info!(partition = %name, "a new partition is read");
            let mut slot = Slot::new(name, topic.id, At::Earliest, None);
            slot.leader = partition.leader;
            slot.epoch = partition.leader_epoch;
            self.slots.push(slot);
            self.ask_anew();
        }
    }

    fn drop_topic(&mut self, of_topic: impl Fn(&mut Slot) -> bool, recreated: bool) {
        let mut told = false;
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index).filter(|slot| !slot.gone) else { continue };
            if !of_topic(slot) {
                continue;
            }
            slot.gone = true;
            // One topic is one error, however many partitions it had.
            if !told {
                told = true;
                let topic = slot.source.topic.clone();
                slot.fail(Error::TopicDeleted { topic, recreated });
            }
            self.enqueue(index);
        }
        if told {
            self.ask_anew();
        }
    }

    /// Has a slot tried again after a while, with fresh metadata.
    pub(crate) fn retry(&mut self, index: usize, now: Moment, source: api::Error) {
        let random = self.context.env.random_u64();
        let timeout = self.settings.retry_timeout;
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (since, failures) = slot.failing.unwrap_or((now, 0));
        slot.failing = Some((since, failures.saturating_add(1)));
        if now.since(since) >= timeout {
            let (partition, offset) = ((*slot.source).clone(), slot.fetch_from());
            slot.fail(Error::Cluster { partition, offset, source });
            self.enqueue(index);
            return;
        }
        tracing::debug!(partition = %slot.source, %source, failures, "will try again");
        let at = now + work::back_off(failures, random);
        slot.retry_at = Some(at);
        self.metadata.retry(at);
        self.metadata.at(now);
        self.metrics.retried();
    }
}
