//! Building a consumer.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::IsolationLevel;
use ottla_broker_core::api::group::{GroupId, InstanceId};
use ottla_broker_core::{InvalidTopicName, Offset, TopicName, TopicPartition};
use tokio::sync::mpsc;

use super::acks::MaxUnacked;
use super::assignor::{Assignor, CooperativeSticky, common_protocol};
use super::commit::Commit;
use super::coordinator::Coordinator;
use super::core::Core;
use super::driver::{self, Driver, Parts};
use super::error::Error;
use super::handle::Handle;
use super::listener::{NoListener, RebalanceListener};
use super::membership::Config;
use super::settings::{IfNoOffset, Settings};
use super::shared::Shared;
use super::surface::Consumer;
use super::typed::{OnDecodeError, TypedConsumer};
use super::wanted::{Pattern, Wanted};
use crate::client::Opened;
use crate::codec::Decode;
use crate::reader::{At, Engine, OutOfRange, Selection};

/// Says what a [`Consumer`] reads and how. From [`Client::consumer`](crate::Client::consumer).
#[derive(Debug)]
#[must_use = "nothing is consumed before `build`"]
pub struct Builder {
    opened: Result<Opened, crate::Error>,
    group: GroupId,
    settings: Settings,
    wanted: Wanted,
    assignors: Vec<Arc<dyn Assignor>>,
    listener: Arc<dyn RebalanceListener>,
    max_unacked: u32,
    bad_name: Option<InvalidTopicName>,
}

impl Builder {
    pub(crate) fn new(opened: Result<Opened, crate::Error>, group: GroupId, settings: Settings) -> Self {
        Self {
            opened,
            group,
            max_unacked: settings.max_unacked.get(),
            settings,
            wanted: Wanted::default(),
            assignors: vec![Arc::new(CooperativeSticky)],
            listener: Arc::new(NoListener),
            bad_name: None,
        }
    }

    fn name(&mut self, name: impl AsRef<str>) -> Option<TopicName> {
        TopicName::new(name).map_err(|error| self.bad_name = Some(error)).ok()
    }

    /// Consumes these topics, also the partitions that are added to them. They must exist.
    pub fn topics(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for name in names {
            let name = self.name(name);
            self.wanted.topics.extend(name);
        }
        self
    }

    /// Consumes the topics whose names match, also those that are created later. `*` is any text, `?` one
    /// character. Repeat it for more.
    pub fn pattern(mut self, pattern: impl Into<Pattern>) -> Self {
        self.wanted.patterns.push(pattern.into());
        self
    }

    /// Consumes exactly these partitions, without becoming a member: nobody else is considered, and nothing is
    /// rebalanced. Offsets are kept in the group's name all the same (which it takes only while it has no members),
    /// unless [`Commit::Application`] keeps them elsewhere.
    pub fn assign(mut self, partitions: impl IntoIterator<Item = (impl AsRef<str>, i32)>) -> Self {
        for (topic, partition) in partitions {
            if let Some(name) = self.name(topic) {
                self.wanted.partitions.push(TopicPartition::new(name, partition));
            }
        }
        self
    }

    /// Where to begin when nothing is committed; [`At::Earliest`] by default. [`IfNoOffset::Fail`] to be asked.
    pub fn if_no_offset(mut self, place: impl Into<IfNoOffset>) -> Self {
        self.settings.if_no_offset = place.into();
        self
    }

    /// What to do when the committed offset is not in the log any more; [`OutOfRange::Fail`] by default.
    pub const fn if_out_of_range(mut self, policy: OutOfRange) -> Self {
        self.settings.reader.if_out_of_range = policy;
        self
    }

    /// When to commit; [`Commit::OnAck`] every second by default: at least once.
    pub const fn commit(mut self, commit: Commit) -> Self {
        self.settings.commit = commit;
        self
    }

