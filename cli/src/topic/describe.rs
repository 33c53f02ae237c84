//! `ottla topic describe`.

use std::collections::BTreeMap;

use ottla::{Admin, Offset, OffsetSpec};
use ottla_broker_core::api::{ConfigEntry, ConfigSource, PartitionMetadata};
use serde::Serialize;

use crate::connect::Context;
use crate::error::Error;
use crate::output::table;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 topic describe orders
  ottla -u kafka://localhost:9092 topic describe orders --all-configs --json";

/// Shows topics: their configs, and who leads their partitions and where these begin and end.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Their names.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// Configs that nobody set too.
    #[arg(long)]
    all_configs: bool,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    id: String,
    internal: bool,
    configs: Vec<Config>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Config {
    name: String,
    value: String,
    /// Where the value comes from: `topic`, `broker` or `default`.
    source: &'static str,
}

#[derive(Debug, Serialize)]
struct Partition {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    /// None while nobody leads it.
    start: Option<i64>,
    end: Option<i64>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let topics = context.with_client(async |client| {
        let mut topics = Vec::new();
        for name in &args.names {
            topics.push(describe(&client.admin(), name, args.all_configs).await?);
        }
        Ok(topics)
    });
    context.out.show(&topics.await?, |topics| topics.iter().map(shown).collect::<Vec<_>>().join("\n\n"))
}

async fn describe(admin: &Admin, name: &str, all_configs: bool) -> Result<Topic, Error> {
    let topic = admin.describe_topic(name).await?;
    let configs = admin.describe_configs(name).await?;
    let configs = configs.into_iter().filter(|entry| all_configs || entry.source == ConfigSource::Topic);
    // A topic whose leaders are away can be looked at too.
    let led = topic.partitions.iter().all(|partition| partition.leader.is_some());
    let (mut starts, mut ends) = (BTreeMap::new(), BTreeMap::new());
    if led {
        starts = admin.offsets(name, OffsetSpec::Earliest).await?;
        ends = admin.offsets(name, OffsetSpec::Latest).await?;
    }
    Ok(Topic {
        name: topic.name.to_string(),
        id: topic.id.to_string(),
        internal: topic.internal,
        configs: configs.map(Config::new).collect(),
        partitions: topic.partitions.iter().map(|partition| Partition::new(partition, &starts, &ends)).collect(),
    })
}

impl Config {
    fn new(entry: ConfigEntry) -> Self {
        let source = match entry.source {
            ConfigSource::Topic => "topic",
            ConfigSource::Broker => "broker",
            ConfigSource::Default => "default",
        };
        Self { name: entry.name, value: entry.value, source }
    }
}

impl Partition {
    fn new(
        partition: &PartitionMetadata,
        starts: &BTreeMap<i32, Option<Offset>>,
        ends: &BTreeMap<i32, Option<Offset>>,
    ) -> Self {
        let at = |offsets: &BTreeMap<i32, Option<Offset>>| {
            offsets.get(&partition.partition).copied().flatten().map(|offset| offset.0)
        };
        Self {
            partition: partition.partition,
            leader: partition.leader.map(|broker| broker.0),
            leader_epoch: partition.leader_epoch.0,
            replicas: partition.replicas.iter().map(|broker| broker.0).collect(),
            isr: partition.isr.iter().map(|broker| broker.0).collect(),
            start: at(starts),
            end: at(ends),
        }
    }
}

fn shown(topic: &Topic) -> String {
    let configs = topic.configs.iter().map(|config| format!("{}={}", config.name, config.value));
    let configs: Vec<_> = configs.collect();
    let configs = if configs.is_empty() { "as the broker's".to_owned() } else { configs.join(" ") };
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let brokers = |brokers: &[i32]| brokers.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let rows = topic.partitions.iter().map(|partition| {
        [
            partition.partition.to_string(),
            partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
            partition.leader_epoch.to_string(),
            brokers(&partition.replicas),
            brokers(&partition.isr),
            number(partition.start),
            number(partition.end),
        ]
    });
    let partitions = table(&["#partition", "#leader", "#epoch", "replicas", "isr", "#start", "#end"], rows);
    format!("topic {}\nid {}\nconfigs {configs}\n{partitions}", topic.name, topic.id)
}
