//! From one image to another: what a copy of a cluster has yet to be told.

use std::collections::BTreeMap;

use super::command::{Command, Election, TopicElections};
use super::image::{Image, Topic};
use crate::api::{PartitionMetadata, TopicMetadata};
use crate::ids::{BrokerId, LeaderEpoch};
use crate::planted::is_planted;

impl Image {
    /// The commands after which this image says what `target` says. Two things only grow, and so may end above the
    /// target's:
    ///
    /// - leader epochs. Every partition that is here already goes to a new one, so that its log can be opened
    ///   again: at or above the target's, and above its own;
    /// - the next producer id. One that was given out is never given out again (invariant 3).
    ///
    /// Brokers that the target does not know stay, as they do in a log.
    pub(crate) fn towards(&self, target: &Self) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.cluster_id.is_empty() {
            commands.push(Command::CreateCluster { id: target.cluster_id.to_string() });
        }
        let new = target.brokers.values().filter(|broker| self.brokers.get(&broker.id) != Some(broker));
        commands.extend(new.cloned().map(Command::RegisterBroker));
        self.broker_configs_towards(target, &mut commands);
        self.scram_towards(target, &mut commands);
        let gone = self.topics().filter(|topic| kept(topic, target).is_none());
        commands.extend(gone.map(|topic| Command::DeleteTopic { id: topic.metadata.id }));

        let mut elected = Vec::new();
        for wanted in target.topics() {
            let before = self.topic(&wanted.metadata.name).filter(|before| is_earlier(before, wanted));
            let here = before.map_or(&[][..], |before| &before.metadata.partitions);
            topic_towards(before.map(AsRef::as_ref), wanted, &mut commands);
            let elections: Vec<_> = wanted
                .metadata
                .partitions
                .iter()
                .enumerate()
                .filter_map(|(at, to)| election(here.get(at), to))
                .collect();
            if !elections.is_empty() {
                elected.push(TopicElections { topic: wanted.metadata.id, elections });
            }
        }
        if !elected.is_empty() {
            commands.push(Command::ElectLeaders { topics: elected });
        }
        let (first, len) = (self.next_producer_id, target.next_producer_id - self.next_producer_id);
        if let Some(broker) = target.brokers.keys().next().filter(|_| len > 0)
            && !is_planted("copy-forgets-producer-ids")
        {
            // Whose they are does not matter any more: what is left of a block is never used.
            commands.push(Command::AllocateProducerIds { broker: *broker, first, len });
        }
        commands
    }

    fn broker_configs_towards(&self, target: &Self, commands: &mut Vec<Command>) {
        let none = BTreeMap::new();
        let known = self.broker_configs.keys().chain(target.broker_configs.keys());
        for broker in known.collect::<std::collections::BTreeSet<&BrokerId>>() {
            let from = self.broker_configs.get(broker).unwrap_or(&none);
            let changes = config_changes(from, target.broker_configs.get(broker).unwrap_or(&none));
            if !changes.is_empty() {
                commands.push(Command::AlterBrokerConfigs { broker: *broker, changes });
            }
        }
    }

    fn scram_towards(&self, target: &Self, commands: &mut Vec<Command>) {
        let gone =
            self.scram.iter().flat_map(|(user, of_user)| of_user.keys().map(move |mechanism| (user, *mechanism)));
        for (user, mechanism) in gone.filter(|(user, mechanism)| target.scram_keys(user, *mechanism).is_none()) {
            commands.push(Command::AlterScram { user: user.clone(), mechanism, keys: None });
        }
        for (user, of_user) in &*target.scram {
            for (mechanism, keys) in of_user {
                if self.scram_keys(user, *mechanism) != Some(keys) {
                    let (user, keys) = (user.clone(), Some(keys.clone()));
                    commands.push(Command::AlterScram { user, mechanism: *mechanism, keys });
                }
            }
        }
    }

    /// The first thing in which this image, brought [towards](Self::towards) `target`, is another, in words.
    pub(crate) fn difference(&self, target: &Self) -> Option<String> {
        let none = BTreeMap::new();
        if self.cluster_id != target.cluster_id {
            return Some(format!("its cluster is {}, not {}", self.cluster_id, target.cluster_id));
        }
        if let Some(id) = target.brokers.iter().find(|(id, broker)| self.brokers.get(id) != Some(broker)) {
            return Some(format!("broker {} is another", id.0));
        }
        let configs = target
            .brokers
            .keys()
            .find(|id| self.broker_configs.get(id).unwrap_or(&none) != target.broker_configs.get(id).unwrap_or(&none));
        if let Some(id) = configs {
            return Some(format!("broker {id} has other configs"));
        }
        if self.scram != target.scram {
            return Some("it has other credentials".to_owned());
        }
        if self.next_producer_id < target.next_producer_id {
            return Some(format!("it would give producer id {} out again", self.next_producer_id));
        }
        if let Some(extra) = self.topics().find(|topic| target.topic(&topic.metadata.name).is_none()) {
            return Some(format!("it has a topic {}", extra.metadata.name));
        }
        let other = target.topics().find(|wanted| {
            self.topic(&wanted.metadata.name).is_none_or(|here| {
                here.configs != wanted.configs
                    || !is_earlier(here, wanted)
                    || !same_partitions(&here.metadata, &wanted.metadata)
            })
        });
        other.map(|topic| format!("topic {} is another", topic.metadata.name))
    }
}

