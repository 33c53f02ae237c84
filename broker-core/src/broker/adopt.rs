//! The broker follows the image: routes, open partitions, logs of topics that are gone.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use futures::StreamExt;

use super::Broker;
use super::routes::{Routes, Slot, State, TopicRoute};
use crate::api::{Error, ErrorCode};
use crate::config::{BrokerConfig, TopicConfig};
use crate::env::BoxFuture;
use crate::ids::TopicPartition;
use crate::log::{self, ErrorKind, OpenPartition, PartitionLog};
use crate::metadata::{Image, Topic};
use crate::partition::{Partition, PartitionSpec};
use crate::planted::is_planted;

/// Partitions rebuilt, or closed, at a time: enough to hide a slow medium, few enough to bound memory.
pub(super) const AT_ONCE: usize = 64;

/// A partition that is to be opened.
struct Opening {
    slot: Arc<Slot>,
    spec: PartitionSpec,
}

impl Broker {
    /// Brings what this broker does in line with the newest image that its writer knows. Cheap when
    /// nothing changed. Dropping the future leaves work for the next call, and nothing half-done that
    /// would be taken for done.
    ///
    /// # Errors
    /// The configs of a topic that this version does not understand.
    pub(super) async fn adopt(&self) -> Result<(), Error> {
        let _adopting = self.adopting.lock().await;
        let image = self.writer.image();
        if self.check_registered(&image).is_err() {
            self.give_up_all().await;
            return Ok(());
        }
        if image.position() > self.routes().image.position() {
            for partition in self.route(&image)? {
                // Wakes who waits for its records. Its topic is gone: what is lost of it no one will miss.
                let _ = partition.close().await;
            }
        }
        if !self.is_closed() {
            self.open_led().await;
            self.follow_group_log();
            self.remove_doomed().await;
        }
        Ok(())
    }

