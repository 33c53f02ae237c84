//! What follows from the commands so far.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::command::{Command, Election, Registration};
use super::scram::{ScramKeys, ScramUsers};
use crate::api::{BrokerMetadata, PartitionMetadata, ScramMechanism, TopicMetadata};
use crate::ids::{BrokerId, LeaderEpoch, TopicId, TopicName};
use crate::log::Position;

/// The metadata at one position of the log. Immutable: applying an entry makes a new image, which shares
/// with the old one every topic that the entry did not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub(super) position: Position,
    pub(super) cluster_id: Arc<str>,
    pub(super) brokers: Arc<BTreeMap<BrokerId, Registration>>,
    /// `brokers` as answers carry them.
    pub(super) listed: Arc<[BrokerMetadata]>,
    pub(super) broker_configs: Arc<BTreeMap<BrokerId, BTreeMap<String, String>>>,
    pub(super) topics: Arc<BTreeMap<TopicName, Arc<Topic>>>,
    pub(super) names: Arc<BTreeMap<TopicId, TopicName>>,
    pub(super) scram: Arc<ScramUsers>,
    pub(super) next_producer_id: i64,
    pub(super) copying: bool,
}

/// A topic as the metadata knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Name, id and partitions, as answers carry them.
    pub metadata: Arc<TopicMetadata>,
    /// How many replicas were asked for.
    pub replication_factor: i16,
    /// The configs that were set on it.
    pub configs: Arc<BTreeMap<String, String>>,
}

/// A command that contradicts the image. Nothing of its entry was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metadata contradicts itself at position {position}: {reason}")]
pub struct Rejected {
    /// Where.
    pub position: Position,
    /// How.
    pub reason: String,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            position: 0,
            cluster_id: Arc::from(""),
            brokers: Arc::default(),
            listed: Arc::from([]),
            broker_configs: Arc::default(),
            topics: Arc::default(),
            names: Arc::default(),
            scram: Arc::default(),
            next_producer_id: 0,
            copying: false,
        }
    }
}

impl Image {
    /// How many entries it holds: the position of the next one.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The cluster's id; empty before the first command.
    #[must_use]
    pub const fn cluster_id(&self) -> &Arc<str> {
        &self.cluster_id
    }

    /// The registered brokers, by id.
    #[must_use]
    pub const fn brokers(&self) -> &Arc<[BrokerMetadata]> {
        &self.listed
    }

    /// A broker as it registered last.
    #[must_use]
    pub fn registration(&self, id: BrokerId) -> Option<&Registration> {
        self.brokers.get(&id)
    }

    /// The configs that were altered on a broker.
    #[must_use]
    pub fn broker_configs(&self, id: BrokerId) -> Option<&BTreeMap<String, String>> {
        self.broker_configs.get(&id)
    }

