//! Building a reader.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{self, ErrorCode, IsolationLevel, Metadata, MetadataRequest, TopicMetadata, TopicsWanted};
use ottla_broker_core::{InvalidTopicName, Offset, TopicName, TopicPartition};

use super::Reader;
use super::at::{At, OutOfRange};
use super::engine::Engine;
use super::error::Error;
use super::selection::Selection;
use super::settings::Settings;
use super::slot::Slot;
use super::work;
use crate::client::Opened;

/// Says what a [`Reader`] reads and how. From [`Client::reader`](crate::Client::reader).
#[derive(Debug)]
#[must_use = "nothing is read before `build`"]
pub struct Builder {
    opened: Result<Opened, crate::Error>,
    settings: Settings,
    selection: Selection,
    start: At,
    starts: BTreeMap<TopicPartition, At>,
    end: Option<At>,
    ends: BTreeMap<TopicPartition, At>,
    bad_name: Option<InvalidTopicName>,
}

impl Builder {
    pub(crate) fn new(opened: Result<Opened, crate::Error>, settings: Settings) -> Self {
        Self {
            opened,
            settings,
            selection: Selection::default(),
            start: At::Earliest,
            starts: BTreeMap::new(),
            end: None,
            ends: BTreeMap::new(),
            bad_name: None,
        }
    }

    fn name(&mut self, name: impl AsRef<str>) -> Option<TopicName> {
        TopicName::new(name).map_err(|error| self.bad_name = Some(error)).ok()
    }

    /// Reads all partitions of a topic; while it follows, also those that are added.
    pub fn topic(mut self, name: impl AsRef<str>) -> Self {
        if let Some(name) = self.name(name) {
            self.selection.add_topic(name);
        }
        self
    }

    /// [`topic`](Self::topic) for each of these.
    pub fn topics(self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        names.into_iter().fold(self, Self::topic)
    }

    /// Reads this partition of a topic. Repeat it for more.
    pub fn partition(mut self, topic: impl AsRef<str>, partition: i32) -> Self {
        if let Some(name) = self.name(topic) {
            self.selection.add_partition(name, partition);
        }
        self
    }

    /// Where every partition begins, unless [`start_at`](Self::start_at) says otherwise; [`At::Earliest`] by default.
    /// Partitions that are added while the reader follows begin at their first record.
    pub const fn start(mut self, at: At) -> Self {
        self.start = at;
        self
    }

    /// Where one partition begins; it is read even if nothing else of its topic was asked for.
    pub fn start_at(mut self, topic: impl AsRef<str>, partition: i32, at: At) -> Self {
        if let Some(name) = self.name(topic) {
            self.selection.add_partition(name.clone(), partition);
            self.starts.insert(TopicPartition::new(name, partition), at);
        }
        self
    }

    /// Follows for ever: the default.
    pub fn follow(mut self) -> Self {
        self.end = None;
        self
    }

    /// Ends each partition where it ends now, when the reader is built.
    pub const fn to_end(self) -> Self {
        self.until(At::Latest)
    }

    /// Ends every partition before this place, as it lies when the reader is built.
    pub const fn until(mut self, at: At) -> Self {
        self.end = Some(at);
        self
    }

    /// Ends one partition before this place; the others end as [`until`](Self::until) says, or where they end now.
    pub fn until_at(mut self, topic: impl AsRef<str>, partition: i32, at: At) -> Self {
        if let Some(name) = self.name(topic) {
            self.selection.add_partition(name.clone(), partition);
            self.ends.insert(TopicPartition::new(name, partition), at);
        }
        self
    }

    /// What to do when the position is not in the log; [`OutOfRange::Fail`] by default.
    pub const fn if_out_of_range(mut self, policy: OutOfRange) -> Self {
        self.settings.if_out_of_range = policy;
        self
    }

