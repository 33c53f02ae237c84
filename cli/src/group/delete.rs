//! `ottla group delete`.

use crate::connect::Context;
use crate::error::Error;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 group delete billing

Its consumers must have stopped.";

/// Deletes groups with their offsets.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "rm", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Their names.
    #[arg(required = true, value_name = "GROUP")]
    names: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    context
        .with_client(async |client| {
            for name in &args.names {
                client.admin().delete_group(name).await?;
            }
            Ok(())
        })
        .await?;
    let told: Vec<_> = args.names.iter().map(|name| serde_json::json!({"group": name, "deleted": true})).collect();
    context
        .out
        .show(&told, |_| args.names.iter().map(|name| format!("group {name} deleted")).collect::<Vec<_>>().join("\n"))
}