    /// The topics, by name.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic of this identity.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.get(self.names.get(&id)?)
    }

    /// The SCRAM credentials, by user.
    pub fn scram_users(&self) -> impl ExactSizeIterator<Item = (&String, &BTreeMap<ScramMechanism, ScramKeys>)> {
        self.scram.iter()
    }

    /// A user's SCRAM credential.
    #[must_use]
    pub fn scram_keys(&self, user: &str, mechanism: ScramMechanism) -> Option<&ScramKeys> {
        self.scram.get(user)?.get(&mechanism)
    }

    /// The first producer id that nobody has.
    #[must_use]
    pub const fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Whether the cluster is being copied here and not all of it is here yet: there is nothing to lead.
    #[must_use]
    pub const fn is_unfinished_copy(&self) -> bool {
        self.copying
    }

    /// The image after one more entry. Pure: the same image and commands give the same image.
    ///
    /// # Errors
    /// [`Rejected`] if a command contradicts what is there.
    pub fn apply(&self, commands: &[Command]) -> Result<Self, Rejected> {
        let mut next = self.clone();
        for command in commands {
            next.change(command).map_err(|reason| Rejected { position: self.position, reason })?;
        }
        next.position += 1;
        Ok(next)
    }

    fn change(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Entry { .. } => Ok(()),
            Command::CreateCluster { id } => self.create_cluster(id),
            Command::BeginCopy => {
                known(!self.copying, || "it is being copied already".to_owned())?;
                known(self.topics.is_empty(), || "a cluster that has topics is no copy to begin".to_owned())?;
                self.copying = true;
                Ok(())
            }
            Command::EndCopy => {
                known(self.copying, || "it is not being copied".to_owned())?;
                self.copying = false;
                Ok(())
            }
            Command::RegisterBroker(registration) => self.register(registration),
            Command::CreateTopic { name, id, replication_factor, configs, replicas } => {
                self.create_topic(name, *id, *replication_factor, configs, replicas)
            }
            Command::DeleteTopic { id } => self.delete_topic(*id),
            Command::AddPartitions { topic, from, replicas } => self.add_partitions(*topic, *from, replicas),
            Command::AlterTopicConfigs { topic, changes } => self.with_topic(*topic, |topic| {
                alter(Arc::make_mut(&mut topic.configs), changes);
                Ok(())
            }),
            Command::AlterBrokerConfigs { broker, changes } => {
                known(self.brokers.contains_key(broker), || format!("broker {broker} is not registered"))?;
                alter(Arc::make_mut(&mut self.broker_configs).entry(*broker).or_default(), changes);
                Ok(())
            }
            Command::AlterScram { user, mechanism, keys } => self.alter_scram(user, *mechanism, keys.as_ref()),
            Command::ElectLeaders { topics } => {
                topics.iter().try_for_each(|topic| self.with_topic(topic.topic, |found| elect(found, &topic.elections)))
            }
            Command::AllocateProducerIds { broker, first, len } => self.allocate(*broker, *first, *len),
        }
    }

    fn create_cluster(&mut self, id: &str) -> Result<(), String> {
        known(self.cluster_id.is_empty(), || format!("the cluster is {} already, not {id}", self.cluster_id))?;
        known(!id.is_empty(), || "a cluster's id is not empty".to_owned())?;
        self.cluster_id = Arc::from(id);
        Ok(())
    }

    fn register(&mut self, registration: &Registration) -> Result<(), String> {
        Arc::make_mut(&mut self.brokers).insert(registration.id, registration.clone());
        self.listed = list(&self.brokers);
        Ok(())
    }

    fn create_topic(
        &mut self,
        name: &TopicName,
        id: TopicId,
        replication_factor: i16,
        configs: &BTreeMap<String, String>,
        replicas: &[Vec<BrokerId>],
    ) -> Result<(), String> {
        known(!self.topics.contains_key(name), || format!("the topic {name} exists"))?;
        known(!self.names.contains_key(&id), || format!("the topic id {id} exists"))?;
        known(!replicas.is_empty(), || format!("the topic {name} has no partition"))?;
        let mut partitions = Vec::with_capacity(replicas.len());
        self.append_partitions(name, replicas, &mut partitions)?;
        let metadata =
            TopicMetadata { name: name.clone(), id, internal: name.is_internal(), partitions: Arc::from(partitions) };
        let topic = Topic { metadata: Arc::new(metadata), replication_factor, configs: Arc::new(configs.clone()) };
        Arc::make_mut(&mut self.topics).insert(name.clone(), Arc::new(topic));
        Arc::make_mut(&mut self.names).insert(id, name.clone());
        Ok(())
    }

    fn delete_topic(&mut self, id: TopicId) -> Result<(), String> {
        known(self.names.contains_key(&id), || unknown_topic(id))?;
        if let Some(name) = Arc::make_mut(&mut self.names).remove(&id) {
            Arc::make_mut(&mut self.topics).remove(&name);
        }
        Ok(())
    }

    fn add_partitions(&mut self, id: TopicId, from: i32, replicas: &[Vec<BrokerId>]) -> Result<(), String> {
        let topic = self.topic_by_id(id).ok_or_else(|| unknown_topic(id))?;
        let metadata = &topic.metadata;
        known(i32::try_from(metadata.partitions.len()) == Ok(from), || {
            format!("the topic {} has {} partitions, not {from}", metadata.name, metadata.partitions.len())
        })?;
        let mut partitions = metadata.partitions.to_vec();
        self.append_partitions(&metadata.name, replicas, &mut partitions)?;
        self.with_topic(id, |topic| {
            Arc::make_mut(&mut topic.metadata).partitions = Arc::from(partitions);
            Ok(())
        })
    }

    fn alter_scram(&mut self, user: &str, mechanism: ScramMechanism, keys: Option<&ScramKeys>) -> Result<(), String> {
        let users = Arc::make_mut(&mut self.scram);
        match keys {
            Some(keys) => {
                users.entry(user.to_owned()).or_default().insert(mechanism, keys.clone());
            }
            None => {
                let known_keys = users.get_mut(user).and_then(|of_user| of_user.remove(&mechanism));
                known(known_keys.is_some(), || format!("user {user} has no credential for {mechanism}"))?;
                users.retain(|_, of_user| !of_user.is_empty());
            }
        }
        Ok(())
    }

    fn append_partitions(
        &self,
        name: &TopicName,
        replicas: &[Vec<BrokerId>],
        partitions: &mut Vec<PartitionMetadata>,
    ) -> Result<(), String> {
        for replicas in replicas {
            let partition = i32::try_from(partitions.len()).map_err(|_| format!("too many partitions in {name}"))?;
            known(!replicas.is_empty(), || format!("{name}-{partition} has no replica"))?;
            for (at, replica) in replicas.iter().enumerate() {
                known(self.brokers.contains_key(replica), || {
                    format!("{name}-{partition}: broker {replica} is not registered")
                })?;
                known(!replicas.iter().take(at).any(|before| before == replica), || {
                    format!("{name}-{partition}: broker {replica} is a replica twice")
                })?;
            }
            partitions.push(PartitionMetadata {
                partition,
                leader: replicas.first().copied(),
                leader_epoch: LeaderEpoch(0),
                replicas: replicas.clone(),
                isr: replicas.clone(),
            });
        }
        Ok(())
    }

    fn allocate(&mut self, broker: BrokerId, first: i64, len: i64) -> Result<(), String> {
        known(self.brokers.contains_key(&broker), || format!("broker {broker} is not registered"))?;
        known(first == self.next_producer_id, || {
            format!("the next producer id is {}, not {first}", self.next_producer_id)
        })?;
        known(len > 0, || format!("a block of {len} producer ids"))?;
        self.next_producer_id = first.checked_add(len).ok_or("the producer ids are used up")?;
        Ok(())
    }

    fn with_topic(&mut self, id: TopicId, change: impl FnOnce(&mut Topic) -> Result<(), String>) -> Result<(), String> {
        let name = self.names.get(&id).ok_or_else(|| unknown_topic(id))?;
        let topic = Arc::make_mut(&mut self.topics).get_mut(name).ok_or_else(|| unknown_topic(id))?;
        change(Arc::make_mut(topic))
    }
}

