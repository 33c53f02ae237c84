//! `ottla topic list`.

use std::sync::Arc;

use ottla_broker_core::api::TopicMetadata;
use serde::Serialize;

use crate::connect::Context;
use crate::error::Error;
use crate::output::table;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 topic list
  ottla -u file:///var/lib/app/log topic list --json | jq -r '.[].name'";

/// Lists the topics.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Those of the cluster itself too.
    #[arg(long)]
    internal: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    id: String,
    partitions: usize,
    replication_factor: usize,
    internal: bool,
}

impl Row {
    fn new(topic: &TopicMetadata) -> Self {
        Self {
            name: topic.name.to_string(),
            id: topic.id.to_string(),
            partitions: topic.partitions.len(),
            replication_factor: topic.partitions.first().map_or(0, |partition| partition.replicas.len()),
            internal: topic.internal,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let topics: Vec<Arc<TopicMetadata>> =
        context.with_client(async |client| Ok(client.admin().list_topics().await?)).await?;
    let shown = topics.iter().filter(|topic| args.internal || !topic.internal);
    let rows: Vec<_> = shown.map(|topic| Row::new(topic)).collect();
    context.out.show(&rows, |rows| {
        let row = |row: &Row| [row.name.clone(), row.partitions.to_string(), row.replication_factor.to_string()];
        table(&["topic", "#partitions", "#replicas"], rows.iter().map(row))
    })
}
