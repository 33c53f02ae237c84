//! What a consumer hears of its partitions: its listener, and an assignor that says which generation its share is of.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ottla::consumer::{
    Assignments, Assignor, Committer, Handle, MemberSubscription, RebalanceListener, RebalanceProtocol, TopicCounts,
};
use ottla::{At, Generation, Offset, Subscription, TopicPartition};

use super::chance::Chance;
use super::consumed::Consumed;
use super::run::Shared;

/// What everything about one consumer tells with.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    pub(super) shared: Shared,
    /// The group's place in the cast.
    pub(super) group: usize,
    pub(super) consumer: u32,
}

impl Voice {
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut Consumed) -> Result<T, String>) -> Option<T> {
        self.shared.history.consumed(self.group, change)
    }

    pub(super) fn event(&self, what: std::fmt::Arguments<'_>) {
        self.shared.history.event(format_args!("consumer {}: {what}", self.consumer));
    }

    pub(super) fn place(&self, partition: &TopicPartition) -> usize {
        self.shared.place(partition.topic.as_str(), partition.partition)
    }

    /// Goes to another place of a partition that it has.
    pub(super) fn seek(&self, handle: &Handle, partition: &TopicPartition, chance: &Chance) {
        let at = self.place(partition);
        let end = u64::try_from(self.shared.history.known_end(at)).unwrap();
        let position = self.note(|consumed| Ok(consumed.position(self.consumer, at))).flatten().unwrap_or(0);
        let near = u64::try_from(position).unwrap().saturating_sub(30);
        let to = match chance.between(0, 3) {
            0 => None,
            1 => Some(chance.between(0, end)),
            // Near its place it meets what is on its way.
            _ => Some(chance.between(near.min(end), (near + 40).min(end))),
        };
        let to = to.map(|to| i64::try_from(to).unwrap());
        if handle.seek(partition, to.map_or(At::Earliest, |to| At::Offset(Offset(to)))).is_ok() {
            self.event(format_args!("seeks {to:?} of {at}, from {position}"));
            self.shared.history.count("sought");
            self.note(|consumed| {
                consumed.sought(self.consumer, at, to.unwrap_or(0));
                Ok(())
            });
        }
    }
}

/// A listener that writes down what it hears.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) voice: Voice,
    pub(super) chance: Chance,
    pub(super) seeks: bool,
}

impl Listener {
    fn places(&self, partitions: &[TopicPartition]) -> Vec<usize> {
        partitions.iter().map(|partition| self.voice.place(partition)).collect()
    }

    fn is_calm(&self) -> bool {
        self.voice.shared.is_healed()
    }
}

#[async_trait]
impl RebalanceListener for Listener {
    async fn assigned(&self, partitions: &[TopicPartition], handle: &Handle) {
        let places = self.places(partitions);
        self.voice.event(format_args!("hears that {places:?} are its own"));
        self.voice.shared.history.count("assigned");
        for at in places {
            if self.voice.note(|consumed| consumed.assigned(self.voice.consumer, at)) == Some(true) {
                self.voice.event(format_args!("shares {at} with one who was fenced and does not know"));
            }
        }
        if self.is_calm() {
            return;
        }
        for partition in partitions {
            if self.seeks && self.chance.one_in(10) {
                self.voice.seek(handle, partition, &self.chance);
            }
        }
        if self.chance.one_in(4) {
            self.chance.0.sleep(self.chance.ms(1, 500)).await;
        }
    }

    async fn revoked(&self, partitions: &[TopicPartition], committer: &Committer) {
        let places = self.places(partitions);
        self.voice.event(format_args!("is to give {places:?} up"));
        self.voice.shared.history.count("revoked");
        for at in &places {
            self.voice.note(|consumed| {
                consumed.stops(self.voice.consumer, *at);
                Ok(())
            });
        }
        if !self.is_calm() && self.chance.one_in(4) {
            self.chance.0.sleep(self.chance.ms(1, 1_000)).await;
        }
        if self.chance.one_in(3) {
            let committed = committer.commit().await;
            self.voice.event(format_args!("commits before it gives up: {:?}", committed.err()));
        }
        for at in places {
            self.voice.note(|consumed| {
                consumed.released(self.voice.consumer, at);
                Ok(())
            });
        }
    }

    async fn lost(&self, partitions: &[TopicPartition]) {
        let places = self.places(partitions);
        self.voice.event(format_args!("has lost {places:?}"));
        self.voice.shared.history.count("lost");
        for at in places {
            self.voice.note(|consumed| {
                consumed.lost(self.voice.consumer, at);
                Ok(())
            });
        }
    }
}

/// An assignor as it is, that writes down whose share it is told.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) voice: Voice,
    pub(super) inner: Arc<dyn Assignor>,
}

impl Assignor for Heard {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn protocol(&self) -> RebalanceProtocol {
        self.inner.protocol()
    }

    fn user_data(&self, subscription: &Subscription) -> Option<Bytes> {
        self.inner.user_data(subscription)
    }

    fn claimed_in(&self, member: &MemberSubscription) -> Generation {
        self.inner.claimed_in(member)
    }

    fn assign(&self, members: &[MemberSubscription], topics: &TopicCounts) -> Assignments {
        self.inner.assign(members, topics)
    }

    fn share_data(&self, member: &MemberSubscription, share: &[TopicPartition]) -> Option<Bytes> {
        self.inner.share_data(member, share)
    }

    fn assigned(&self, generation: Generation, share: &[TopicPartition], data: Option<&Bytes>) {
        self.voice.note(|consumed| {
            consumed.told(self.voice.consumer, generation.0);
            Ok(())
        });
        self.inner.assigned(generation, share, data);
    }
}
