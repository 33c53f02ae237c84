//! `ottla group describe`.

use std::collections::{BTreeMap, BTreeSet};

use ottla::{Admin, ErrorCode, GroupDescription, GroupLag, MemberDescription, TopicPartition};
use serde::Serialize;

use crate::connect::Context;
use crate::error::Error;
use crate::output::table;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 group describe billing
  ottla -u kafka://localhost:9092 group describe billing --json | jq '[.[].partitions[].lag] | add'";

/// Shows groups: their members, who reads which partition, and how far each is behind.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Their names.
    #[arg(required = true, value_name = "GROUP")]
    names: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Group {
    group: String,
    state: &'static str,
    generation: i32,
    protocol_type: String,
    assignor: String,
    members: Vec<Member>,
    partitions: Vec<Partition>,
    /// Over all partitions for which something was committed.
    lag: u64,
}

#[derive(Debug, Serialize)]
struct Member {
    member: String,
    instance: Option<String>,
    client_id: String,
    host: String,
    topics: Vec<String>,
    partitions: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    topic: String,
    partition: i32,
}

#[derive(Debug, Serialize)]
struct Partition {
    #[serde(flatten)]
    named: Named,
    /// None where nothing was committed.
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<u64>,
    /// Who reads it.
    member: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let groups = context.with_client(async |client| {
        let mut groups = Vec::new();
        for name in &args.names {
            groups.push(describe(&client.admin(), name).await?);
        }
        Ok(groups)
    });
    context.out.show(&groups.await?, |groups| groups.iter().map(shown).collect::<Vec<_>>().join("\n\n"))
}

async fn describe(admin: &Admin, name: &str) -> Result<Group, Error> {
    let described = admin.describe_group(name).await?;
    let lags = admin.group_lag(name).await?;
    let owners = described.owners();
    // What is read and was never committed is of interest too.
    let all: BTreeSet<_> = lags.keys().chain(owners.keys()).cloned().collect();
    let ends = ends_of(admin, all.iter().filter(|partition| !lags.contains_key(*partition))).await?;
    let partitions = all.into_iter().map(|partition| {
        let lag: Option<&GroupLag> = lags.get(&partition);
        Partition {
            committed: lag.map(|lag| lag.committed.0),
            end: lag.map(|lag| lag.end.0).or_else(|| ends.get(&partition).copied()),
            lag: lag.map(GroupLag::offsets),
            member: owners.get(&partition).map(ToString::to_string),
            named: Named::new(&partition),
        }
    });
    Ok(Group::new(described, partitions.collect()))
}

/// Where partitions end.
async fn ends_of(
    admin: &Admin,
    partitions: impl Iterator<Item = &TopicPartition>,
) -> Result<BTreeMap<TopicPartition, i64>, Error> {
    let topics: BTreeSet<_> = partitions.map(|partition| partition.topic.clone()).collect();
    let mut ends = BTreeMap::new();
    for topic in topics {
        match admin.offsets(&topic, ottla::OffsetSpec::Latest).await {
            Ok(found) => ends
                .extend(found.into_iter().filter_map(|(n, end)| Some((TopicPartition::new(topic.clone(), n), end?.0)))),
            // Deleted meanwhile.
            Err(error) if error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ends)
}

impl Group {
    fn new(described: GroupDescription, partitions: Vec<Partition>) -> Self {
        Self {
            group: described.group.to_string(),
            state: described.state.name(),
            generation: described.generation.0,
            protocol_type: described.protocol_type.to_string(),
            assignor: described.assignor.to_string(),
            members: described.members.iter().map(Member::new).collect(),
            lag: partitions.iter().filter_map(|partition| partition.lag).sum(),
            partitions,
        }
    }
}

impl Member {
    fn new(described: &MemberDescription) -> Self {
        let topics = described.subscription.iter().flat_map(|subscription| &subscription.topics);
        Self {
            member: described.member.to_string(),
            instance: described.instance.as_ref().map(ToString::to_string),
            client_id: described.client_id.to_string(),
            host: described.client_host.to_string(),
            topics: topics.map(ToString::to_string).collect(),
            partitions: described.partitions.iter().map(Named::new).collect(),
        }
    }
}

impl Named {
    fn new(partition: &TopicPartition) -> Self {
        Self { topic: partition.topic.to_string(), partition: partition.partition }
    }
}

fn shown(group: &Group) -> String {
    let kind = if group.assignor.is_empty() { "-" } else { &group.assignor };
    let mut text = format!(
        "group {}\nstate {}  generation {}  assignor {kind}  lag {}",
        group.group, group.state, group.generation, group.lag
    );
    if !group.members.is_empty() {
        let rows = group.members.iter().map(|member| {
            [
                member.member.clone(),
                member.instance.clone().unwrap_or_else(|| "-".to_owned()),
                member.client_id.clone(),
                member.host.clone(),
                member.partitions.len().to_string(),
            ]
        });
        text = format!("{text}\n\n{}", table(&["member", "instance", "client", "host", "#partitions"], rows));
    }
    if !group.partitions.is_empty() {
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let rows = group.partitions.iter().map(|partition| {
            [
                partition.named.topic.clone(),
                partition.named.partition.to_string(),
                number(partition.committed),
                number(partition.end),
                partition.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
                partition.member.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        });
        let header = ["topic", "#partition", "#committed", "#end", "#lag", "member"];
        text = format!("{text}\n\n{}", table(&header, rows));
    }
    text
}
