//! `ottla topic create`.

use ottla::{ErrorCode, NewTopic};
use serde::Serialize;

use super::config::Config;
use crate::connect::Context;
use crate::error::Error;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 topic create orders --partitions 6
  ottla -u file:///var/lib/app/log topic create audit -c retention.ms=-1 -c max.message.bytes=2000000
  ottla -u kafka://localhost:9092 topic create orders --if-not-exists";

/// Creates topics.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Their names.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// How many partitions each has; the broker's `num.partitions` by default.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas each partition has; the broker's `default.replication.factor` by default.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A config of theirs, by Kafka's name.
    #[arg(short, long = "topic-config", value_name = "NAME=VALUE")]
    configs: Vec<Config>,
    /// One that exists is no error, and is left as it is.
    #[arg(long)]
    if_not_exists: bool,
}

#[derive(Debug, Serialize)]
struct Created {
    name: String,
    /// None for one that was there.
    id: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let created = context.with_client(async |client| {
        let mut created = Vec::new();
        for name in &args.names {
            let answer = client.admin().create_topic(topic(name, &args)).await;
            let id = match answer {
                Ok(id) => Some(id.to_string()),
                Err(error) if args.if_not_exists && error.kafka_code() == Some(ErrorCode::TopicAlreadyExists) => None,
                Err(error) => return Err(error.into()),
            };
            created.push(Created { name: name.clone(), id });
        }
        Ok(created)
    });
    context.out.show(&created.await?, |created| {
        let line = |topic: &Created| match topic.id {
            Some(_) => format!("topic {} created", topic.name),
            None => format!("topic {} exists", topic.name),
        };
        created.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

fn topic(name: &str, args: &Args) -> NewTopic {
    let mut topic = NewTopic::new(name);
    if let Some(partitions) = args.partitions {
        topic = topic.partitions(partitions);
    }
    if let Some(replicas) = args.replication_factor {
        topic = topic.replication_factor(replicas);
    }
    args.configs.iter().fold(topic, |topic, config| topic.config(&config.name, &config.value))
}
