//! What is known of the cluster, as last heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::api::{BrokerMetadata, Metadata};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{BrokerId, TopicId, TopicName};
use ottla_wire::net::{Address, Peer};
use rustc_hash::FxHashMap;

/// What is known of the cluster, as last heard. Who leads what is the SDK's to remember.
#[derive(Debug, Default)]
pub(super) struct Known {
    brokers: BTreeMap<BrokerId, Address>,
    pub(super) controller: Option<BrokerId>,
    /// Ids of topics: requests of newer versions name them so. One that is not known is asked for in an older version.
    topics: FxHashMap<TopicName, TopicId>,
    pub(super) peers: BTreeMap<Address, Arc<Peer>>,
    pub(super) closed: bool,
}

impl Known {
    pub(super) fn address(&self, broker: BrokerId) -> Option<&Address> {
        self.brokers.get(&broker)
    }

    /// Any broker, for a question about "the broker".
    pub(super) fn first(&self) -> Option<BrokerId> {
        self.brokers.keys().next().copied()
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.brokers.values()
    }

    /// The ids of topics; `None` unless all are known.
    pub(super) fn ids<'a>(&self, names: impl Iterator<Item = &'a TopicName>) -> Option<FxHashMap<TopicName, TopicId>> {
        let mut ids = FxHashMap::default();
        for name in names {
            if !ids.contains_key(name) {
                ids.insert(name.clone(), *self.topics.get(name)?);
            }
        }
        Some(ids)
    }

    /// Takes over what a broker told. Connections to addresses that are no broker's any more end when what is asked
    /// over them was answered.
    pub(super) fn heard(&mut self, metadata: &Metadata) {
        if !metadata.brokers.is_empty() {
            self.brokers = metadata.brokers.iter().map(|broker| (broker.id, address(broker))).collect();
            let brokers = &self.brokers;
            self.peers.retain(|address, _| brokers.values().any(|known| known == address));
        }
        self.controller = metadata.controller;
        for topic in metadata.topics.iter().flatten() {
            if topic.id.0.is_nil() {
                self.topics.remove(&topic.name);
            } else {
                self.topics.insert(topic.name.clone(), topic.id);
            }
        }
    }

    /// Takes over where one broker is.
    pub(super) fn place(&mut self, broker: BrokerId, address: Address) {
        if !is_planted("coordinators-address-unheard") {
            self.brokers.insert(broker, address);
        }
    }

    /// Forgets a topic that was deleted.
    pub(super) fn forget(&mut self, name: &TopicName) {
        self.topics.remove(name);
    }
}

fn address(broker: &BrokerMetadata) -> Address {
    Address::new(broker.host.as_str(), broker.port)
}