    /// The ways to divide partitions that it can take part in, the favourite first; [`CooperativeSticky`] alone by
    /// default, which Kafka's clients have in their default list too. All members need one in common. Rebalances are
    /// cooperative only if every one of them is: with [`Range`](super::Range) in the list, which the group may settle
    /// on, everything is given up before each.
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Arc<dyn Assignor>>) -> Self {
        self.assignors = assignors.into_iter().collect();
        self
    }

    /// Is told of partitions that come and go.
    pub fn on_rebalance(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Arc::new(listener);
        self
    }

    /// How many messages of a partition may be out, counted from the first that is not acknowledged; 10,000 by
    /// default. When so many are, the partition is held back; [`Handle::held_back`] says why.
    pub const fn max_unacked(mut self, messages: u32) -> Self {
        self.max_unacked = messages;
        self
    }

    /// How long the application may be busy between polls before its partitions go to others; 5 min by
    /// default. It is noticed within a heartbeat interval. Also how long the group waits for it in a rebalance.
    pub const fn max_poll_interval(mut self, interval: Duration) -> Self {
        self.settings.max_poll_interval = interval;
        self
    }

    /// Without a heartbeat for so long, the group takes the consumer for dead; 45 s by default.
    pub const fn session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.session_timeout = timeout;
        self
    }

    /// The time between heartbeats; 3 s by default.
    pub const fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.settings.heartbeat_interval = interval;
        self
    }

    /// How long a listener may take over what is revoked before it counts as lost; 1 min by default.
    pub const fn revoke_timeout(mut self, timeout: Duration) -> Self {
        self.settings.revoke_timeout = timeout;
        self
    }

    /// How long a commit is tried; 30 s by default.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    /// Makes it a static member (KIP-345): back under the same name within the session time-out it gets its
    /// partitions back without a rebalance. It does not leave the group when it closes.
    pub fn group_instance_id(mut self, name: impl Into<String>) -> Self {
        self.settings.group_instance_id = Some(name.into());
        self
    }

    /// Whether it leaves the group when it closes; by default only a static member does not.
    pub const fn leave_on_close(mut self, leave: bool) -> Self {
        self.settings.leave_on_close = Some(leave);
        self
    }

    /// Which records of transactions are seen; [`IsolationLevel::ReadUncommitted`] by default.
    pub const fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.settings.reader.isolation = isolation;
        self
    }

    /// Bytes of batches that are fetched ahead at most; 16 MiB by default. As
    /// [`reader::Builder::max_buffered_bytes`](crate::reader::Builder::max_buffered_bytes).
    pub const fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.settings.reader.max_buffered_bytes = bytes;
        self
    }

    /// Bytes of one partition that are fetched at once at most; 1 MiB by default. A larger batch is fetched whole.
    pub const fn partition_bytes(mut self, bytes: usize) -> Self {
        self.settings.reader.partition_bytes = bytes;
        self
    }

    /// How long a leader waits for records; 500 ms by default. New records end the wait at once.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.settings.reader.max_wait = wait;
        self
    }

    /// How often new topics and partitions are looked for; 10 s by default.
    pub const fn metadata_refresh(mut self, age: Duration) -> Self {
        self.settings.reader.metadata_refresh = age;
        self
    }

    /// Decodes keys and values. Null ones stay outside the codecs.
    pub const fn typed<K: Decode, V: Decode>(self, key: K, value: V) -> TypedBuilder<K, V> {
        TypedBuilder { builder: self, key, value, policy: OnDecodeError::Fail }
    }

    /// Builds the consumer: looks the topics up, and joins the group in the background.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UnknownTopic`], [`Error::Cluster`], or
    /// [`Closed`](crate::Error::Closed) for the client.
    pub async fn build(mut self) -> Result<Consumer, crate::Error> {
        let opened = std::mem::replace(&mut self.opened, Err(crate::Error::Closed { doing: String::new() }))?;
        self.check()?;
        let context = opened.context.clone();
        let settings = self.settings.clone();
        let coordinator = Arc::new(Coordinator::new(
            context.clone(),
            self.group.clone(),
            settings.request_timeout,
            settings.retry_backoff,
        ));
        let topics = self.topics_now(&coordinator).await?;
        let (control, controls) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(self.group.clone(), control));
        opened.registry.add_consumer(&shared)?;
        let engine =
            Engine::new(context.clone(), settings.reader.clone(), Selection::default(), Arc::clone(&shared.reader));
        let core = Core::new(engine, Arc::clone(&shared), settings.commit, settings.max_unacked);
        let handle = Handle::new(Arc::clone(&shared), Arc::clone(&coordinator), &settings);
        let member = self.wanted.partitions.is_empty().then(|| self.member(&context.env));
        let env = context.env.clone();
        let driver = Driver::new(Parts {
            context,
            shared,
            settings,
            wanted: self.wanted,
            assignors: self.assignors,
            listener: self.listener,
            coordinator,
            member,
            control: controls,
        });
        // Nobody waits for the task: it ends when the consumer is shut down or dropped.
        drop(env.spawn("ottla-consumer", driver.run(topics)));
        Ok(Consumer { core, handle, opened })
    }

    fn member(&self, env: &ottla_broker_core::env::Env) -> Config {
        Config {
            protocol: common_protocol(&self.assignors),
            instance: self.settings.group_instance_id.as_deref().map(InstanceId::from),
            session_timeout: self.settings.session_timeout,
            heartbeat_interval: self.settings.heartbeat_interval,
            rebalance_timeout: self.settings.max_poll_interval,
            max_poll_interval: self.settings.max_poll_interval,
            revoke_timeout: self.settings.revoke_timeout,
            retry_backoff: self.settings.retry_backoff,
            jitter_seed: env.random_u64(),
            leave_group: self.settings.leave_on_close,
            ..Config::default()
        }
    }

    fn check(&mut self) -> Result<(), crate::Error> {
        if let Some(error) = self.bad_name.take() {
            return Err(error.into());
        }
        let group = self.group.clone();
        let invalid = |reason: String| Err(Error::Invalid { group: group.clone(), reason }.into());
        if group.as_str().is_empty() {
            return invalid("its name is empty".to_owned());
        }
        if self.wanted.is_empty() {
            return invalid("no topic was named; call `topics(..)`, `pattern(..)` or `assign(..)`".to_owned());
        }
        let by_name = !self.wanted.topics.is_empty() || !self.wanted.patterns.is_empty();
        if by_name && !self.wanted.partitions.is_empty() {
            return invalid(
                "`assign` chooses partitions by hand, and does not go with `topics` or `pattern`".to_owned(),
            );
        }
        if self.assignors.is_empty() {
            return invalid("it has no assignor; leave `assignors` out for the defaults".to_owned());
        }
        self.settings.max_unacked = match MaxUnacked::new(self.max_unacked) {
            Some(max_unacked) => max_unacked,
            None => return invalid(format!("`max_unacked` is 1 to {}, not {}", MaxUnacked::LIMIT, self.max_unacked)),
        };
        if self.settings.reader.max_buffered_bytes == 0 || self.settings.reader.partition_bytes == 0 {
            return invalid("`max_buffered_bytes` and `partition_bytes` must be at least 1".to_owned());
        }
        if let IfNoOffset::Start(At::Offset(offset)) = self.settings.if_no_offset
            && offset < Offset::ZERO
        {
            return invalid("offsets begin at 0; for the first record that is there write `At::Earliest`".to_owned());
        }
        if let Err((name, value, reason)) = self.settings.check() {
            return invalid(format!("`{name}` cannot be {value:?}: {reason}"));
        }
        self.wanted.topics.sort_unstable();
        self.wanted.topics.dedup();
        self.wanted.partitions.sort_unstable();
        self.wanted.partitions.dedup();
        Ok(())
    }

    /// The topics as they are. What was named must be there: a typing error would wait for ever.
    async fn topics_now(&self, coordinator: &Coordinator) -> Result<driver::Counts, Error> {
        let mut wanted = self.wanted.clone();
        wanted.topics.extend(wanted.partitions.iter().map(|partition| partition.topic.clone()));
        let until = coordinator.context.env.now() + self.settings.reader.retry_timeout;
        let mut failures = 0;
        let counts = loop {
            let asked = driver::count_wanted(&coordinator.context, &wanted, Vec::new());
            match coordinator.bounded(self.settings.request_timeout, asked).await {
                Ok(counts) => break counts,
                Err(error) if error.is_retriable() && coordinator.context.env.now() < until => {
                    coordinator.pause(failures).await;
                    failures += 1;
                }
                Err(source) => {
                    let (group, doing) = (self.group.clone(), "look its topics up".to_owned());
                    return Err(Error::Cluster { group, doing, source });
                }
            }
        };
        if let Some(topic) = wanted.topics.iter().find(|topic| !counts.contains_key(*topic)) {
            return Err(Error::UnknownTopic { group: self.group.clone(), topic: topic.clone() });
        }
        for partition in &wanted.partitions {
            let count = counts.get(&partition.topic).copied().unwrap_or(0);
            if !(0..count).contains(&partition.partition) {
                let count = usize::try_from(count).unwrap_or(0);
                return Err(crate::reader::Error::UnknownPartition { partition: partition.clone(), count }.into());
            }
        }
        Ok(counts)
    }
}

/// A [`Builder`] with codecs.
#[derive(Debug)]
#[must_use = "nothing is consumed before `build`"]
pub struct TypedBuilder<K, V> {
    builder: Builder,
    key: K,
    value: V,
    policy: OnDecodeError,
}

impl<K: Decode, V: Decode> TypedBuilder<K, V> {
    /// What to do with a record that cannot be decoded; [`OnDecodeError::Fail`] by default.
    pub fn on_decode_error(mut self, policy: OnDecodeError) -> Self {
        self.policy = policy;
        self
    }

    /// Builds the consumer.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn build(self) -> Result<TypedConsumer<K, V>, crate::Error> {
        let consumer = self.builder.build().await?;
        Ok(TypedConsumer::new(consumer, self.key, self.value, self.policy))
    }
}