/// `brokers` as answers carry them.
pub(super) fn list(brokers: &BTreeMap<BrokerId, Registration>) -> Arc<[BrokerMetadata]> {
    brokers
        .values()
        .map(|broker| BrokerMetadata {
            id: broker.id,
            host: broker.host.clone(),
            port: broker.port,
            rack: broker.rack.clone(),
        })
        .collect()
}

fn known(condition: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(reason()) }
}

fn unknown_topic(id: impl fmt::Display) -> String {
    format!("there is no topic of id {id}")
}

fn alter(configs: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (name, value) in changes {
        match value {
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
}

fn elect(topic: &mut Topic, elections: &[Election]) -> Result<(), String> {
    let metadata = Arc::make_mut(&mut topic.metadata);
    let mut partitions = metadata.partitions.to_vec();
    for election in elections {
        let place = format_args!("{}-{}", metadata.name, election.partition).to_string();
        let partition = usize::try_from(election.partition)
            .ok()
            .and_then(|at| partitions.get_mut(at))
            .ok_or_else(|| format!("there is no partition {place}"))?;
        known(election.epoch > partition.leader_epoch, || {
            format!("{place} is at leader epoch {} and cannot go to {}", partition.leader_epoch, election.epoch)
        })?;
        known(!election.isr.is_empty() && election.isr.iter().all(|isr| partition.replicas.contains(isr)), || {
            format!("{place}: the in-sync replicas {:?} are not all among its replicas", election.isr)
        })?;
        if let Some(leader) = election.leader {
            known(election.isr.contains(&leader), || format!("{place}: the leader {leader} is not in sync"))?;
        }
        partition.leader = election.leader;
        partition.leader_epoch = election.epoch;
        partition.isr.clone_from(&election.isr);
    }
    metadata.partitions = Arc::from(partitions);
    Ok(())
}
