//! What a consumer counts: by batch, commit and rebalance, never by record.

use std::sync::Arc;

use metrics::{Counter, Gauge, SharedString};
use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::group::GroupId;

#[derive(Clone)]
pub(super) struct Metrics {
    client: SharedString,
    group: SharedString,
    commits: Counter,
    refused: Counter,
    rebalances: Counter,
    lost: Counter,
}

impl Metrics {
    pub(super) fn new(client_id: &Arc<str>, group: &GroupId) -> Self {
        let client: SharedString = Arc::clone(client_id).into();
        let group: SharedString = group.as_str().to_owned().into();
        let counter =
            |name: &'static str| metrics::counter!(name, "client_id" => client.clone(), "group" => group.clone());
        Self {
            commits: counter("ottla_consumer_commits_total"),
            refused: counter("ottla_consumer_commits_refused_total"),
            rebalances: counter("ottla_consumer_rebalances_total"),
            lost: counter("ottla_consumer_lost_partitions_total"),
            client,
            group,
        }
    }

    /// The lag of one partition, in offsets.
    pub(super) fn lag(&self, partition: &TopicPartition) -> Gauge {
        metrics::gauge!(
            "ottla_consumer_lag",
            "client_id" => self.client.clone(),
            "group" => self.group.clone(),
            "topic" => partition.topic.as_str().to_owned(),
            "partition" => partition.partition.to_string()
        )
    }

    pub(super) fn committed(&self) {
        self.commits.increment(1);
    }

    pub(super) fn refused(&self) {
        self.refused.increment(1);
    }

    pub(super) fn rebalanced(&self) {
        self.rebalances.increment(1);
    }

    pub(super) fn lost(&self, partitions: usize) {
        self.lost.increment(partitions as u64);
    }
}