    /// Makes and swaps in the routes of `image`. Returns the partitions of topics that are gone.
    fn route(&self, image: &Arc<Image>) -> Result<Vec<Arc<Partition>>, Error> {
        let old = self.routes();
        let none = BTreeMap::new();
        let altered = image.broker_configs(self.id()).unwrap_or(&none);
        let same_defaults = old.image.broker_configs(self.id()).unwrap_or(&none) == altered;
        let defaults = self.config.altered_by(altered)?;
        let plain = Arc::new(defaults.topic_defaults().clone());

        let mut topics = old.topics.clone();
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        let mut before = old.image.topics().peekable();
        for topic in image.topics() {
            let name = &topic.metadata.name;
            // Both are sorted by name: what is passed over is not there any more.
            while let Some(deleted) = before.next_if(|before| before.metadata.name < *name) {
                gone.extend(topics.remove(&deleted.metadata.name));
            }
            let same = before.next_if(|before| before.metadata.name == *name);
            if same_defaults && same.is_some_and(|before| Arc::ptr_eq(before, topic)) {
                continue;
            }
            let replaced = topics.get(name).filter(|before| before.metadata.id == topic.metadata.id);
            let route = route(topic, replaced.map(AsRef::as_ref), &defaults, &plain)?;
            let was_other = replaced.is_none();
            gone.extend(topics.insert(name.clone(), Arc::new(route)).filter(|_| was_other));
            changed.push(name.clone());
        }
        gone.extend(before.filter_map(|deleted| topics.remove(&deleted.metadata.name)));
        if !gone.is_empty() {
            self.groups.topics_went();
        }
        let gone: Vec<_> = gone.iter().flat_map(|route| &route.slots).collect();
        // Both lists before the swap: what is dropped after it is still on them.
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).extend(changed);
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner).extend(gone.iter().map(|slot| slot.id));
        let routes = Arc::new(Routes { image: Arc::clone(image), topics });
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
        let closing = gone.into_iter().filter_map(|slot| match slot.replace(State::Idle) {
            State::Leading(partition) => Some(partition),
            State::Idle | State::Failed { .. } => None,
        });
        Ok(closing.collect())
    }

    /// Opens what the image says this broker leads, by one call of the storage, and closes what it leads no
    /// more. Looks only at topics that changed: creating one costs nothing per topic that is there.
    async fn open_led(&self) {
        let unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let routes = self.routes();
        let mut opening = Vec::new();
        for route in unsettled.iter().filter_map(|name| routes.topics.get(name)) {
            self.settle(route, &mut opening).await;
        }
        self.open(opening).await;
        // Not before it is done: a dropped call leaves them to the next.
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).retain(|name| !unsettled.contains(name));
    }

    async fn settle(&self, route: &TopicRoute, opening: &mut Vec<Opening>) {
        for (slot, partition) in route.slots.iter().zip(route.metadata.partitions.iter()) {
            if partition.leader != Some(self.id()) {
                if let State::Leading(led) = slot.replace(State::Idle) {
                    // The new leader fences it in any case.
                    let _ = led.close().await;
                }
            } else if !slot.was_opened_at(partition.leader_epoch) {
                let spec = PartitionSpec {
                    id: slot.id,
                    name: TopicPartition::new(route.metadata.name.clone(), partition.partition),
                    epoch: partition.leader_epoch,
                    config: Arc::clone(&route.config),
                    durability: self.durability(),
                    producers: Arc::clone(&self.producers),
                };
                opening.push(Opening { slot: Arc::clone(slot), spec });
            }
        }
    }

    async fn open(&self, opening: Vec<Opening>) {
        if opening.is_empty() {
            return;
        }
        let wanted: Vec<_> =
            opening.iter().map(|opening| OpenPartition { id: opening.slot.id, epoch: opening.spec.epoch }).collect();
        let logs = self.backend.logs.open_many(&wanted).await;
        let mut rebuilding: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(opening.len());
        for (opening, log) in opening.into_iter().zip(logs) {
            rebuilding.push(Box::pin(self.rebuild(opening, log)));
        }
        futures::stream::iter(rebuilding).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Makes a partition of an opened log, and puts what comes of it into its place.
    async fn rebuild(&self, opening: Opening, log: Result<Arc<dyn PartitionLog>, log::Error>) {
        let Opening { slot, spec } = opening;
        let (epoch, name) = (spec.epoch, spec.name.clone());
        if let Err(error) = &log
            && error.kind() == ErrorKind::Poisoned
            && let Some(before) = slot.leading().filter(|before| before.is_poisoned())
            && !is_planted("poisoned-partition-dropped")
        {
            // Nobody else writes to it either: what it has that is durable can be read meanwhile.
            before.stays_for(epoch);
            return;
        }
        let opened = match log {
            Ok(log) => Partition::open(spec, log, Arc::clone(&self.backend.snapshots), &self.env).await,
            Err(error) => Err(Error::new(error.code(), format!("partition {name} could not be opened: {error}"))),
        };
        slot.replace(match opened {
            Ok(partition) => State::Leading(partition),
            Err(error) => {
                tracing::warn!(partition = %name, %epoch, %error, "a partition could not be opened");
                State::Failed { epoch, error }
            }
        });
    }

    /// Removes the logs of topics that are gone. What fails is tried again by the next call.
    async fn remove_doomed(&self) {
        let doomed = self.doomed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if doomed.is_empty() || is_planted("recreated-topic-sees-old-log") {
            return;
        }
        let mut removed = self.backend.logs.remove(&doomed).await;
        for id in &doomed {
            if removed.is_ok() {
                removed = self.backend.snapshots.remove(*id).await;
            }
        }
        match removed {
            Ok(()) => {
                // Only the oldest were looked at: the list grows at its end.
                let mut list = self.doomed.lock().unwrap_or_else(PoisonError::into_inner);
                let done = doomed.len().min(list.len());
                list.drain(..done);
            }
            Err(error) => {
                tracing::warn!(%error, logs = doomed.len(), "logs of deleted topics could not be removed yet");
            }
        }
    }

    /// Leads nothing any more.
    async fn give_up_all(&self) {
        self.groups.resign_all();
        for slot in self.routes().slots() {
            if let State::Leading(partition) = slot.replace(State::Idle) {
                // Fenced by the broker that took over: what closing says of it is no news.
                let _ = partition.close().await;
            }
        }
    }

    /// What there is to say of a place without a partition.
    pub(super) fn not_leading(&self, partition: &TopicPartition, route: &TopicRoute, slot: &Slot) -> Error {
        if self.is_superseded() {
            return self.superseded_error(ErrorCode::NotLeaderOrFollower);
        }
        if let State::Failed { error, .. } = slot.state() {
            let message = format!("{partition} is being opened again: {}", error.message);
            return Error::new(ErrorCode::KafkaStorageError, message);
        }
        let known = usize::try_from(partition.partition).ok().and_then(|at| route.metadata.partitions.get(at));
        let message = match known.and_then(|known| known.leader) {
            Some(leader) if leader == self.id() => format!("{partition} is being opened: try again"),
            Some(leader) => format!("{partition} is led by broker {leader}, not by {}", self.id()),
            None => format!("{partition} has no leader at the moment"),
        };
        Error::new(ErrorCode::NotLeaderOrFollower, message)
    }

    /// Every open partition, by topic name and number.
    pub(super) fn led(&self) -> Vec<Arc<Partition>> {
        self.routes().slots().filter_map(|slot| slot.leading()).collect()
    }
}

fn route(
    topic: &Topic,
    before: Option<&TopicRoute>,
    defaults: &BrokerConfig,
    plain: &Arc<TopicConfig>,
) -> Result<TopicRoute, Error> {
    let metadata = &topic.metadata;
    let config = if topic.configs.is_empty() {
        Arc::clone(plain)
    } else {
        Arc::new(
            TopicConfig::from_entries(&topic.configs, defaults)
                .map_err(|error| Error::new(ErrorCode::InvalidConfig, format!("topic `{}`: {error}", metadata.name)))?,
        )
    };
    let slots = metadata.partitions.iter().enumerate().map(|(at, partition)| {
        let kept = before.and_then(|before| before.slots.get(at));
        kept.map_or_else(|| Arc::new(Slot::new(metadata.id, partition.partition)), Arc::clone)
    });
    let slots: Vec<_> = slots.collect();
    if before.is_some_and(|before| before.config != config) {
        for partition in slots.iter().filter_map(|slot| slot.leading()) {
            partition.set_config(Arc::clone(&config));
        }
    }
    Ok(TopicRoute { metadata: Arc::clone(metadata), config, slots })
}
