//! `ottla topic alter`.

use super::config::Config;
use crate::connect::Context;
use crate::error::Error;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 topic alter orders -c retention.ms=86400000
  ottla -u kafka://localhost:9092 topic alter orders --reset retention.ms
  ottla -u kafka://localhost:9092 topic alter orders --partitions 12

Records with a key go to other partitions once there are more of them.";

/// Changes a topic's configs or number of partitions.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Its name.
    #[arg(value_name = "TOPIC")]
    name: String,
    #[command(flatten)]
    changes: Changes,
}

/// At least one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// How many partitions it has from now on: more than it had.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Sets a config, by Kafka's name.
    #[arg(short, long = "topic-config", value_name = "NAME=VALUE")]
    configs: Vec<Config>,
    /// Sets a config back to its default.
    #[arg(long, value_name = "NAME")]
    reset: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let Args { name, changes: Changes { partitions, configs, reset } } = args;
    if let Some(both) = reset.iter().find(|name| configs.iter().any(|config| config.name == **name)) {
        return Err(Error::Usage(format!("`{both}` cannot be set and reset at once")));
    }
    context
        .with_client(async |client| {
            let admin = client.admin();
            let set = configs.iter().map(|config| (config.name.clone(), Some(config.value.clone())));
            let changes: Vec<_> = set.chain(reset.iter().map(|name| (name.clone(), None))).collect();
            if !changes.is_empty() {
                admin.alter_configs(&name, changes).await?;
            }
            if let Some(partitions) = partitions {
                admin.add_partitions(&name, partitions).await?;
            }
            Ok(())
        })
        .await?;
    let told = serde_json::json!({"name": name, "altered": true});
    context.out.show(&told, |_| format!("topic {name} altered"))
}