    /// Which records of transactions are seen; [`IsolationLevel::ReadUncommitted`] by default.
    pub const fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.settings.isolation = isolation;
        self
    }

    /// Bytes of batches that are fetched ahead at most, beside the one that is handed over; 16 MiB by
    /// default. One batch a leader may exceed it.
    pub const fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_buffered_bytes = bytes;
        self
    }

    /// Bytes of one partition that are fetched at once at most; 1 MiB by default. A larger batch is fetched whole.
    pub const fn partition_bytes(mut self, bytes: usize) -> Self {
        self.settings.partition_bytes = bytes;
        self
    }

    /// Bytes that a leader waits for before it answers, for `max_wait` at most; 1 by default.
    pub const fn min_bytes(mut self, bytes: usize) -> Self {
        self.settings.min_bytes = bytes;
        self
    }

    /// How long a leader waits for `min_bytes`; 500 ms by default. New records end the wait at once.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.settings.max_wait = wait;
        self
    }

    /// How often new partitions are looked for; 10 s by default.
    pub const fn metadata_refresh(mut self, age: Duration) -> Self {
        self.settings.metadata_refresh = age;
        self
    }

    /// How long a partition that cannot be read is tried again before `next` says so; 60 s by default.
    pub const fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.settings.retry_timeout = timeout;
        self
    }

    /// Builds the reader: looks the topics up, and the places where it begins and ends.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::Error::Invalid), [`Error::UnknownTopic`](super::Error::UnknownTopic),
    /// [`Error::UnknownPartition`](super::Error::UnknownPartition), what the cluster said, or
    /// [`Closed`](crate::Error::Closed) for the client.
    pub async fn build(mut self) -> Result<Reader, crate::Error> {
        let opened = match std::mem::replace(&mut self.opened, Err(crate::Error::Closed { doing: String::new() })) {
            Ok(opened) => opened,
            Err(error) => return Err(error),
        };
        self.check()?;
        let bounded = self.end.is_some() || !self.ends.is_empty();
        if bounded {
            self.selection.bound();
        }
        let shared = opened.new_reader()?;
        let context = opened.context.clone();
        let topics = topics(&context, &self.selection.topics(), &self.settings).await?;
        let mut slots = Vec::new();
        for topic in &topics {
            self.slots(topic, bounded, &mut slots)?;
        }
        let mut engine = Engine::new(context, self.settings, self.selection, shared);
        engine.slots = slots;
        let now = engine.context.env.now();
        if engine.slots.iter().any(|slot| slot.leader.is_none()) {
            engine.metadata.at(now);
        } else if !bounded {
            engine.metadata.at(now + engine.settings.metadata_refresh);
        }
        poll_fn(|cx| engine.poll_resolved(cx)).await?;
        Ok(Reader::new(engine, opened))
    }

    fn check(&mut self) -> Result<(), crate::Error> {
        if let Some(error) = self.bad_name.take() {
            return Err(error.into());
        }
        let invalid = |reason: &str| Err(Error::Invalid { reason: reason.to_owned() }.into());
        if self.selection.is_empty() {
            return invalid("no topic was named; call `topic(..)` or `partition(..)`");
        }
        if self.settings.max_buffered_bytes == 0 || self.settings.partition_bytes == 0 {
            return invalid("`max_buffered_bytes` and `partition_bytes` must be at least 1");
        }
        let places = self.starts.values().chain(self.ends.values()).chain([&self.start]).chain(&self.end);
        if places.into_iter().any(|at| matches!(at, At::Offset(offset) if *offset < Offset::ZERO)) {
            return invalid("offsets begin at 0; for the first record that is there write `At::Earliest`");
        }
        Ok(())
    }

    fn slots(&self, topic: &TopicMetadata, bounded: bool, slots: &mut Vec<Slot>) -> Result<(), Error> {
        let chosen = self.selection.partitions(&topic.name);
        if let Some(partition) = chosen
            .into_iter()
            .flatten()
            .find(|partition| usize::try_from(**partition).map_or(true, |index| index >= topic.partitions.len()))
        {
            let partition = TopicPartition::new(topic.name.clone(), *partition);
            return Err(Error::UnknownPartition { partition, count: topic.partitions.len() });
        }
        for partition in topic.partitions.iter() {
            if chosen.is_some_and(|chosen| !chosen.contains(&partition.partition)) {
                continue;
            }
            let name = TopicPartition::new(topic.name.clone(), partition.partition);
            let start = self.starts.get(&name).copied().unwrap_or(self.start);
            let end = self.ends.get(&name).copied().or(self.end).or(bounded.then_some(At::Latest));
            let mut slot = Slot::new(name, topic.id, start, end);
            if let Some(At::Offset(offset)) = end {
                slot.resolved(work::Which::End, offset);
            }
            slot.leader = partition.leader;
            slot.epoch = partition.leader_epoch;
            slots.push(slot);
        }
        Ok(())
    }
}

/// The topics' metadata; retriable errors are waited out.
async fn topics(
    context: &crate::context::Context,
    names: &[TopicName],
    settings: &Settings,
) -> Result<Vec<Arc<TopicMetadata>>, Error> {
    let began = context.env.now();
    let mut failures = 0;
    loop {
        let request = MetadataRequest { topics: TopicsWanted::Names(names.to_vec()), allow_auto_create: false };
        match context.cluster.metadata(request).await.and_then(|metadata| known(names, metadata)) {
            Err(source) if source.is_retriable() && context.env.now().since(began) < settings.retry_timeout => {
                context.env.sleep(work::back_off(failures, context.env.random_u64())).await;
                failures += 1;
            }
            Err(source) => return Err(Error::Metadata { source }),
            Ok(topics) => return topics,
        }
    }
}

/// The outer error may be waited out, the inner one may not.
fn known(names: &[TopicName], metadata: Metadata) -> Result<Result<Vec<Arc<TopicMetadata>>, Error>, api::Error> {
    let mut topics = Vec::with_capacity(names.len());
    for (name, answer) in names.iter().zip(metadata.topics) {
        match answer {
            Ok(topic) => topics.push(topic),
            Err(error) if error.code == ErrorCode::UnknownTopicOrPartition => {
                return Ok(Err(Error::UnknownTopic { topic: name.clone() }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Ok(topics))
}
