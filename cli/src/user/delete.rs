//! `ottla user delete`.

use std::sync::Arc;

use super::{broker, refused};
use crate::connect::Context;
use crate::error::Error;

const AFTER_HELP: &str = "\
Examples:
  ottla -u file:///var/lib/app/log user delete billing";

/// Lets a user log in no more.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "rm", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Who.
    #[arg(value_name = "USER")]
    name: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    context
        .with_client(async |client| {
            let broker = broker(client)?;
            let user: Arc<str> = Arc::from(args.name.as_str());
            let mut changes = Vec::new();
            for (user, credentials) in broker.describe_scram(Some(&[user])).map_err(refused)? {
                let credentials = credentials.map_err(refused)?;
                changes.extend(credentials.iter().map(|credential| (Arc::clone(&user), credential.mechanism, None)));
            }
            let answers = broker.alter_scram(changes).await.map_err(refused)?;
            answers.into_iter().collect::<Result<(), _>>().map_err(refused)
        })
        .await?;
    let told = serde_json::json!({"user": args.name, "deleted": true});
    context.out.show(&told, |_| format!("user {} deleted", args.name))
}
