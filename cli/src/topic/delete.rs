//! `ottla topic delete`.

use ottla::ErrorCode;
use serde::Serialize;

use crate::connect::Context;
use crate::error::Error;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 topic delete orders
  ottla -u kafka://localhost:9092 topic delete orders audit --if-exists";

/// Deletes topics with their records.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "rm", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Their names.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// One that does not exist is no error.
    #[arg(long)]
    if_exists: bool,
}

#[derive(Debug, Serialize)]
struct Deleted {
    name: String,
    /// Whether it was there.
    deleted: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let deleted = context.with_client(async |client| {
        let mut all = Vec::new();
        for name in &args.names {
            let deleted = match client.admin().delete_topic(name).await {
                Ok(()) => true,
                Err(error) if args.if_exists && error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition) => false,
                Err(error) => return Err(error.into()),
            };
            all.push(Deleted { name: name.clone(), deleted });
        }
        Ok(all)
    });
    context.out.show(&deleted.await?, |deleted| {
        let line = |topic: &Deleted| match topic.deleted {
            true => format!("topic {} deleted", topic.name),
            false => format!("topic {} does not exist", topic.name),
        };
        deleted.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