/// The topic of `target` that `topic` is an earlier state of.
fn kept<'a>(topic: &Topic, target: &'a Image) -> Option<&'a Topic> {
    let wanted = target.topic(&topic.metadata.name)?;
    is_earlier(topic, wanted).then_some(wanted)
}

/// Whether commands lead from `before` to `wanted`: what a topic is created with never changes, and partitions are
/// only added.
fn is_earlier(before: &Topic, wanted: &Topic) -> bool {
    let (here, there) = (&before.metadata, &wanted.metadata);
    here.id == there.id
        && before.replication_factor == wanted.replication_factor
        && here.partitions.len() <= there.partitions.len()
        && here.partitions.iter().zip(there.partitions.iter()).all(|(here, there)| here.replicas == there.replicas)
}

fn same_partitions(here: &TopicMetadata, wanted: &TopicMetadata) -> bool {
    here.partitions.len() == wanted.partitions.len()
        && here.partitions.iter().zip(wanted.partitions.iter()).all(|(here, wanted)| {
            here.leader == wanted.leader && here.isr == wanted.isr && here.leader_epoch >= wanted.leader_epoch
        })
}

fn topic_towards(before: Option<&Topic>, wanted: &Topic, commands: &mut Vec<Command>) {
    let metadata = &wanted.metadata;
    let replicas = |from: usize| metadata.partitions.iter().skip(from).map(|to| to.replicas.clone()).collect();
    let Some(before) = before else {
        commands.push(Command::CreateTopic {
            name: metadata.name.clone(),
            id: metadata.id,
            replication_factor: wanted.replication_factor,
            configs: (*wanted.configs).clone(),
            replicas: replicas(0),
        });
        return;
    };
    let here = before.metadata.partitions.len();
    if here < metadata.partitions.len() {
        let from = i32::try_from(here).unwrap_or(i32::MAX);
        commands.push(Command::AddPartitions { topic: metadata.id, from, replicas: replicas(here) });
    }
    let changes = config_changes(&before.configs, &wanted.configs);
    if !changes.is_empty() {
        commands.push(Command::AlterTopicConfigs { topic: metadata.id, changes });
    }
}

/// A new partition leads at epoch 0 by itself.
fn election(here: Option<&PartitionMetadata>, to: &PartitionMetadata) -> Option<Election> {
    let least = here.map_or(LeaderEpoch(0), |here| here.leader_epoch.next());
    let epoch = if is_planted("copy-epoch-not-raised") { to.leader_epoch } else { to.leader_epoch.max(least) };
    let is_there = here.map_or(epoch == LeaderEpoch(0), |here| here.leader_epoch == epoch);
    (!is_there).then(|| Election { partition: to.partition, leader: to.leader, epoch, isr: to.isr.clone() })
}

fn config_changes(from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let gone = from.keys().filter(|name| !to.contains_key(*name)).map(|name| (name.clone(), None));
    let set = to.iter().filter(|(name, value)| from.get(*name) != Some(value));
    gone.chain(set.map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}
