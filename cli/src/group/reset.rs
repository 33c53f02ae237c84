//! `ottla group reset`.

use std::collections::{BTreeMap, BTreeSet};

use ottla::{Admin, GroupState, Offset, OffsetSpec, TopicName, TopicPartition};
use ottla_broker_core::planted::is_planted;
use serde::Serialize;

use super::place::Place;
use crate::connect::Context;
use crate::error::Error;
use crate::moment::Moment;
use crate::output::table;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 group reset billing --to-earliest --dry-run
  ottla -u kafka://localhost:9092 group reset billing --topic orders --to-time 2026-11-23T06:00:00Z
  ottla -u kafka://localhost:9092 group reset billing --topic orders:0,3-5 --to-offset 1000
  ottla -u kafka://localhost:9092 group reset new-group --topic orders --to-time 2h

Its consumers must have stopped. A group that is not there is made.";

/// Sets where a group goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Its name.
    #[arg(value_name = "GROUP")]
    name: String,
    #[command(flatten)]
    to: To,
    /// A topic, or some of its partitions, as in `orders:0,3-5`; otherwise all for which the group has committed.
    #[arg(short, long = "topic", value_name = "TOPIC[:PARTITIONS]")]
    places: Vec<Place>,
    /// Only shows what would be set.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Where to.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To the first record that there is.
    #[arg(long)]
    to_earliest: bool,
    /// To the end: only what is written from now on.
    #[arg(long)]
    to_latest: bool,
    /// To this offset, which must be there.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// To the first record of this time or later, or to the end: RFC 3339, milliseconds, or how long ago (`90s`, `2h`, `7d`).
    #[arg(long, value_name = "TIME")]
    to_time: Option<Moment>,
}

#[derive(Debug, Serialize)]
struct Row {
    topic: String,
    partition: i32,
    /// None if nothing was committed.
    before: Option<i64>,
    after: i64,
}

#[derive(Debug, Serialize)]
struct Reset {
    group: String,
    /// False for a dry run.
    applied: bool,
    partitions: Vec<Row>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let now_ms = context.env.wall_ms();
    let reset = context.with_client(async |client| reset(&client.admin(), &args, now_ms).await);
    context.out.show(&reset.await?, |reset| {
        let rows = reset.partitions.iter().map(|row| {
            let before = row.before.map_or_else(|| "-".to_owned(), |before| before.to_string());
            [row.topic.clone(), row.partition.to_string(), before, row.after.to_string()]
        });
        let rows = table(&["topic", "#partition", "#before", "#after"], rows);
        if reset.applied { rows } else { format!("{rows}\nnothing was set: this was a dry run") }
    })
}

async fn reset(admin: &Admin, args: &Args, now_ms: i64) -> Result<Reset, Error> {
    let committed = admin.group_offsets(&args.name).await?;
    let before: BTreeMap<_, _> = committed.into_iter().map(|(partition, at)| (partition, at.offset)).collect();
    let wanted = wanted(admin, args, &before).await?;
    let mut offsets = BTreeMap::new();
    let topics: BTreeSet<_> = wanted.iter().map(|partition| partition.topic.clone()).collect();
    for topic in topics {
        let found = args.to.offsets(admin, &topic, &wanted, now_ms).await?;
        offsets.extend(found.into_iter().map(|(n, offset)| (TopicPartition::new(topic.clone(), n), offset)));
    }
    offsets.retain(|partition, _| wanted.contains(partition));
    if !args.dry_run || is_planted("cli-dry-run-sets") {
        stopped(admin, &args.name).await?;
        admin.alter_group_offsets(&args.name, offsets.clone()).await?;
    }
    let row = |(partition, offset): (TopicPartition, Offset)| Row {
        before: before.get(&partition).map(|before| before.0),
        topic: partition.topic.to_string(),
        partition: partition.partition,
        after: offset.0,
    };
    Ok(Reset { group: args.name.clone(), applied: !args.dry_run, partitions: offsets.into_iter().map(row).collect() })
}

/// The partitions that were named, each of which is there; or those of the group.
async fn wanted(
    admin: &Admin,
    args: &Args,
    before: &BTreeMap<TopicPartition, Offset>,
) -> Result<BTreeSet<TopicPartition>, Error> {
    if args.places.is_empty() {
        if before.is_empty() {
            let name = &args.name;
            let message =
                format!("group `{name}` has committed nothing: name the topics that it is to read with `--topic`");
            return Err(Error::NotFound(message));
        }
        return Ok(before.keys().cloned().collect());
    }
    let mut wanted = BTreeSet::new();
    for place in &args.places {
        let there = admin.describe_topic(&place.topic).await?.partitions.len();
        let there = i32::try_from(there).unwrap_or(i32::MAX);
        let partitions = place.partitions.clone().unwrap_or_else(|| (0..there).collect());
        if let Some(absent) = partitions.iter().find(|partition| **partition >= there) {
            let topic = &place.topic;
            let message = format!("there is no partition {absent} of topic `{topic}`: it has {there}, from 0 on");
            return Err(Error::NotFound(message));
        }
        wanted.extend(partitions.into_iter().map(|n| TopicPartition::new(place.topic.clone(), n)));
    }
    Ok(wanted)
}

/// A group with members would go on from where they are.
async fn stopped(admin: &Admin, name: &str) -> Result<(), Error> {
    match admin.describe_group(name).await {
        Ok(group) if !matches!(group.state, GroupState::Empty | GroupState::Dead) => Err(Error::Failed(format!(
            "group `{name}` is {} and has {} members: stop its consumers first",
            group.state,
            group.members.len()
        ))),
        Ok(_) => Ok(()),
        Err(error) if error.kafka_code() == Some(ottla::ErrorCode::GroupIdNotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl To {
    /// In every partition of a topic; of those that are not wanted it does not matter.
    async fn offsets(
        &self,
        admin: &Admin,
        topic: &TopicName,
        wanted: &BTreeSet<TopicPartition>,
        now_ms: i64,
    ) -> Result<BTreeMap<i32, Offset>, Error> {
        let at = async |spec| {
            let found = admin.offsets(topic, spec).await?;
            Ok::<_, Error>(found.into_iter().filter_map(|(n, offset)| Some((n, offset?))).collect::<BTreeMap<_, _>>())
        };
        if self.to_earliest {
            return at(OffsetSpec::Earliest).await;
        }
        let ends = at(OffsetSpec::Latest).await?;
        if let Some(moment) = self.to_time {
            let mut found = at(OffsetSpec::Timestamp(moment.millis(now_ms))).await?;
            for (partition, end) in ends {
                found.entry(partition).or_insert(end);
            }
            return Ok(found);
        }
        let Some(offset) = self.to_offset.map(Offset) else { return Ok(ends) };
        let starts = at(OffsetSpec::Earliest).await?;
        for partition in wanted.iter().filter(|partition| partition.topic == *topic) {
            let of = |offsets: &BTreeMap<i32, Offset>| offsets.get(&partition.partition).copied();
            let (Some(start), Some(end)) = (of(&starts), of(&ends)) else { continue };
            if (offset < start || offset > end) && !is_planted("cli-reset-beyond-the-log") {
                let message =
                    format!("offset {offset} is not in {partition}, which begins at {start} and ends at {end}");
                return Err(Error::Usage(message));
            }
        }
        Ok(ends.into_keys().map(|partition| (partition, offset)).collect())
    }
}
